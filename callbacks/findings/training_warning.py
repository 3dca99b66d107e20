"""Warnings while a model trains: what they consist of, what they judge, and those about the loss.

A warning is stricter than a finding, which is drawn when training has ended. It is about a window,
the latest training steps, and says what every recorded step of it shows, or nearly every one. What
is natural at the beginning of a training, such as an error that vanishes until an LSTM has learned
to remember, is judged only when a training has settled. All functions are pure.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .finding import MIN_STEPS, Finding, short
from .remedies import Remedy, remedies_of

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
    def remedies(self) -> tuple[Remedy, ...]:
        """The remedies in the literature, the most promising first."""
        return remedies_of(self.finding, self.evidence)

    @property
    def keys(self) -> set[tuple[str, str]]:
        """The kind together with each layer, for `Known`."""
        return {(self.kind, layer) for layer in self.layers or ("",)}

    def as_finding(self) -> Finding:
        """Return the finding that says the same."""
        headline = f"{self.kind}, training step {self.step:,}"
        text = f"{self.text} (training step {self.step:,})"
        return Finding("", self.finding, headline, text, dict(self.evidence))


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
