"""The findings on the gradient over depth: starving layers, dead units, clipping."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from ..recording.gradient_statistics import DEAD_AFTER
from .finding import JUDGED_SHARE, MIN_STEPS, Finding, counted, short, since_when
from .over_depth import over_depth_findings

CLIPPED = 0.5  # share of the training steps
DEAD = 0.5  # share of a layer's units
MAX_NAMED = 3  # layers named in a sentence


def gradient_findings(
    steps: np.ndarray,
    layers: Sequence[str],
    norm: np.ndarray,
    ratio: np.ndarray,
    dead: np.ndarray | None = None,
    clip_norm: float | None = None,
    *,
    skipped: np.ndarray | None = None,
    every: int | None = None,
    relu: bool | None = None,
) -> list[Finding]:
    """Return the findings on the gradient over depth; none if it is healthy.

    Args:
        steps: [N] training steps.
        layers: L names, from input to loss.
        norm: ‖dE/dW‖, [N, L]; NaN where a layer was frozen, infinite where it is not finite.
        ratio: ‖dE/dW‖ / ‖W‖, in the same form.
        dead: the share of each layer's units that are dead, [N, L]; NaN for layers without units;
            None: not recorded.
        clip_norm: the threshold to which the global norm of the gradient is clipped.
        skipped: [N] bool, the training steps that the loss scale skipped; they are not judged.
        every: training steps between two that were measured; None: as in `steps`.
        relu: whether the network has a ReLU; None: unknown.
    """
    dead = np.full_like(norm, np.nan) if dead is None else dead
    if skipped is not None and skipped.any():
        steps, norm, ratio, dead = (table[~skipped] for table in (steps, norm, ratio, dead))
    trained = np.flatnonzero(~np.isnan(norm).all(axis=0)).tolist()
    layers = [layers[n] for n in trained]
    norm, ratio, dead = norm[:, trained], ratio[:, trained], dead[:, trained]
    overflows = np.isinf(norm)
    findings = [_not_finite(steps, layers, overflows)] if overflows.any() else []
    finite = ~overflows.any(axis=1)
    if finite.sum() < MIN_STEPS:
        return findings
    steps, norm, ratio, dead = steps[finite], norm[finite], ratio[finite], dead[finite]
    recent = slice(-ceil(JUDGED_SHARE * finite.sum()), None)
    silent = (norm[recent] == 0).all(axis=0)  # [L]
    about_relu = {} if relu is None else {"relu": relu}
    findings += _no_gradient(steps, layers, norm, silent, recent, about_relu)
    # Without any gradient the loss is silent, not the units.
    dead = np.where(np.nansum(norm, axis=1, keepdims=True) > 0, dead, np.nan)
    window = (DEAD_AFTER - 1) * (every or int(np.diff(steps).min()))
    for n in np.flatnonzero(~silent):
        findings += _dead_units(steps, layers[n], dead[:, n], recent, window, about_relu)
    findings += over_depth_findings(steps, layers, ratio, silent, recent)
    return findings + (_clipped(steps, norm, clip_norm, recent) if clip_norm else [])


def _not_finite(steps, layers, overflows):
    row = int(overflows.any(axis=1).argmax())
    columns = np.flatnonzero(overflows[row])
    first = layers[columns[-1]]  # the backward pass comes from the loss
    text = f"the gradient is not finite in training step {steps[row]:,}"
    if columns[-1] == len(layers) - 1:
        text += f", already in the last layer, {first}: the loss itself may not be finite"
    else:
        text += f"; going back from the loss, {first} is the first layer where it is not"
    count = int(overflows.any(axis=1).sum())
    evidence = {"step": int(steps[row]), "layer": first, "steps": count}
    headline = f"gradient not finite in training step {steps[row]:,}"
    return Finding(first, "not finite", headline, text, evidence, 1.0)


def _no_gradient(steps, layers, norm, silent, recent, about_relu):
    """One finding on all layers without a gradient, of which the first ones are named."""
    names = [name for name, is_silent in zip(layers, silent, strict=True) if is_silent]
    if not names:
        return []
    judged = len(steps[recent])
    when, since = since_when(steps, (norm[:, silent] == 0).all(axis=1), holds=1.0)
    zero = f"is zero in the last {judged:,} recorded training steps"
    zero += f", and has been zero{when}" if when else ""
    evidence = {"layers": len(names), "judged": judged, **since, **about_relu}
    lately = f"in the last {counted(judged, 'training step')}"
    if (silent | np.isnan(norm[recent]).all(axis=0)).all():
        text = f"the gradient of every layer {zero}: no weight changes the loss, as when it is zero"
        headline = f"no gradient in any layer {lately}"
        return [Finding("", "no gradient", headline, text, evidence | {"all": True}, 1.0)]
    if len(names) == 1:
        text = f"its gradient {zero}, so it does not learn"
        return [Finding(names[0], "no gradient", f"no gradient {lately}", text, evidence, 1.0)]
    text = f"the gradient of {listed(names)} {zero}, so they do not learn"
    headline = f"no gradient in {len(names)} layers {lately}"
    return [Finding("", "no gradient", headline, text, evidence, 1.0)]


def listed(names: Sequence[str], thing: str = "layer") -> str:
    """Return "a and b", "a, b and c" or "a, b, c and 2 more layers"."""
    more = len(names) - MAX_NAMED
    if more <= 0:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{', '.join(names[:MAX_NAMED])} and {more} more {thing}{'s' if more > 1 else ''}"


def _dead_units(steps, layer, shares, recent, window, about_relu):
    """The finding on dead units; what died `window` training steps ago is known to be dead now."""
    defined = ~np.isnan(shares[recent])
    share = float(np.median(shares[recent][defined])) if defined.any() else 0.0
    if share <= DEAD:
        return []
    _, since = since_when(steps, shares > DEAD)
    text = (
        f"{share:.0%} of its units are dead: they received no gradient in the last {DEAD_AFTER} "
        "recorded training steps"
    )
    if since:
        since = {"since": max(1, since["since"] - window)}
        text += f"; more than {DEAD:.0%} of its units have been dead since training step "
        text += f"{since['since']:,}"
    confidence = float(np.mean(shares[recent][defined] > DEAD))
    evidence = {"share": share, **since, **about_relu}
    headline = f"{share:.0%} of the units are dead"
    return [Finding(layer, "dead units", headline, text, evidence, confidence)]


def _clipped(steps, norm, clip_norm, recent):
    total = np.sqrt(np.nansum(norm.astype(np.float64) ** 2, axis=1))
    last = total[recent]
    share = float(np.mean(last > clip_norm))
    if share <= CLIPPED:
        return []
    when, since = since_when(steps, total > clip_norm)
    typical = float(np.median(last))
    text = (
        f"the gradient is clipped in {share:.0%} of the last {len(last):,} recorded training steps"
        f": its norm is {short(typical)} (median), the threshold is {clip_norm:g}"
    )
    text += f"; it has been clipped in most steps{when}" if when else ""
    evidence = {"share": share, "norm": typical, "clip_norm": clip_norm}
    evidence |= {"excess": typical / clip_norm, **since}
    headline = (
        f"clipped in {share:.0%} of the steps, norm {short(typical)}, threshold {clip_norm:g}"
    )
    return [Finding("", "clipped", headline, text, evidence, share)]
