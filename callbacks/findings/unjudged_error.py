"""Findings on an error over time that cannot be judged."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .decay import Decay
from .finding import MIN_STEPS, Finding, counted
from .places import Places

MIN_TIME_STEPS = 2

Evidence = Mapping[str, Any]


def not_finite(layer: str, steps: np.ndarray, finite: np.ndarray, evidence: Evidence) -> Finding:
    """The finding if no judged training step has a finite error."""
    row = len(steps) - int(np.argmax(finite[::-1])) if finite.any() else 0
    step = int(steps[row])
    text = f"the error has not been a finite number since training step {step:,}"
    headline = f"not finite since training step {step:,}"
    return Finding(layer, "not finite", headline, text, {"step": step, **evidence})


def too_few_steps(layer: str, evidence: Evidence) -> Finding:
    """The finding if less than `MIN_STEPS` training steps are recorded."""
    recorded = counted(evidence["recorded"], "training step")
    headline = f"only {recorded} recorded, {MIN_STEPS} are needed"
    text = f"too few recorded training steps ({evidence['recorded']:,}) to judge the error over "
    text += f"time; at least {MIN_STEPS} are needed"
    return Finding(layer, "too little", headline, text, {**evidence})


def no_time(layer: str, recent_decay: Decay, places: Places, evidence: Evidence) -> Finding:
    """The finding if there is one time step only between the first one read and the last error."""
    evidence = {**evidence, "time_steps": 1}
    if np.median(recent_decay.read.exists.sum(axis=1)) < MIN_TIME_STEPS:
        headline = "a single time step: no error travels through time"
        text = "sequences have a single time step, so no error travels through time"
    else:
        headline = "errors enter at the first step read alone"
        text = f"no error enters after {places.entry}, which is read first, so none travels through"
        text += " time"
    return Finding(layer, "too little", headline, text, {**evidence})
