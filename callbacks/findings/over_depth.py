"""The finding over depth: do the first layers get as much of gradient or error as the last?"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from .earlier import Earlier, earlier
from .finding import Finding, short, since_when

STARVING = 1e-3  # what the first layers get, over what the last ones get
EARLIER = 0.2  # of the recorded training steps: what happened in fewer of them is not mentioned
MIN_LAYERS = 4


class Quantity(NamedTuple):
    """What is compared over depth, in words.

    Attributes:
        name: its short name.
        symbol: its formula.
        place: the words between it and the layers.
        low: what is the case where the first layers get far too little: now, until now, earlier.
        what: that which explodes over depth.
        evidence: what a finding's evidence says of it.
    """

    name: str
    symbol: str
    place: str
    low: tuple[str, str, str]
    what: str
    evidence: Mapping[str, str] = MappingProxyType({})


RELATIVE_GRADIENT = Quantity(
    "relative gradient",
    "‖dE/dW‖ / ‖W‖",
    "of",
    (
        "the first layers hardly learn",
        "the first layers have hardly learned",
        "the first layers hardly learned",
    ),
    "the gradient",
)


class _Compared(NamedTuple):
    """The words for the layers that are compared.

    Attributes:
        quantity: what is compared.
        first: what is measured in the first ones.
        last: the same in the last ones.
        headline: what is measured in the first ones, in short.
    """

    quantity: Quantity
    first: str
    last: str
    headline: str


def over_depth_findings(
    steps: np.ndarray,
    layers: Sequence[str],
    values: np.ndarray,
    silent: np.ndarray,
    recent: slice,
    quantity: Quantity = RELATIVE_GRADIENT,
) -> list[Finding]:
    """Compare the first quarter of the layers with the last; [] if both get enough.

    Args:
        steps: [N] training steps.
        layers: L names, from input to loss.
        values: what they get, [N, L].
        silent: which layers get nothing, [L] bool.
        recent: the rows that are judged.
        quantity: what the values are.
    """
    learning = np.flatnonzero(~np.isnan(values[recent]).all(axis=0))  # others are frozen by now
    if len(learning) - silent.sum() < MIN_LAYERS:
        return []
    shares, quarter = first_to_last(values[:, learning])
    share = float(np.nanmedian(shares[recent]))
    if not np.isfinite(share):  # the last layers get nothing
        return []
    compared = _compared(quantity, layers[int(learning[0])], len(learning), quarter)
    if not STARVING <= share <= 1 / STARVING:
        return [_finding(steps, shares, share, compared, recent)]
    past = earlier(steps, shares, STARVING, 1 / STARVING, EARLIER)
    return [] if past is None else [_of_the_past(past, share, compared, len(shares[recent]))]


def first_to_last(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the median of the first quarter of the layers over that of the last.

    Args:
        values: what the layers get, without those that are frozen, [N, L].

    Returns:
        The shares, [N], and the number of layers in a quarter.
    """
    quarter = max(1, values.shape[1] // 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, last = (np.nanmedian(r, axis=1) for r in (values[:, :quarter], values[:, -quarter:]))
        return first / last, quarter


def _compared(quantity: Quantity, first_layer: str, count: int, quarter: int) -> _Compared:
    if quarter == 1:
        first, last, whose = first_layer, f"the last of {count} layers", "first layer's"
    else:
        first, last = f"the first {quarter} of {count} layers", f"the last {quarter}"
        whose = "first layers'"
    return _Compared(
        quantity,
        f"the {quantity.name} {quantity.symbol} {quantity.place} {first}",
        f"that {quantity.place} {last}",
        f"{whose} {quantity.name}",
    )


def _finding(steps, shares, share, compared, recent):
    """The last training steps show it."""
    if share < STARVING:
        kind, agrees = "starving", shares < STARVING
        now, past, _ = compared.quantity.low
    else:
        kind, agrees = "exploding over depth", shares > 1 / STARVING
        what = compared.quantity.what
        now, past = f"{what} explodes over depth", f"{what} has exploded over depth"
    when, since = since_when(steps, agrees)
    judged = len(shares[recent])
    text = (
        f"{past + when if when else now}: {compared.first} is {short(share)} times "
        f"{compared.last} (median of the last {judged:,} recorded training steps)"
    )
    evidence = {"first_to_last": share, "judged": judged, **since, **compared.quantity.evidence}
    headline = f"{kind}: {compared.headline} {_share_of_last(share)}"
    return Finding("", kind, headline, text, evidence, float(np.mean(agrees[recent])))


def _of_the_past(past: Earlier, share, compared, judged):
    """The last training steps do not show it, but many before them did."""
    if past.is_low:
        kind, what = "starved", compared.quantity.low[-1]
        bound = f"below {STARVING:g}"
    else:
        kind, what = "exploded over depth", f"{compared.quantity.what} exploded over depth"
        bound = f"above {1 / STARVING:,g}"
    text = (
        f"{what} {past.when}, the last of them step {past.until:,}: {compared.first} was {bound} "
        f"times {compared.last} (median: {short(past.typical)}); now it is "
        f"{short(share)} times (median of the last {judged:,} recorded training steps)"
    )
    evidence = {
        "first_to_last": share,
        "judged": judged,
        **past.evidence,
        **compared.quantity.evidence,
    }
    headline = f"{kind} {past.when}, now {_share_of_last(share)}"
    return Finding("", f"{kind} earlier", headline, text, evidence, past.share)


def _share_of_last(share: float) -> str:
    """Return "0.02 of the last's"."""
    return f"{short(share)}{'×' if share > 1 else ' of'} the last's"
