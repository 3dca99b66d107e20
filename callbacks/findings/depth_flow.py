"""The findings on the error over depth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .finding import Finding


def depth_findings(history: Mapping[str, Any]) -> list[Finding]:
    """Return the findings on the error that arrives at the output of each layer.

    Args:
        history: `DepthFlow.history`; may be empty.
    """
    if not history:
        return []
    judged = ~history["skipped"]
    steps, rms = history["step"][judged], history["rms"][judged]
    overflows = np.isinf(rms)
    return [_not_finite(steps, history["layers"], overflows)] if overflows.any() else []


def _not_finite(steps: np.ndarray, layers: Sequence[str], overflows: np.ndarray) -> Finding:
    row = int(overflows.any(axis=1).argmax())
    first = layers[int(np.flatnonzero(overflows[row])[-1])]  # the backward pass comes from the loss
    text = (
        f"the error dE/da is not finite in training step {steps[row]:,}; going back from the loss, "
        f"the output of {first} is the first where it is not"
    )
    count = int(overflows.any(axis=1).sum())
    evidence = {"step": int(steps[row]), "layer": first, "steps": count}
    headline = f"error not finite in training step {steps[row]:,}"
    return Finding(first, "not finite", headline, text, evidence, 1.0)
