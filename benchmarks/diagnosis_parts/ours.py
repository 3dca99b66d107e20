"""How clearly our findings name a fault: the number that a finding thresholds, as a margin.

A margin is above 0 where the finding is drawn. Where a number is compared over magnitudes it is in
powers of ten.
"""

import math
from collections.abc import Collection

import numpy as np
from errorflow.callbacks.findings import error_flow, over_depth
from errorflow.callbacks.findings.error_flow import EXPLODING, VANISHING
from errorflow.callbacks.findings.gates import HOLDING, SATURATED
from errorflow.callbacks.findings.layer_gradients import DEAD
from errorflow.callbacks.findings.over_depth import STARVING

NEVER = -50.0
CLEAR = 3.0  # the margin of a yes, where there is only yes or no
QUANTILES = 21  # recorded of what changes during a training
OVER_TIME = {"vanishing", "exploding", "healthy", "arrives"}


def _over_time(row, name):
    return [
        f["evidence"][name]
        for f in row["findings"]
        if f["layer"] and f["kind"] in OVER_TIME | {"does not cross"} and name in f["evidence"]
    ]


def _vanishing(row):
    return max([NEVER, *(_decades(VANISHING, s) for s in _over_time(row, "first_to_last"))])


def _exploding(row):
    return max([NEVER, *(_decades(s, EXPLODING) for s in _over_time(row, "first_to_last"))])


def _does_not_cross(row):
    return max([NEVER, *(_decades(VANISHING, s) for s in _over_time(row, "first_to_largest"))])


def _starving(row):
    share = row["ours"].get("first_to_last", math.nan)
    return NEVER if math.isnan(share) else _decades(STARVING, share)


def _exploding_over_depth(row):
    share = row["ours"].get("first_to_last", math.nan)
    return NEVER if math.isnan(share) else _decades(share, 1 / STARVING)


def _earlier(name, bound, sign):
    """The margin of a finding on many training steps before the last ones.

    Args:
        name: of the recorded quantiles.
        bound: what is passed in these steps.
        sign: 1 if larger shares are worse, otherwise -1.
    """
    least = error_flow.EARLIER if name == "over_time" else over_depth.EARLIER

    def margin(row):
        found = row["ours"].get(name) or {}
        found = found.values() if isinstance(found, dict) else [found]
        tails = [quantiles[::-1] if sign > 0 else quantiles for quantiles in found if quantiles]
        place = least * (QUANTILES - 1)
        levels = [float(np.interp(place, range(QUANTILES), tail)) for tail in tails]
        return max([NEVER, *(sign * (level - math.log10(bound)) for level in levels)])

    return margin


def _dead(row):
    return 2 * CLEAR * (row["ours"].get("dead", 0.0) - DEAD)


def _no_gradient(row):
    silent = row["ours"].get("silent", 0.0)
    return CLEAR + silent if silent else -CLEAR


def _clipped(row):
    return _decades(row["ours"].get("excess", 0.0), 1.0)


def _not_finite(row):
    share = row["ours"]["not_finite"]
    return CLEAR + share if share else -CLEAR


def _saturated(row):
    gates = row["ours"].get("closed", {})
    harmless = {
        name.removesuffix("/forget") + "/input_closed"
        for name, mean in gates.items()
        if name.endswith("/forget") and mean > HOLDING
    }
    shares = [s for name, s in gates.items() if name.endswith("_closed") and name not in harmless]
    return max([NEVER, *(_odds(share) - _odds(SATURATED) for share in shares)])


def _odds(share):
    return _decades(share, 1 - share)


def _decades(number, of):
    return math.log10(max(number, 1e-45)) - math.log10(max(of, 1e-45))


MARGINS = {
    "vanishing": _vanishing,
    "vanished earlier": _earlier("over_time", VANISHING, -1),
    "exploding": _exploding,
    "exploded earlier": _earlier("over_time", EXPLODING, 1),
    "does not cross": _does_not_cross,
    "starving": _starving,
    "starved earlier": _earlier("over_depth", STARVING, -1),
    "exploding over depth": _exploding_over_depth,
    "exploded over depth earlier": _earlier("over_depth", 1 / STARVING, 1),
    "dead units": _dead,
    "no gradient": _no_gradient,
    "clipped": _clipped,
    "not finite": _not_finite,
    "saturated": _saturated,
}


def margin(row, kinds: Collection[str]) -> float:
    """Return the largest margin of these kinds of findings."""
    return max(MARGINS[kind](row) for kind in kinds)


def names(row, kinds: Collection[str]) -> bool:
    """Return whether a finding of one of these kinds is drawn, at the thresholds of today."""
    return margin(row, kinds) > 0


def troubles(row) -> list[str]:
    """Return the kinds of all findings that name a fault, at the thresholds of today."""
    return sorted(kind for kind in MARGINS if names(row, {kind}))
