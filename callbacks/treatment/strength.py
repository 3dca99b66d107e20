"""How strong a remedy is: the numbers for it, from what was recorded. All functions are pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .facts import Facts, NotApplicable

LOWER = 10.0  # divides the learning rate
USUAL_THRESHOLD = 1.0  # to which gradients are clipped in practice
CLIPPED_TO = 5.0  # times the usual norm, in the middle of Pascanu, Mikolov & Bengio's range
OPEN = 1.0  # bias of a forget gate (Gers et al. 2000, Jozefowicz et al. 2015)
MOST_OPEN = 5.0  # a cell with this bias remembers for about 150 time steps
WARM_UP = 0.1  # share of the training steps
WARM_UP_STEPS = 100  # if the number of training steps is unknown


def usual_norm(norm: np.ndarray) -> float | None:
    """Return the median global norm of the gradient, over the steps at which it is finite.

    Args:
        norm: [N, L], that of each layer, as `LayerGradients.history["norm"]`; NaN: no gradient.
    """
    total = np.sqrt(np.nansum(np.square(norm, dtype=np.float64), axis=1))
    finite = total[np.isfinite(total)]
    return float(np.median(finite)) if len(finite) else None


def lower_rate(rate: float) -> float:
    """Return a tenth of a learning rate."""
    return rounded(rate / LOWER)


def clip_threshold(current: float | None, facts: Facts, evidence: Mapping[str, Any]) -> float:
    """Return the threshold to which the global norm of the gradient is to be clipped.

    Where nearly every gradient is clipped (the evidence has "clip_norm"), it is five times the
    usual norm; where gradients explode, it is the usual norm, 1 at most. Pascanu, Mikolov & Bengio
    (2013) recommend half to ten times the usual norm.

    Args:
        current: the present threshold; None or 0: there is none.
        facts, evidence: as `settings_for` and `treated` take them.

    Raises:
        NotApplicable: the gradients are clipped to that threshold, or a better one, already.
    """
    if "clip_norm" in evidence:
        return _higher_threshold(current, float(evidence["norm"]))
    norm = facts.norm
    wanted = min(USUAL_THRESHOLD, rounded(norm)) if norm else USUAL_THRESHOLD
    if current and current <= wanted:
        raise NotApplicable(f"the norm of the gradient is already clipped to {current:g}")
    return wanted


def _higher_threshold(current: float | None, norm: float) -> float:
    wanted = rounded(CLIPPED_TO * norm)
    if not (current and math.isfinite(wanted) and wanted > current):
        raise NotApplicable("the threshold is already above the usual norm of the gradient")
    return wanted


def forget_bias(current: float, facts: Facts) -> float:
    """Return the initial bias of forget gates with which a cell remembers a whole sequence.

    A gate that stays at f forgets within 1 / (1 − f) steps: bias ln(T − 1) for T of them; at least
    1, at most 5.

    Raises:
        NotApplicable: the present bias is as large.
    """
    steps = facts.time_steps
    wanted = OPEN if steps is None or steps <= 2 else math.log(steps - 1)
    wanted = round(min(max(wanted, OPEN), MOST_OPEN), 1)
    if wanted <= current:
        raise NotApplicable(f"the forget gates already start open, with a bias of {current:g}")
    return wanted


def truncation(current: int | None, facts: Facts) -> int:
    """Return k, the number of time steps after which the error is to be cut: half of them.

    An error that grows by a factor r at each of T steps back grows to r^(T/2) at most, the square
    root of what it was.

    Args:
        current: the present k; None: the error is not cut.
        facts: as `settings_for` and `treated` take them.

    Raises:
        NotApplicable: the length of the sequences is unknown, or too short to be halved; or the
            error is cut after as few steps already.
    """
    steps = facts.time_steps
    if steps is None or steps < 2:
        raise NotApplicable("the length of the sequences is unknown, or too short")
    if current is not None and current <= steps // 2:
        raise NotApplicable(f"the error is already cut every {_steps(current)}")
    return steps // 2


def _steps(count):
    return "time step" if count == 1 else f"{count} time steps"


def warm_up_steps(facts: Facts) -> int:
    """Return the number of training steps in which the learning rate rises: a tenth of them."""
    steps = facts.training_steps
    return WARM_UP_STEPS if steps is None else max(1, round(WARM_UP * steps))


def rounded(number: float) -> float:
    """Return a number with two significant digits."""
    return float(f"{number:.2g}")
