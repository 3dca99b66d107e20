"""The finding on Lyapunov exponents: how fast error fades or explodes in a recurrent layer."""

from collections.abc import Mapping

import numpy as np

from .finding import Finding, every_steps, half_life_in_words, short


def half_life(largest: float) -> float:
    """Return -ln 2 / λ_1: the time steps in which an error halves, negative if it doubles.

    Infinite if λ_1 is 0, 0 if it is -∞.
    """
    return -np.log(2) / largest if largest else np.inf


def lyapunov_finding(layer: str, history: Mapping[str, np.ndarray]) -> Finding:
    """Return the finding on the largest exponent after the last recorded epoch; it judges nothing.

    Args:
        layer: its path.
        history: an entry of `Lyapunov.history`.
    """
    largest, epoch = float(history["exponent"][-1, 0]), int(history["step"][-1])
    if np.isnan(largest) or largest == np.inf:
        text = f"the largest Lyapunov exponent is not a finite number (epoch {epoch})"
        headline = "largest Lyapunov exponent not finite"
        return Finding(layer, "not finite", headline, text, {"epoch": epoch})
    steps, spread = half_life(largest), float(history["spread"][-1, 0])
    evidence = {"largest": largest, "half_life": steps, "spread": spread, "epoch": epoch}
    name = "largest Lyapunov exponent"
    if largest == -np.inf:
        text = f"the {name} is -∞: in some example, no error comes back through all time steps"
        return Finding(layer, "measured", f"{name} -∞", f"{text} (epoch {epoch})", evidence)
    changes = "keeps its size"
    if largest:
        changes = f"{'halves' if largest < 0 else 'doubles'} {every_steps(abs(steps))}"
    text = f"the {name} is {short(largest)} per time step: going back in time, an error {changes}"
    text += " on average" + ("; nearby states move apart" if largest > 0 else "")
    headline = f"{name} {short(largest)}"
    if largest:
        headline += f", {half_life_in_words(steps, np.inf)}"
    return Finding(layer, "measured", headline, f"{text} (epoch {epoch})", evidence)
