"""The findings on the error over depth.

What is compared is ‖δ_l‖, the norm over the whole output of a layer, although outputs differ in
size. The backward pass is δ_{l-1} = J_lᵀ δ_l, and this norm is what it conserves where nothing
fades or explodes: exactly if J_l is orthogonal, or hands errors on to other places, as max pooling
does; on average if the weights have the initial variance 2 / n_in of He et al. (2015), whatever
n_in and n_out. The root mean square per unit is not conserved: a layer from n_in to n_out units
multiplies it by √(n_out / n_in) under the same weights, without losing anything. An average over n
places divides the norm by √n; the thresholds leave room for that. The output of the model is not
compared: what arrives there is the derivative of the loss itself. Of a cross-entropy by a softmax
p it is 1 / p, which says nothing of the layers.

Source: A. Saxe, J. McClelland, S. Ganguli: Exact solutions to the nonlinear dynamics of learning in
deep linear neural networks, 2014.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from ..recording.depth_tables import are_inside, without_outputs
from ..recording.tables import layer_path
from .finding import JUDGED_SHARE, MIN_STEPS, Finding, counted, short, since_when
from .layer_gradients import listed
from .over_depth import Quantity, first_to_last, over_depth_findings

SILENT = 1e-4  # the error by a path, over that of the tensor which the path reads

ERROR = Quantity(
    "error",
    "‖dE/da‖",
    "at the output of",
    (
        "hardly any error reaches the first layers",
        "hardly any error has reached the first layers",
        "hardly any error reached the first layers",
    ),
    "the error",
    {"quantity": "error"},
)


def depth_findings(history: Mapping[str, Any]) -> list[Finding]:
    """Return the findings on the error that arrives at the output of each layer.

    Starving and exploding are judged as by `over_depth_findings`, among the layers that some error
    reaches; a path is silent if it carries back less than `SILENT` times the error of the tensor
    that it reads.

    Args:
        history: `DepthFlow.history`; may be empty.
    """
    if not history:
        return []
    judged = ~history["skipped"]
    steps, layers, rms = history["step"][judged], history["layers"], history["rms"][judged]
    overflows = np.isinf(rms)
    findings = [_not_finite(steps, layers, overflows)] if overflows.any() else []
    finite = ~overflows.any(axis=1)
    if finite.sum() < MIN_STEPS:
        return findings
    steps, rms = steps[finite], rms[finite]
    recent = slice(-ceil(JUDGED_SHARE * len(steps)), None)
    silent = (rms[recent] == 0).all(axis=0)
    findings += _no_error(steps, layers, rms, silent, recent)
    judged_layers = np.where(are_inside(history) & ~silent, rms, np.nan)
    none = np.zeros_like(silent)
    findings += over_depth_findings(steps, layers, judged_layers, none, recent, ERROR)
    return findings + _silent_paths(steps, _shares(history, judged, finite), recent)


def share_over_depth(history: Mapping[str, Any]) -> float | None:
    """Return the error of the first quarter of the layers over that of the last quarter.

    It is the median of the training steps that are judged; None if it is unknown.

    Args:
        history: `DepthFlow.history`; may be empty.
    """
    if not history:
        return None
    rms = without_outputs(history)["rms"][~history["skipped"]]
    shares, _ = first_to_last(rms[-ceil(JUDGED_SHARE * len(rms)) :])
    finite = shares[np.isfinite(shares)]
    return float(np.median(finite)) if len(finite) else None


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


def _no_error(steps, layers, rms, silent, recent) -> list[Finding]:
    """One finding on all layers that no error reaches, of which the first ones are named."""
    names = [name for name, is_silent in zip(layers, silent, strict=True) if is_silent]
    if not names:
        return []
    judged = len(steps[recent])
    when, since = since_when(steps, (rms[:, silent] == 0).all(axis=1), holds=1.0)
    evidence = {"layers": len(names), "judged": judged, **since, **ERROR.evidence}
    lately = f"in the last {counted(judged, 'training step')}"
    if len(names) == 1:
        layer, outputs, headline = names[0], "its output", f"no error {lately}"
    elif (silent | np.isnan(rms[recent]).all(axis=0)).all():
        layer, outputs, headline = "", "the output of any layer", f"no error in any layer {lately}"
    else:
        layer, outputs = "", f"the outputs of {listed(names)}"
        headline = f"no error in {len(names)} layers {lately}"
    text = f"no error reaches {outputs} in the last {judged:,} recorded training steps"
    text += f", nor has any{when}" if when else ""
    return [Finding(layer, "no error", headline, text, evidence, 1.0)]


def _shares(history, judged, finite) -> dict[str, np.ndarray]:
    """The error by each path over that of the tensor which it reads, [N]; NaN where that is 0."""
    names = [*history["layers"], *history["paths"]]
    errors = np.concatenate([history["rms"], history["path_rms"]], axis=1)[judged][finite]
    column = dict(zip(names, errors.T, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            path: column[path] / column[whole]
            for path, whole in zip(history["paths"], history["adds_to"], strict=True)
            if whole in column
        }


def _silent_paths(steps, shares, recent) -> list[Finding]:
    """One finding on all silent paths, of which the first ones are named."""
    typical = {path: _median(share[recent]) for path, share in shares.items()}
    silent = {path: share for path, share in typical.items() if share < SILENT}
    if not silent:
        return []
    agrees = np.all([shares[path] < SILENT for path in silent], axis=0)
    judged, largest = len(steps[recent]), max(silent.values())
    when, since = since_when(steps, agrees)
    evidence = {"paths": len(silent), "share": largest, "judged": judged, **since}
    if len(silent) == 1:
        (path,) = silent
        layer, paths, share = layer_path(path), f"its path “{_label(path)}”", short(largest)
        headline = f"silent path: {share} of the error comes back through it"
    else:
        layer, paths, share = "", listed([*silent], "path"), f"at most {short(largest)}"
        headline = f"silent: {len(silent)} paths, {share} of the error comes back through each"
    text = (
        f"hardly any error {'has come' if when else 'comes'} back through {paths}{when}: {share} "
        f"times the error ‖dE/da‖ of the tensor that {'it' if layer else 'each'} reads (median of "
        f"the last {judged:,} recorded training steps)"
    )
    confidence = float(np.mean(agrees[recent]))
    return [Finding(layer, "silent path", headline, text, evidence, confidence)]


def _label(path: str) -> str:
    """Return "shortcut" of "block3 (shortcut)"."""
    return path.partition(" (")[2].removesuffix(")")


def _median(values: np.ndarray) -> float:
    """The median of those that are defined; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if len(defined) else np.nan
