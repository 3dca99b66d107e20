"""The finding on the gradient over depth: do the first layers get as much of it as the last?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .earlier import Earlier, earlier
from .finding import Finding, short, since_when

STARVING = 1e-3  # ‖dE/dW‖ / ‖W‖ of the first layers over that of the last layers
EARLIER = 0.2  # of the recorded training steps: what happened in fewer of them is not mentioned
MIN_LAYERS = 4


class _Compared(NamedTuple):
    """The words for the layers that are compared.

    Attributes:
        first: what is measured in the first ones.
        last: the same in the last ones.
        headline: what is measured in the first ones, in short.
    """

    first: str
    last: str
    headline: str


def over_depth_findings(
    steps: np.ndarray, layers: Sequence[str], ratio: np.ndarray, silent: np.ndarray, recent: slice
) -> list[Finding]:
    """Compare the first quarter of the layers with the last; [] if both learn.

    Args:
        steps: [N] training steps.
        layers: L names, from input to loss.
        ratio: ‖dE/dW‖ / ‖W‖, [N, L].
        silent: which layers get no gradient, [L] bool.
        recent: the rows that are judged.
    """
    learning = np.flatnonzero(~np.isnan(ratio[recent]).all(axis=0))  # the others are frozen by now
    if len(learning) - silent.sum() < MIN_LAYERS:
        return []
    shares, quarter = first_to_last(ratio[:, learning])
    share = float(np.nanmedian(shares[recent]))
    if not np.isfinite(share):  # the last layers have no gradient
        return []
    compared = _compared(layers[int(learning[0])], len(learning), quarter)
    if not STARVING <= share <= 1 / STARVING:
        return [_finding(steps, shares, share, compared, recent)]
    past = earlier(steps, shares, STARVING, 1 / STARVING, EARLIER)
    return [] if past is None else [_of_the_past(past, share, compared, len(shares[recent]))]


def first_to_last(ratio: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the median of the first quarter of the layers over that of the last.

    Args:
        ratio: ‖dE/dW‖ / ‖W‖ of the layers that learn, [N, L].

    Returns:
        The shares, [N], and the number of layers in a quarter.
    """
    quarter = max(1, ratio.shape[1] // 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, last = (np.nanmedian(r, axis=1) for r in (ratio[:, :quarter], ratio[:, -quarter:]))
        return first / last, quarter


def _compared(first_layer: str, count: int, quarter: int) -> _Compared:
    relative = "the relative gradient ‖dE/dW‖ / ‖W‖ of"
    if quarter > 1:
        first, whose = f"the first {quarter} of {count} layers", "first layers'"
        return _Compared(f"{relative} {first}", f"that of the last {quarter}", whose)
    return _Compared(
        f"{relative} {first_layer}", f"that of the last of {count} layers", "first layer's"
    )


def _finding(steps, shares, share, compared, recent):
    """The last training steps show it."""
    if share < STARVING:
        kind, agrees = "starving", shares < STARVING
        now, past = "the first layers hardly learn", "the first layers have hardly learned"
    else:
        kind, agrees = "exploding over depth", shares > 1 / STARVING
        now, past = "the gradient explodes over depth", "the gradient has exploded over depth"
    when, since = since_when(steps, agrees)
    judged = len(shares[recent])
    text = (
        f"{past + when if when else now}: {compared.first} is {short(share)} times "
        f"{compared.last} (median of the last {judged:,} recorded training steps)"
    )
    evidence = {"first_to_last": share, "judged": judged, **since}
    headline = f"{kind}: {compared.headline} relative gradient {_share_of_last(share)}"
    return Finding("", kind, headline, text, evidence, float(np.mean(agrees[recent])))


def _of_the_past(past: Earlier, share, compared, judged):
    """The last training steps do not show it, but many before them did."""
    if past.is_low:
        kind, what = "starved", "the first layers hardly learned"
        bound = f"below {STARVING:g}"
    else:
        kind, what = "exploded over depth", "the gradient exploded over depth"
        bound = f"above {1 / STARVING:,g}"
    text = (
        f"{what} {past.when}, the last of them step {past.until:,}: {compared.first} was {bound} "
        f"times {compared.last} (median: {short(past.typical)}); now it is "
        f"{short(share)} times (median of the last {judged:,} recorded training steps)"
    )
    evidence = {"first_to_last": share, "judged": judged} | past.evidence
    headline = f"{kind} {past.when}, now {_share_of_last(share)}"
    return Finding("", f"{kind} earlier", headline, text, evidence, past.share)


def _share_of_last(share: float) -> str:
    """Return "0.02 of the last's"."""
    return f"{short(share)}{'×' if share > 1 else ' of'} the last's"
