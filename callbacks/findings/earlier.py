"""What was wrong in the training steps before those that are judged."""

from typing import NamedTuple

import numpy as np

from .finding import percent


class Earlier(NamedTuple):
    """The training steps in which the first of something received far too little, or too much.

    Attributes:
        is_low: whether it was too little.
        share: their share of the recorded training steps, from 0 to 1.
        until: the last of them.
        typical: the median of what was received in them.
    """

    is_low: bool
    share: float
    until: int
    typical: float

    @property
    def when(self) -> str:
        """Return "in 31% of the training steps"."""
        return f"in {percent(self.share)} of the training steps"

    @property
    def evidence(self) -> dict[str, float]:
        """Return the numbers behind a finding, by name."""
        return {"share": self.share, "until": self.until, "first_to_last_then": self.typical}


def earlier(
    steps: np.ndarray, received: np.ndarray, low: float, high: float, least: float
) -> Earlier | None:
    """Return the training steps in which too little was received, or too much; None if few.

    Args:
        steps: [N] training steps.
        received: [N] what the first received, in units of the last; NaN where undefined.
        low: below it, it is too little.
        high: above it, it is too much.
        least: the share of the training steps that is worth mentioning.
    """
    for is_low, chosen in ((True, received < low), (False, received > high)):
        if np.mean(chosen) >= least:
            until, typical = int(steps[chosen][-1]), float(np.median(received[chosen]))
            return Earlier(is_low, float(np.mean(chosen)), until, typical)
    return None
