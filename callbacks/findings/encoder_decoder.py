"""Two layers on one time axis: the second begins with the states that the first ends with."""

import math
from collections.abc import Mapping

import numpy as np

from ..findings.finding import LAST_PART, Finding, short, since_when
from ..findings.over_time import VANISHING
from .statistics import STATISTICS

Tables = Mapping[str, np.ndarray]


def join(before: Tables, after: Tables) -> dict[str, np.ndarray]:
    """Their tables as one, [N, W + W']: the last steps of `before` meet the first of `after`.

    There is one reading of this axis, so the tables "_from_end" are the same. "border" is W: the
    steps of `after` begin with that column. "at_first" [N] is the error at the first step of
    `before`, "largest" [N] the largest one at a step of `after`.
    """
    _, one, other = np.intersect1d(before["step"], after["step"], return_indices=True)
    tables = {
        name: np.concatenate([before[f"{name}_from_end"][one], after[name][other]], axis=1)
        for name in STATISTICS
        if name in before and name in after
    }
    return {
        "step": after["step"][other],
        "length": before["length"][one] + after["length"][other],
        "border": np.array(before["hidden"].shape[1]),
        "at_first": before["hidden"][one, 0],
        "largest": np.nanmax(after["hidden"][other], axis=1, initial=0),
        **tables,
        **{f"{name}_from_end": table for name, table in tables.items()},
    }


def first_to_largest(joined: Tables) -> np.ndarray:
    """What arrives at the very first step, over the largest error behind the border, [N]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return joined["at_first"] / joined["largest"]


def crossing(paths: tuple[str, str], joined: Tables) -> Finding:
    """How much error gets back from the second layer to the beginning of the first."""
    before, after = paths
    shares = first_to_largest(joined)
    last = shares[-max(1, math.ceil(LAST_PART * len(shares))) :] if len(shares) else shares
    if not np.isfinite(last).any():
        return Finding(before, "too little", "no error was recorded")
    share = float(np.nanmedian(last))
    text = (
        f"the first step receives {short(share)} of the largest error at a step of {after} (median"
        f" of the last {LAST_PART:.0%} of {len(shares):,} training steps)"
    )
    kind = "does not cross" if share < VANISHING else "healthy"
    alike = (shares < VANISHING) == (share < VANISHING)
    when, evidence = since_when(joined["step"], alike & np.isfinite(shares))
    if kind != "healthy" and when:
        text += f"; so little{when}"
    confidence = float(np.mean(alike[-len(last) :][np.isfinite(last)]))
    return Finding(before, kind, text, {"first_to_largest": share, **evidence}, confidence)
