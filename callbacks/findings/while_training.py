"""Warnings while a model trains: pure functions of the latest recorded numbers.

A warning is stricter than a finding, which is drawn when training has ended. It is about a window,
the last `window` training steps, and says what nearly every recorded step of it shows. What is
natural at the beginning of a training, such as an error that vanishes until an LSTM has learned to
remember, is judged only when a training has settled.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..recording.tables import Tables
from .decay import decay
from .error_flow import EXPLODING, MIN_TIME_STEPS, VANISHING
from .finding import MIN_STEPS, every_steps, percent, short
from .layer_gradients import DEAD, MIN_LAYERS, STARVING, first_to_last, listed
from .places import name_places
from .remedies import remedies_of

SILENT = 0.9  # share of the window's training steps in which a layer receives no gradient
LEARNED = 1e-6  # a loss below it needs no gradient
GROWN = 10.0  # the loss, relative to that of the first training step
READINGS = 3  # of the loss, in a row, that must have grown

Known = Collection[tuple[str, str]]  # the kinds and layers of which a warning was given


@dataclass(frozen=True)
class Scope:
    """What is judged.

    Attributes:
        window: the number of latest training steps that are judged.
        settled: the number of recorded training steps before which a vanishing or exploding error
            is natural.
        known: the warnings that are not to be given again.
        loss: the mean loss of the latest training steps; None: unknown.
    """

    window: int = 100
    settled: int = 200
    known: Known = ()
    loss: float | None = None

    def every(self, stride: int) -> "Scope":
        """Return a scope that is long enough if each `stride`-th training step is recorded."""
        shortest = MIN_STEPS * stride
        return replace(self, window=max(self.window, shortest), settled=max(self.settled, shortest))

    @property
    def rows(self) -> int:
        """The number of rows that are needed."""
        return max(self.window, self.settled)

    def recent(self, steps: np.ndarray) -> np.ndarray | None:
        """Return which rows are in the window, [N] bool; None if too few are recorded."""
        recent = steps > steps[-1] - self.window if len(steps) else steps > 0
        return recent if recent.sum() >= MIN_STEPS and _covers(steps, self.window) else None

    def has_settled(self, steps: np.ndarray) -> bool:
        """Return whether the training is old enough to judge how the error travels."""
        return len(steps) >= MIN_STEPS and _covers(steps, self.settled)


def _covers(steps, count):
    between = int(np.diff(steps).min())
    return steps[0] <= steps[-1] - count + between


@dataclass(frozen=True)
class TrainingWarning:
    """Something that is wrong with a training while it runs.

    Attributes:
        kind: one of `warning_kinds.KINDS`.
        layers: the paths of the layers that it is about; (): the whole network.
        text: a sentence with the names of the layers.
        evidence: numbers by name.
        finding: the kind of the `Finding` that says the same, which has the remedies.
        step: the training step at which it was noticed, from 1.
    """

    kind: str
    layers: Sequence[str]
    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    finding: str = ""
    step: int = 0

    @property
    def sentence(self) -> str:
        """Return "warning, step 240: conv1 and conv2 have received no gradient for 100 steps"."""
        return f"warning, step {self.step:,}: {self.text}"

    @property
    def remedies(self) -> Sequence[str]:
        """The remedies in the literature, with sources."""
        return remedies_of(self.finding, self.evidence)

    @property
    def keys(self) -> set[tuple[str, str]]:
        """The kind together with each layer, for `Known`."""
        return {(self.kind, layer) for layer in self.layers or ("",)}


# Over depth


def gradient_warnings(
    history: Mapping[str, Any],
    scope: Scope,
    *,
    without_loss: Collection[str] = (),
    relu: bool | None = None,
) -> list[TrainingWarning]:
    """Return what is wrong with the gradient over depth in the last training steps.

    Args:
        history: `LayerGradients.history` of the latest `scope.rows` rows.
        scope: what is judged.
        without_loss: layers that no loss depends on, as the head of an output of weight 0.
        relu: whether the network has a ReLU; None: unknown.
    """
    rows = ~np.asarray(history["skipped"], bool)
    steps = history["step"][rows]
    norm, ratio, dead = (history[name][rows] for name in ("norm", "ratio", "dead"))
    judged = [n for n, layer in enumerate(history["layers"]) if layer not in without_loss]
    layers = [history["layers"][n] for n in judged]
    norm, ratio, dead = norm[:, judged], ratio[:, judged], dead[:, judged]
    if np.isinf(norm).any():
        return _not_finite(steps, layers, np.isinf(norm), scope.known)
    has_settled, recent = scope.has_settled(steps), scope.recent(steps)
    if recent is None or not layers:
        return []
    steps, norm, ratio, dead = steps[recent], norm[recent], ratio[recent], dead[recent]
    arrives = np.nansum(norm, axis=1) > 0  # [N] the loss depends on some weight
    if not arrives.any():
        return _all_stuck(steps, scope)
    steps, norm, ratio, dead = (table[arrives] for table in (steps, norm, ratio, dead))
    if len(steps) < MIN_STEPS:
        return []
    silent = (norm == 0).mean(axis=0) >= (SILENT if relu is not False else 1.0)
    silent &= ~np.isnan(norm).any(axis=0)
    warnings = _stuck(steps, layers, norm, silent, scope.known)
    stuck = silent | [("stuck", layer) in scope.known for layer in layers]
    warnings += _dead(steps, layers, np.where(stuck, np.nan, dead), relu, scope.known)
    return warnings + (_over_depth(steps, ratio[:, ~stuck], scope.known) if has_settled else [])


def _not_finite(steps, layers, overflows, known):
    if ("diverged", "") in known:
        return []
    row = int(overflows.any(axis=1).argmax())
    layer = layers[int(np.flatnonzero(overflows[row])[-1])]  # the first one, from the loss
    text = f"the gradient of {layer} was not finite in step {steps[row]:,}"
    evidence = {"since": int(steps[row]), "layer": layer}
    return [TrainingWarning("diverged", (), text, evidence, "not finite")]


def _all_stuck(steps, scope):
    loss = scope.loss
    if loss is None or loss < LEARNED or ("stuck", "") in scope.known:
        return []
    count = int(steps[-1] - steps[0]) + 1
    text = f"no layer has received a gradient for {count:,} steps, at a loss of {short(loss)}"
    evidence = {"steps": count, "since": int(steps[0]), "loss": loss, "all": True}
    return [TrainingWarning("stuck", (), text, evidence, "no gradient")]


def _stuck(steps, layers, norm, silent, known):
    new = [n for n in np.flatnonzero(silent) if ("stuck", layers[n]) not in known]
    if not new:
        return []
    names = [layers[n] for n in new]
    quiet = int((norm[:, new] == 0).all(axis=1).sum())
    who, have = _listed(names), "has" if len(names) == 1 else "have"
    if quiet == len(steps):
        count = int(steps[-1] - steps[0]) + 1
        text = f"{who} {have} received no gradient for {count:,} steps"
    else:
        text = f"{who} received no gradient in {quiet:,} of the last {len(steps):,} recorded steps"
    evidence = {"silent": quiet, "judged": len(steps), "since": int(steps[0])}
    return [TrainingWarning("stuck", names, text, evidence, "no gradient")]


def _dead(steps, layers, dead, relu, known):
    """One warning for all layers of which most units were dead in every step of the window."""
    is_dead = (dead > DEAD).all(axis=0)
    new = [n for n in np.flatnonzero(is_dead) if ("dead", layers[n]) not in known]
    if not new:
        return []
    names, shares = [layers[n] for n in new], [float(dead[-1, n]) for n in new]
    text = f"most units of {_listed(names)} are dead, they receive no gradient: "
    text += ", ".join(percent(share) for share in shares)
    text += f"; more than {DEAD:.0%} in each of the last {len(steps):,} recorded steps"
    evidence = {"shares": shares, "judged": len(steps), "since": int(steps[0])}
    evidence |= {} if relu is None else {"relu": relu}
    return [TrainingWarning("dead", names, text, evidence, "dead units")]


def _over_depth(steps, ratio, known):
    learning = ~np.isnan(ratio).any(axis=0)  # the others are frozen
    if learning.sum() < MIN_LAYERS:
        return []
    shares, _ = first_to_last(ratio[:, learning])
    for kind, finding, agrees, limit in (
        ("vanishing", "starving", shares < STARVING, f"below {short(STARVING)}"),
        ("exploding", "exploding over depth", shares > 1 / STARVING, f"above {1 / STARVING:,.0f}"),
    ):
        if agrees.all() and (kind, "") not in known:
            share = float(np.median(shares))
            text = (
                f"the relative gradient of the first layers is {short(share)} times that of the "
                f"last, and {limit} in each of the last {len(steps):,} recorded steps"
            )
            evidence = {"first_to_last": share, "judged": len(steps), "since": int(steps[0])}
            return [TrainingWarning(kind, (), text, evidence, finding)]
    return []


def _listed(names):
    return names[0] if len(names) == 1 else listed(names)


# Over time


def error_warnings(
    layer: str, tables: Tables, backwards: bool | None, scope: Scope
) -> list[TrainingWarning]:
    """Return whether the error of a layer vanishes or explodes over time.

    Only layers that errors enter at one time step are judged. Where an error enters at many, as
    with a loss at each step, a short range of each is no fault by itself.

    Args:
        layer: its path.
        tables: an entry of `ErrorFlow.history` of the latest `scope.rows` rows.
        backwards: whether the layer reads its input from the last step to the first; None: unknown.
        scope: what is judged.
    """
    finite = np.all(np.isfinite(tables["hidden"]) | ~(tables["valid"] > 0), axis=1)
    tables = _rows(tables, finite & ~np.asarray(tables["skipped"], bool))
    recent = scope.recent(tables["step"])
    if recent is None or not scope.has_settled(tables["step"]):
        return []
    tables = _rows(tables, recent)
    measured = decay(tables, backwards)
    shares = measured.each[~np.isnan(measured.each)]
    if measured.enters_everywhere or measured.steps < MIN_TIME_STEPS or len(shares) < MIN_STEPS:
        return []
    if (shares < VANISHING).all():
        kind, limit = "vanishing", f"less than {short(VANISHING)}"
    elif (shares > EXPLODING).all():
        kind, limit = "exploding", f"more than {EXPLODING:,.0f}"
    else:
        return []
    if (kind, layer) in scope.known:
        return []
    text = f"{layer}: {name_places(tables, measured.read, backwards).receives(measured)}"
    text += f", and {limit} in each of the last {len(shares):,} recorded steps"
    if 0 < abs(measured.half_life) < measured.steps:
        verb = "halves" if measured.half_life > 0 else "doubles"
        text += f"; it {verb} {every_steps(abs(measured.half_life))} back in time"
    evidence = {
        "first_to_last": measured.first_to_last,
        "half_life": measured.half_life,
        "judged": len(shares),
        "since": int(tables["step"][0]),
    }
    return [TrainingWarning(kind, (layer,), text, evidence, kind)]


def _rows(tables, chosen):
    return {name: table[chosen] for name, table in tables.items() if np.ndim(table)}


# The loss


def loss_warnings(
    first: float, readings: Sequence[float], known: Known = ()
) -> list[TrainingWarning]:
    """Return whether the loss is not finite, or far above that of the first training step.

    Args:
        first: the loss of the first training step.
        readings: the mean losses between two readings, the latest one last.
        known: what is not to be said again.
    """
    if ("diverged", "") in known or not readings:
        return []
    if not np.isfinite(readings[-1]):
        text = f"the loss is not finite ({readings[-1]})"
        return [TrainingWarning("diverged", (), text, {"first": first}, "not finite")]
    latest = readings[-READINGS:]
    if len(latest) < READINGS or not 0 < GROWN * first < min(latest):
        return []
    text = (
        f"the loss is {short(latest[-1])}, {short(latest[-1] / first)} times that of the first step"
    )
    evidence = {"first": first, "losses": [float(loss) for loss in latest]}
    return [TrainingWarning("diverged", (), text, evidence, "not finite")]
