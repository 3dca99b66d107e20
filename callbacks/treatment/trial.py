"""One short training, with remedies or without."""

import math
from dataclasses import dataclass

from ..findings.finding import Finding

NOT_FINITE = "not finite"  # the kind of finding of a training whose figures are not


@dataclass(frozen=True)
class Trial:
    """A short training that has ended.

    Attributes:
        remedies: the names of the remedies that were applied; (): it was untreated.
        seed: the seed of its initial weights and of the order of the data.
        score: the best validation figure over the epochs; None if it has none that is finite (NaN
            and infinity become None).
        curve: the validation figure after each epoch; None where it is not finite.
        findings: what the callbacks of errorflow found.
        seconds: how long it took.
        parameters: the number of trainable parameters.
        failure: why it ended early, in one line; None if it did not.
    """

    remedies: tuple[str, ...]
    seed: int
    score: float | None
    curve: tuple[float | None, ...]
    findings: tuple[Finding, ...]
    seconds: float
    parameters: int
    failure: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", _finite(self.score))
        object.__setattr__(self, "curve", tuple(map(_finite, self.curve)))

    @property
    def troubles(self) -> frozenset[str]:
        """The faults that are found: kinds of findings, see `Finding.fault`."""
        return frozenset(each.fault for each in self.findings if each.severity == "trouble")

    @property
    def has_failed(self) -> bool:
        """Whether it ended early or has no validation figure."""
        return self.failure is not None or self.score is None


def _finite(value):
    return None if value is None or not math.isfinite(value) else float(value)
