"""Findings: judgements on a training, drawn from recorded numbers.

The functions that return findings are pure: `error_flow` judges the error over time,
`encoder_decoder` whether the error crosses from a decoder to its encoder, `depth_flow` the error
over depth, `layer_gradients` the gradient over depth, `gates` and `horizon` the snapshot after the
last epoch. The end of a training, the TensorBoard tab and the report use the same functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .meanings import meaning_of
from .remedies import Remedy, remedies_of

JUDGED_SHARE = 0.2  # of the recorded training steps, the last ones
MIN_STEPS = 10  # recorded training steps that a judgement needs
HOLDS = 0.9  # share of the training steps that agree "since" a step
HEALTHY = {"healthy"}
_FAULTS = {  # of the kinds that the last training steps do not show, but many before them
    "vanished earlier": "vanishing",
    "exploded earlier": "exploding",
    "starved earlier": "starving",
    "exploded over depth earlier": "exploding over depth",
}
UNCLEAR = {"arrives", "cut", "range", "measured", "too little"}  # the kinds that judge nothing

Severity = Literal["trouble", "healthy", "unclear"]


@dataclass(frozen=True)
class Finding:
    """A judgement on one layer, or on the whole network, and the numbers behind it.

    Attributes:
        layer: the path of the layer; "" for the whole network.
        kind: over time "vanishing", "exploding", "vanished earlier" or "exploded earlier" (it is
            healthy at the end), "healthy", "not finite", "no error", "too little" (recorded), "cut"
            (by `truncate=k`, and without fault in the steps that the error reaches) or "arrives"
            (errors enter at many steps, and how far each one reaches was not measured);
            over depth "starving", "exploding over depth", "starved earlier",
            "exploded over depth earlier", "silent path", "no error", "no gradient",
            "dead units", "clipped" or "not finite";
            of gates "saturated"; of the horizon "range" or "not finite"; of what the last snapshot
            shows "measured" or "not finite"; of an encoder and its decoder "does not cross",
            "healthy" or "too little".
        headline: a phrase of at most 70 characters with the number that matters most, without the
            name of the layer. Its numbers are those of the text.
        text: what was measured, a sentence without the name of the layer and without a full stop.
        evidence: numbers by name.
        confidence: the share of the judged training steps, from 0 to 1, that individually
            lead to the same judgement; NaN if that is undefined.
    """

    layer: str
    kind: str
    headline: str
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)
    confidence: float = np.nan

    @property
    def sentence(self) -> str:
        """Both sentences: what was measured, and what it means for learning."""
        return f"{self.first_sentence}. {self.meaning}." if self.meaning else self.first_sentence

    @property
    def first_sentence(self) -> str:
        """The text, after the name of the layer if there is one."""
        return f"{self.layer}: {self.text}" if self.layer else self.text

    @property
    def meaning(self) -> str:
        """What follows for learning, and what is not known; a sentence without a full stop."""
        return meaning_of(self.kind, self.evidence)

    @property
    def severity(self) -> Severity:
        """ "trouble", "healthy", or "unclear" if nothing is judged or too little was recorded."""
        if self.kind in HEALTHY:
            return "healthy"
        return "unclear" if self.kind in UNCLEAR else "trouble"

    @property
    def fault(self) -> str:
        """The kind, whether the last training steps show it or earlier ones: "vanishing"."""
        return _FAULTS.get(self.kind, self.kind)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The remedies in the literature, the most promising first; empty if nothing is wrong."""
        return remedies_of(self.kind, self.evidence)

    def as_json(self) -> dict[str, Any]:
        """Return the finding for JSON. These keys do not change between versions.

        layer       the path of the layer; "" for the whole network
        kind        see above
        severity    "trouble", "healthy" or "unclear"
        headline    a phrase with the number that matters most
        measured    what was measured, a sentence
        meaning     what it means for learning and what is not known, a sentence
        evidence    numbers by name; null for one that is not finite
        confidence  a number from 0 to 1, or null
        remedies    a list of {"name", "text", "source"}, the most promising first
        """
        return {
            "layer": self.layer,
            "kind": self.kind,
            "severity": self.severity,
            "headline": self.headline,
            "measured": self.text,
            "meaning": self.meaning,
            "evidence": for_json(self.evidence),
            "confidence": for_json(self.confidence),
            "remedies": [remedy.as_json() for remedy in self.remedies],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Finding":
        """Return the finding of a row that `as_json` has returned.

        Raises:
            KeyError: a key is missing.
        """
        evidence = {n: np.nan if v is None else v for n, v in row["evidence"].items()}
        confidence = np.nan if row["confidence"] is None else row["confidence"]
        layer, kind, headline, text = (row[n] for n in ("layer", "kind", "headline", "measured"))
        return cls(layer, kind, headline, text, evidence, confidence)


def for_json(value: Any) -> Any:
    """Return a value for JSON: null in place of infinity and NaN, and nothing of NumPy."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def short(number: float) -> str:
    """Format a number with one or two digits: 2e-6, 0.031, 14; 0 is "0", and NaN "unknown"."""
    if not np.isfinite(number):
        return "unknown" if np.isnan(number) else "infinity"
    if number == 0:
        return "0"
    size = abs(number)
    if 9.95e-4 <= size < 9999.5:
        return f"{number:.2g}" if size < 99.5 else f"{number:.0f}"
    digits, exponent = f"{number:.0e}".split("e")
    return f"{digits}e{int(exponent)}"


def percent(share: float) -> str:
    """Format a share as a percentage with one or two digits: 0.04%, 1.5%, 31%."""
    return f"{short(100 * share)}%"


def share_in_words(share: float) -> str:
    """Return the share as a number, or "nothing measurable" if it is zero."""
    return short(share) if share else "nothing measurable"


def every_steps(count: float) -> str:
    """Return "every 3.1 steps", or "every step"."""
    return "every step" if short(count) == "1" else f"every {short(count)} steps"


def counted(count: float, thing: str) -> str:
    """Return "1 step", "3.1 steps" or "1,204 steps"."""
    number = f"{count:,}" if isinstance(count, int) else short(count)
    return f"{number} {thing}{'' if number == '1' else 's'}"


def half_life_in_words(steps: float, length: float) -> str:
    """Return "half-life 3.1 steps" or "doubles every 3 steps"; "" if it hardly changes.

    Args:
        steps: the half-life in time steps, negative if the error doubles.
        length: the number of time steps that the error passes.
    """
    if abs(steps) > 10 * length:
        return ""
    return f"half-life {counted(steps, 'step')}" if steps > 0 else f"doubles {every_steps(-steps)}"


def first_agreeing_step(steps: np.ndarray, agrees: np.ndarray, holds: float = HOLDS) -> int | None:
    """Return the first training step since which nearly all rows agree with the judgement.

    Nearly all are nine in ten (`HOLDS`), because single rows are noisy. None if the last rows do
    not agree.

    Args:
        steps: [N] training steps.
        agrees: [N] bool, whether each single row leads to the judgement.
        holds: the share of the rows that must agree; 1.0 for what is said of every row.
    """
    counts = np.arange(len(agrees), 0, -1)
    since = agrees & (np.cumsum(agrees[::-1])[::-1] >= holds * counts)
    return int(steps[since.argmax()]) if since.any() else None


def since_when(
    steps: np.ndarray, agrees: np.ndarray, holds: float = HOLDS
) -> tuple[str, dict[str, int]]:
    """Return `first_agreeing_step` in words, "" if it is the first row, and as evidence."""
    step = first_agreeing_step(steps, agrees, holds)
    if step is None:
        return "", {}
    words = "" if step == steps[0] else f" since training step {step:,}"
    return words, {"since": step}
