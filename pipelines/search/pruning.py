"""Rules that stop a trial early: it is worse than others, or its error vanishes over time."""

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import keras
import numpy as np

from ...callbacks import ErrorFlow
from ...callbacks.findings.decay import decay
from ...callbacks.findings.error_flow import VANISHING
from ...callbacks.findings.finding import short
from ...callbacks.findings.unjudged_error import MIN_TIME_STEPS
from ...callbacks.recording.tables import Tables
from ..core.run_folder import RunFolder, read_history

Shares = Mapping[str, float | None]  # one for each recurrent layer; None if it is unknown


class Rule(keras.callbacks.Callback):
    """Stops a training after an epoch, unless it was the last one.

    `RunCheckpoint`, which comes later in the list of callbacks, still saves that epoch.

    Args:
        run: the run that is trained; its results record why it was stopped.

    Attributes:
        status: the status of a trial that this rule stops.
    """

    status: str

    def __init__(self, run: RunFolder):
        super().__init__()
        self.run = run

    def judge(self, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Return the reason to stop after an epoch, counted from 0; None: continue."""
        raise NotImplementedError

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        reason = self.judge(epoch, logs or {})
        if reason and epoch + 1 < self.params["epochs"]:
            self.run.update(stopped={"status": self.status, "reason": reason})
            self.model.stop_training = True


# Other trials were better


class MedianRule(Rule):
    """Stops a trial that is worse than the median of the finished trials at the same epoch.

    Args:
        run: the run that is trained; after a resume, its earlier epochs count too.
        objective: {"name": a metric of each epoch, "direction": "min" or "max"}.
        curves: values of the objective in finished trials, epoch by epoch.
        warm_up: number of epochs before the rule applies.
        trials: number of finished trials before the rule applies.
    """

    status = "pruned"

    def __init__(
        self,
        run: RunFolder,
        objective: Mapping[str, str],
        curves: Sequence[Sequence[float]],
        warm_up: int = 3,
        trials: int = 5,
    ):
        super().__init__(run)
        self.curves = curves
        self.name, self.direction = objective["name"], objective["direction"]
        self.warm_up, self.trials = warm_up, trials

    def on_train_begin(self, logs: Any = None) -> None:
        self.curve = [row[self.name] for row in read_history(self.run)]

    def judge(self, epoch: int, logs: Mapping[str, float]) -> str | None:
        self.curve = [*self.curve[:epoch], logs[self.name]]
        if epoch + 1 < self.warm_up or len(self.curves) < self.trials:
            return None
        median = median_at(epoch, self.curves, self.direction)
        best = best_so_far(self.curve, self.direction)[-1]
        if not _is_better(median, best, self.direction):
            return None
        return (
            f"the best {self.name} in {epoch + 1} epochs was {best:.4g},"
            f" the median of {len(self.curves)} finished trials {median:.4g}"
        )


def best_so_far(curve: Sequence[float | None], direction: str) -> list[float]:
    """Return the best value up to each epoch; values that are not finite count as the worst."""
    worst = math.inf if direction == "min" else -math.inf
    values = [value if value is not None and math.isfinite(value) else worst for value in curve]
    return list(accumulate(values, min if direction == "min" else max))


def median_at(epoch: int, curves: Sequence[Sequence[float]], direction: str) -> float:
    """Return the median over trials of the best value up to an epoch, counted from 0.

    A trial that has ended earlier keeps its best value. A trial without a finite value so far
    counts as infinitely bad.
    """
    return statistics.median(
        best_so_far(curve[: epoch + 1], direction)[-1] for curve in curves if curve
    )


def _is_better(a: float, b: float, direction: str) -> bool:
    return a < b if direction == "min" else a > b


# The error vanishes over time


class VanishingRule(Rule):
    """Stops a network if in none of its recurrent layers error reaches the first time step.

    The rule measures the error that arrives at the first time step read, as a share of that at the
    last one, for each training step. It applies if the median over an epoch stays below the
    threshold in each of the first epochs and in every layer. The shares are recorded as
    `first_to_last` in results.json, for a run that is resumed.

    Args:
        run: the run that is trained.
        error_flow: the callback that records the error.
        joined: names of joined layers, which are not judged.
        epochs: number of epochs that are judged.
        threshold: error has vanished if the share is below this value.
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
        super().__init__(run)
        self.error_flow, self.joined = error_flow, joined
        self.epochs, self.threshold = epochs, threshold
        self.shares: list[Shares] = run.results().get("first_to_last", [])
        self.step = 0  # the last training step of the previous epoch

    def on_train_begin(self, logs: Any = None) -> None:
        self.step = self._last_step()  # of a run that is resumed

    def judge(self, epoch: int, logs: Mapping[str, float]) -> str | None:
        if epoch < self.epochs:
            self._measure(epoch)
        return vanished(self.shares, self.epochs, self.threshold)

    def _measure(self, epoch: int) -> None:
        history = self.error_flow.history
        tables = {name: table for name, table in history.items() if name not in self.joined}
        shares = {name: first_to_last(table, self.step) for name, table in tables.items()}
        self.shares = [*self.shares[:epoch], shares]
        self.run.update(first_to_last=self.shares)
        self.step = self._last_step()

    def _last_step(self) -> int:
        tables = self.error_flow.history.values()
        return max((int(table["step"].max(initial=0)) for table in tables), default=0)


def first_to_last(tables: Tables, after: int = 0) -> float | None:
    """Return the error at the first time step read as a share of that at the last one.

    Args:
        tables: what `ErrorFlow` has recorded of a layer.
        after: only training steps after this one count.

    Returns:
        The median over training steps; None if it is unknown.
    """
    rows = tables["step"] > after
    if "skipped" in tables:
        rows &= ~tables["skipped"]
    recent = {name: table[rows] for name, table in tables.items() if np.ndim(table)}
    if not rows.any() or decay(recent).steps < MIN_TIME_STEPS:
        return None
    share = decay(recent).first_to_last
    return None if math.isnan(share) else share


def vanished(shares: Sequence[Shares], epochs: int, threshold: float) -> str | None:
    """Return the evidence if every layer stayed below the threshold in each of the first epochs."""
    first = shares[:epochs]
    if len(first) < epochs or not all(first):
        return None
    values = [share for by_layer in first for share in by_layer.values()]
    if not all(share is not None and share < threshold for share in values):
        return None
    layers = [f"{name} {_in_words(by_layer[name] for by_layer in first)}" for name in first[0]]
    return (
        "share of the last time step's error that reaches the first one, epoch by epoch:"
        f" {'; '.join(layers)}; all below {short(threshold)}"
    )


def _in_words(shares: Iterable[float | None]) -> str:
    return ", ".join(short(share) if share else "0" for share in shares)
