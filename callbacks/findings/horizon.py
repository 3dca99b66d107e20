"""The finding on the horizon: how far back in time a layer can see."""

from collections.abc import Mapping

import numpy as np

from .finding import Finding, every_steps, short


def half_life(norms: np.ndarray) -> float:
    """Return the number of time steps in which norms [T] halve, going back in time.

    It is an average over all time steps; negative if the norms double instead.
    """
    positive = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(positive) < 2:
        return np.nan
    first, last = positive[0], positive[-1]
    decay = np.log2(norms[last]) - np.log2(norms[first])
    return float((last - first) / decay) if decay else np.inf


def horizon_finding(layer: str, history: Mapping[str, np.ndarray]) -> Finding:
    """Return the finding on how far back a layer can see after the last recorded epoch.

    Args:
        layer: its path.
        history: an entry of `Horizon.history`.
    """
    norms, epoch = history["hidden"][-1], int(history["step"][-1])
    steps = half_life(norms)
    if np.isnan(steps):
        text = f"‖dh_T/dh_t‖ is finite and above zero at the last step only (epoch {epoch})"
        return Finding(layer, "not finite", text, {"epoch": epoch})
    first = float(norms[np.isfinite(norms)][0])
    if not abs(steps) <= 10 * len(norms):
        change = "hardly changes going back in time"
    else:
        verb = "halves" if steps > 0 else "doubles"
        change = f"{verb} {every_steps(abs(steps))} going back in time"
    text = f"‖dh_T/dh_t‖ {change}; at the first step it is {short(first)} (epoch {epoch})"
    return Finding(layer, "range", text, {"half_life": steps, "first": first, "epoch": epoch})
