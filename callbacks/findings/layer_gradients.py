"""What the gradient over depth says: pure functions from tables of numbers to findings."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from .finding import FEWEST_ROWS, LAST_PART, Finding, since_when

STARVING = 1e-3  # the first layers' ‖dE/dW‖ / ‖W‖ over the last layers'
CLIPPED = 0.5  # of the training steps
QUIET = 100  # recorded steps without a gradient make a unit a dead one
DEAD = 0.5  # of a layer's units
FEWEST_LAYERS = 4
NAMED = 3  # layers in a sentence


def of_gradients(
    steps: np.ndarray,
    layers: Sequence[str],
    norm: np.ndarray,
    ratio: np.ndarray,
    dead: np.ndarray | None = None,
    clip_norm: float | None = None,
) -> list[Finding]:
    """What the gradient over depth says; nothing where it is healthy.

    Args:
        steps: [N] training steps. layers: L, from input to loss.
        norm, ratio: ‖dE/dW‖ and ‖dE/dW‖ / ‖W‖, [N, L]; NaN where a layer was frozen, infinite where
            they are no finite numbers.
        dead: the share of each layer's units that are dead, [N, L]; NaN where it has none; None:
            not recorded.
        clip_norm: what the gradient of all weights together is clipped to.
    """
    trained = np.flatnonzero(~np.isnan(norm).all(axis=0)).tolist()
    dead = np.full_like(norm, np.nan) if dead is None else dead
    layers = [layers[n] for n in trained]
    norm, ratio, dead = norm[:, trained], ratio[:, trained], dead[:, trained]
    broken = np.isinf(norm)
    found = []
    if broken.any():
        found.append(_not_finite(steps, layers, broken))
    fine = ~broken.any(axis=1)
    if fine.sum() < FEWEST_ROWS:
        return found
    recent = slice(-ceil(LAST_PART * fine.sum()), None)
    steps, norm, ratio, dead = steps[fine], norm[fine], ratio[fine], dead[fine]
    silent = [name for name, of in zip(layers, norm[recent].T, strict=True) if np.all(of == 0)]
    if silent:
        zero = norm[:, [name in silent for name in layers]] == 0
        found.append(_no_gradient(silent, steps, zero.all(axis=1), recent))
    for name, column in zip(layers, dead.T, strict=True):
        if name not in silent:
            found += _dead_units(name, steps, column, recent)
    learning = np.flatnonzero(~np.isnan(ratio[recent]).all(axis=0)).tolist()  # not frozen by now
    if len(learning) - len(silent) >= FEWEST_LAYERS:
        found += _over_depth([layers[n] for n in learning], steps, ratio[:, learning], recent)
    if clip_norm:
        whole = np.sqrt(np.nansum(norm.astype(np.float64) ** 2, axis=1))
        found += _clipped(steps, whole, clip_norm, recent)
    return found


def _not_finite(steps, layers, broken):
    row = int(broken.any(axis=1).argmax())
    where = np.flatnonzero(broken[row])
    first = layers[where[-1]]  # the backward pass comes from the loss
    there = f"the gradient is not a finite number in training step {steps[row]:,}"
    if where[-1] == len(layers) - 1:
        text = f"{there}, from the last layer, {first}, on: already the loss is none"
    else:
        text = f"{there}, first in {first}, while that of the layers behind it is one"
    evidence = {"step": int(steps[row]), "layer": first, "steps": int(broken.any(axis=1).sum())}
    return Finding(first, "not finite", text, evidence, 1.0)


def _no_gradient(layers, steps, zero, recent):
    """Of one layer, or of several, whose number and first names are told."""
    judged, several = len(steps[recent]), len(layers) > 1
    when, more = since_when(steps, zero)
    text = f"gradient is zero in the last {judged:,} training steps"
    text += when and f", and has been{when}"
    evidence = {"layers": len(layers), "judged": judged, **more}
    if not several:
        return Finding(layers[0], "no gradient", f"its {text}: it learns nothing", evidence, 1.0)
    names = ", ".join(layers[:NAMED])
    if len(layers) > NAMED:
        names += f" and {len(layers) - NAMED} more layers"
    text = f"of {names} the {text}: they learn nothing"
    return Finding("", "no gradient", text, evidence, 1.0)


def _dead_units(layer, steps, shares, recent):
    known = ~np.isnan(shares[recent])
    share = float(np.median(shares[recent][known])) if known.any() else 0.0
    if share <= DEAD:
        return []
    when, evidence = since_when(steps, shares > DEAD)
    text = (
        f"{share:.0%} of its units are dead: their gradient was zero in each of the last {QUIET} "
        "training steps that were recorded"
    )
    text += when and f"; so are most of them{when}"
    confidence = float(np.mean(shares[recent][known] > DEAD))
    return [Finding(layer, "dead units", text, {"share": share, **evidence}, confidence)]


def _over_depth(layers, steps, ratio, recent):
    """The first quarter of the layers against the last."""
    quarter = max(1, len(layers) // 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nanmedian(ratio[:, :quarter], axis=1) / np.nanmedian(
            ratio[:, -quarter:], axis=1
        )
    share = float(np.nanmedian(shares[recent]))
    those = f"the first {quarter} of {len(layers)} layers" if quarter > 1 else f"{layers[0]}"
    evidence = {"first_to_last": share, "judged": len(shares[recent])}
    text = (
        f"{those} would change by {share:.1g} of what the last {'ones' if quarter > 1 else 'one'} "
        f"would, relative to the weights (median of {evidence['judged']:,} training steps)"
    )
    if share < STARVING:
        kind, says, alike = "starving", "the depth starves", shares < STARVING
    elif share > 1 / STARVING:
        kind, says, alike = "exploding over depth", "it explodes", shares > 1 / STARVING
    else:
        return []
    when, more = since_when(steps, alike)
    confidence = float(np.mean(alike[recent]))
    return [Finding("", kind, f"{text}: {says}{when}", evidence | more, confidence)]


def _clipped(steps, norm, clip_norm, recent):
    last = norm[recent]
    share = float(np.mean(last > clip_norm))
    if share <= CLIPPED:
        return []
    when, more = since_when(steps, norm > clip_norm)
    text = (
        f"the gradient is clipped in {share:.0%} of the last {len(last):,} training steps: its norm"
        f" is {np.median(last):.2g}, the limit {clip_norm:g}"
    )
    text += when and f"; so it is{when}"
    evidence = {"share": share, "norm": float(np.median(last)), "clip_norm": clip_norm}
    return [Finding("", "clipped", text, evidence | more, share)]
