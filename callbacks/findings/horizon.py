"""The finding on the horizon: how far back in time a layer can see."""

from collections.abc import Mapping

import numpy as np

from .finding import Finding, every_steps, half_life_in_words, short


def half_life(norms: np.ndarray) -> float:
    """Return the number of time steps in which norms [T] halve, going back in time.

    It is fitted by least squares to the logarithms of all norms that are positive and finite, but
    without the last step if two others are left: there ‖dh_T/dh_t‖ is 1 by definition. Negative if
    the norms double instead, infinite if they stay the same; NaN with fewer than two norms.
    """
    positive = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(positive) > 2 and positive[-1] == len(norms) - 1:
        positive = positive[:-1]
    if len(positive) < 2:
        return np.nan
    steps = positive - positive.mean()
    slope = float(steps @ np.log2(norms[positive].astype(np.float64)) / (steps @ steps))
    return 1 / slope if slope else np.inf


def horizon_finding(layer: str, history: Mapping[str, np.ndarray]) -> Finding:
    """Return the finding on how far back a layer can see after the last recorded epoch.

    An LSTM is judged by ‖dh_T/dc_t‖: its cell keeps what passes little through h.

    Args:
        layer: its path.
        history: an entry of `Horizon.history`.
    """
    hidden, epoch = history["hidden"][-1], int(history["step"][-1])
    has_cell = "cell" in history
    judged, name = (history["cell"][-1], "c_t") if has_cell else (hidden, "h_t")
    steps = half_life(judged)
    if np.isnan(steps):
        return _without_a_range(layer, name, judged, epoch)
    change = "hardly changes going back in time"
    if abs(steps) <= 10 * np.isfinite(judged).sum():
        change = (
            f"{'halves' if steps > 0 else 'doubles'} {every_steps(abs(steps))} going back in time"
        )
    firsts = {"hidden": _first(hidden)} | ({"cell": _first(judged)} if has_cell else {})
    at_first = _in_words(firsts["cell" if has_cell else "hidden"])
    range_ = half_life_in_words(steps, np.isfinite(judged).sum()) or "hardly changes"
    headline = f"horizon: {range_}, {at_first} at the first step"
    text = f"‖dh_T/d{name}‖ {change}; at the first step it is {at_first}"
    evidence = {"half_life": steps, "first": firsts["hidden"], "epoch": epoch}
    if has_cell:
        text += f", and ‖dh_T/dh_t‖ is {_in_words(firsts['hidden'])}"
        evidence["first_cell"] = firsts["cell"]
    return Finding(layer, "range", headline, f"{text} (epoch {epoch})", evidence)


def _first(norms):
    """The norm at the first step that is finite."""
    return float(norms[np.isfinite(norms)][0])


def _in_words(norm):
    return short(norm) if norm else "too small to be measured"


def _without_a_range(layer, name, norms, epoch):
    """The finding if at most one step has a norm that is finite and above zero."""
    if np.isfinite(norms).all():
        text = f"‖dh_T/d{name}‖ is zero before the last step: nothing travels back (epoch {epoch})"
        evidence = {"half_life": 0.0, "first": 0.0, "epoch": epoch}
        return Finding(layer, "range", "horizon: zero before the last step", text, evidence)
    text = f"‖dh_T/d{name}‖ is finite and above zero at most at one step (epoch {epoch})"
    headline = "horizon: finite and above zero at one step at most"
    return Finding(layer, "not finite", headline, text, {"epoch": epoch})
