"""Warnings about the gradient over depth while a model trains: pure functions; see `Scope`."""

import functools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from .finding import MIN_STEPS, first_agreeing_step, percent, short
from .layer_gradients import DEAD, listed
from .over_depth import MIN_LAYERS, STARVING, first_to_last
from .training_warning import Scope, TrainingWarning

SILENT = 0.9  # share of the window's training steps in which a layer receives no gradient
LEARNED = 1e-6  # a loss below it needs no gradient


def gradient_warnings(
    history: Mapping[str, Any],
    scope: Scope,
    *,
    without_loss: Collection[str] = (),
    relu: bool | None = None,
) -> list[TrainingWarning]:
    """Return what is wrong with the gradient over depth in the last training steps.

    Args:
        history: `LayerGradients.history` of the latest `scope.rows` rows.
        scope: what is judged.
        without_loss: layers that no loss depends on, as the head of an output of weight 0.
        relu: whether the network has a ReLU; None: unknown.
    """
    rows = ~np.asarray(history["skipped"], bool)
    steps = history["step"][rows]
    norm, ratio, dead = (history[name][rows] for name in ("norm", "ratio", "dead"))
    judged = [n for n, layer in enumerate(history["layers"]) if layer not in without_loss]
    layers = [history["layers"][n] for n in judged]
    norm, ratio, dead = norm[:, judged], ratio[:, judged], dead[:, judged]
    if np.isinf(norm).any():
        return _not_finite(steps, layers, np.isinf(norm), scope.known)
    has_settled, recent = scope.has_settled(steps), scope.recent(steps)
    if recent is None or not layers:
        return []
    first_zero = functools.partial(_first_zero, steps, norm)
    steps, norm, ratio, dead = steps[recent], norm[recent], ratio[recent], dead[recent]
    arrives = np.nansum(norm, axis=1) > 0  # [N] the loss depends on some weight
    if not arrives.any():
        return _all_stuck(steps, scope, first_zero)
    steps, norm, ratio, dead = (table[arrives] for table in (steps, norm, ratio, dead))
    if len(steps) < MIN_STEPS:
        return []
    silent = (norm == 0).mean(axis=0) >= (SILENT if relu is not False else 1.0)
    silent &= ~np.isnan(norm).any(axis=0)
    warnings = _stuck(steps, layers, norm, silent, scope.known, first_zero)
    stuck = silent | [("stuck", layer) in scope.known for layer in layers]
    warnings += _dead(steps, layers, np.where(stuck, np.nan, dead), relu, scope.known)
    return warnings + (_over_depth(steps, ratio[:, ~stuck], scope.known) if has_settled else [])


def _not_finite(steps, layers, overflows, known):
    if ("diverged", "") in known:
        return []
    row = int(overflows.any(axis=1).argmax())
    layer = layers[int(np.flatnonzero(overflows[row])[-1])]  # the first one, from the loss
    text = f"the gradient of {layer} was not finite in step {steps[row]:,}"
    evidence = {"since": int(steps[row]), "layer": layer}
    return [TrainingWarning("diverged", (), text, evidence, "not finite")]


def _first_zero(steps, norm, layers=slice(None)):
    """Return the training step since which the gradient of these layers is zero, in all rows."""
    return first_agreeing_step(steps, ~(norm[:, layers] > 0).any(axis=1), holds=1.0)


def _all_stuck(steps, scope, first_zero):
    loss = scope.loss
    if loss is None or loss < LEARNED or ("stuck", "") in scope.known:
        return []
    since = first_zero()
    count = int(steps[-1]) - since + 1
    text = f"no layer has received a gradient for {count:,} steps, at a loss of {short(loss)}"
    evidence = {"steps": count, "since": since, "loss": loss, "all": True}
    return [TrainingWarning("stuck", (), text, evidence, "no gradient")]


def _stuck(steps, layers, norm, silent, known, first_zero):
    new = [n for n in np.flatnonzero(silent) if ("stuck", layers[n]) not in known]
    if not new:
        return []
    names = [layers[n] for n in new]
    quiet, since = int((norm[:, new] == 0).all(axis=1).sum()), int(steps[0])
    who, have = _listed(names), "has" if len(names) == 1 else "have"
    if quiet == len(steps):
        since = first_zero(new)
        count = int(steps[-1]) - since + 1
        text = f"{who} {have} received no gradient for {count:,} steps"
    else:
        text = f"{who} received no gradient in {quiet:,} of the last {len(steps):,} recorded steps"
    evidence = {"silent": quiet, "judged": len(steps), "since": since}
    return [TrainingWarning("stuck", names, text, evidence, "no gradient")]


def _dead(steps, layers, dead, relu, known):
    """One warning for all layers of which most units were dead in every step of the window."""
    is_dead = (dead > DEAD).all(axis=0)
    new = [n for n in np.flatnonzero(is_dead) if ("dead", layers[n]) not in known]
    if not new:
        return []
    names, shares = [layers[n] for n in new], [float(dead[-1, n]) for n in new]
    text = f"most units of {_listed(names)} are dead, they receive no gradient: "
    text += ", ".join(percent(share) for share in shares)
    text += f"; more than {DEAD:.0%} in each of the last {len(steps):,} recorded steps"
    evidence = {"shares": shares, "judged": len(steps), "since": int(steps[0])}
    evidence |= {} if relu is None else {"relu": relu}
    return [TrainingWarning("dead", names, text, evidence, "dead units")]


def _over_depth(steps, ratio, known):
    learning = ~np.isnan(ratio).any(axis=0)  # the others are frozen
    if learning.sum() < MIN_LAYERS:
        return []
    shares, _ = first_to_last(ratio[:, learning])
    for kind, finding, agrees, limit in (
        ("vanishing", "starving", shares < STARVING, f"below {short(STARVING)}"),
        ("exploding", "exploding over depth", shares > 1 / STARVING, f"above {1 / STARVING:,.0f}"),
    ):
        if agrees.all() and (kind, "") not in known:
            share = float(np.median(shares))
            text = (
                f"the relative gradient of the first layers is {short(share)} times that of the "
                f"last, and {limit} in each of the last {len(steps):,} recorded steps"
            )
            evidence = {"first_to_last": share, "judged": len(steps), "since": int(steps[0])}
            return [TrainingWarning(kind, (), text, evidence, finding)]
    return []


def _listed(names):
    return names[0] if len(names) == 1 else listed(names)
