"""Two reasons to end a trial early: others were better by then, or no error gets back in time."""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

import keras
import numpy as np

from ...callbacks import ErrorFlow
from ...callbacks.findings.error_flow import MIN_TIME_STEPS, VANISHING, Tables, decay
from ...callbacks.findings.finding import short
from ..core.run_folder import RunFolder, read_history

Shares = Mapping[str, float | None]  # of each recurrent layer; None where it cannot be told


class Rule(keras.callbacks.Callback):
    """Stops a training after an epoch, unless that was the last one anyway.

    The `RunCheckpoint`, which comes later among the callbacks, still keeps that epoch.

    Attributes:
        status: of a trial that was stopped.
        reason: in one line; None: not stopped.
    """

    status: str
    reason: str | None = None

    def judge(self, epoch: int, logs: Mapping[str, float]) -> str | None:
        """The reason to stop after `epoch`, counted from 0."""
        raise NotImplementedError

    def on_epoch_end(self, epoch, logs=None):
        reason = self.judge(epoch, logs or {})
        if reason and epoch + 1 < self.params["epochs"]:
            self.reason, self.model.stop_training = reason, True


# Others were better


class MedianRule(Rule):
    """Stops what is worse than half of the finished trials were at the same epoch.

    Args:
        run: whose earlier epochs count, after a resume.
        objective: {"name": a figure of each epoch, "direction": "min" or "max"}.
        others: that figure of finished trials, epoch by epoch.
        warm_up: nothing is stopped before this many epochs.
        trials: nor while fewer trials are finished.
    """

    status = "pruned"

    def __init__(
        self,
        run: RunFolder,
        objective: Mapping[str, str],
        others: Sequence[Sequence[float]],
        warm_up: int = 3,
        trials: int = 5,
    ):
        super().__init__()
        self.run, self.others = run, others
        self.name, self.direction = objective["name"], objective["direction"]
        self.warm_up, self.trials = warm_up, trials

    def on_train_begin(self, logs=None):
        self.curve = [row[self.name] for row in read_history(self.run)]

    def judge(self, epoch, logs):
        self.curve = [*self.curve[:epoch], logs[self.name]]
        if epoch + 1 < self.warm_up or len(self.others) < self.trials:
            return None
        middle = median_at(epoch, self.others, self.direction)
        best = best_so_far(self.curve, self.direction)[-1]
        if not _is_better(middle, best, self.direction):
            return None
        return (
            f"{self.name} was {best:.4g} at best in {epoch + 1} epochs,"
            f" the median of {len(self.others)} finished trials {middle:.4g}"
        )


def best_so_far(curve: Sequence[float | None], direction: str) -> list[float]:
    """The best value up to each epoch; what is not finite is worse than all that is."""
    worst = math.inf if direction == "min" else -math.inf
    known = [value if value is not None and math.isfinite(value) else worst for value in curve]
    return list(accumulate(known, min if direction == "min" else max))


def median_at(epoch: int, curves: Sequence[Sequence[float]], direction: str) -> float:
    """The median of the best values up to `epoch`, from 0; a curve that has ended keeps its best.

    Between two trials, one of which had no finite value yet, that one counts.
    """
    found = [best_so_far(curve[: epoch + 1], direction)[-1] for curve in curves if curve]
    return statistics.median(found)


def _is_better(a: float, b: float, direction: str) -> bool:
    return a < b if direction == "min" else a > b


# No error gets back


class VanishingRule(Rule):
    """Stops a network none of whose recurrent layers gets an error back to its first step.

    What the first step receives of the last step's error is taken from each training step of an
    epoch; the median of these stays below the threshold in each of the first epochs, and in every
    layer. (An LSTM into which errors enter at many steps does not tell: see `decay`.) They
    are kept as `first_to_last` in results.json, for a run that goes on after a stop.

    Args:
        run: where the shares are recorded.
        error_flow: the callback that records the error.
        joined: names of joined layers, which are not judged.
        epochs: how many are judged.
        threshold: below it, an error has vanished.
    """

    status = "vanishing"

    def __init__(
        self,
        run: RunFolder,
        error_flow: ErrorFlow,
        joined: Collection[str] = (),
        epochs: int = 3,
        threshold: float = VANISHING,
    ):
        super().__init__()
        self.run, self.error_flow, self.joined = run, error_flow, joined
        self.epochs, self.threshold = epochs, threshold
        self.shares: list[Shares] = run.results().get("first_to_last", [])
        self.step = 0  # the last training step of the epoch before

    def judge(self, epoch, logs):
        if epoch < self.epochs:
            self._measure(epoch)
        return vanished(self.shares, self.epochs, self.threshold)

    def _measure(self, epoch: int) -> None:
        history = self.error_flow.history
        layers = [name for name in history if name not in self.joined]
        found = {name: first_to_last(history[name], self.step) for name in layers}
        self.shares = [*self.shares[:epoch], found]
        self.run.update(first_to_last=self.shares)
        self.step = max((int(history[name]["step"].max(initial=0)) for name in layers), default=0)


def first_to_last(tables: Tables, after: int = 0) -> float | None:
    """What the first step receives of the last step's error: median of the rows behind `after`."""
    rows = tables["step"] > after
    recent = {name: table[rows] for name, table in tables.items() if np.ndim(table)}
    if not rows.any() or np.median(recent["length"]) < MIN_TIME_STEPS:
        return None
    share = decay(recent).first_to_last
    return None if math.isnan(share) else share


def vanished(shares: Sequence[Shares], epochs: int, threshold: float) -> str | None:
    """The evidence, if in each of the first epochs every layer stayed below the threshold."""
    first = shares[:epochs]
    if len(first) < epochs or not all(first):
        return None
    if not all(s is not None and s < threshold for found in first for s in found.values()):
        return None
    layers = [f"{name} {_listed(found[name] for found in first)}" for name in first[0]]
    return (
        f"the first step's error over the last step's, epoch by epoch: {'; '.join(layers)};"
        f" all below {short(threshold)}"
    )


def _listed(shares: Any) -> str:
    return ", ".join(short(share) if share else "0" for share in shares)
