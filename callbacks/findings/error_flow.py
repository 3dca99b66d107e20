"""The finding on the error over time: does it vanish or explode on its way back?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..recording.tables import Tables
from .finding import JUDGED_SHARE, MIN_STEPS, Finding, every_steps, short, since_when

VANISHING = 1e-3  # the first step receives less than this share of the last step's error
EXPLODING = 1e3
MIN_TIME_STEPS = 4
_NOT_INJECTED = 0.999  # carried / total error, above which no error is injected at a step


@dataclass(frozen=True)
class Decay:
    """How the error changes on its way back.

    Attributes:
        rate: the mean over the time steps of ln(‖error one step earlier‖ / ‖error‖).
        first_to_last: the share of the last step's error that reaches the first step.
        enters_everywhere: errors are injected not only at the last step.
        each: [N], `first_to_last` of each single row.
    """

    rate: float
    first_to_last: float
    enters_everywhere: bool
    each: np.ndarray

    @property
    def half_life(self) -> float:
        """The number of time steps in which the error halves; negative if it doubles."""
        return -math.log(2) / self.rate if self.rate else math.inf


def decay(tables: Tables) -> Decay:
    """Return the decay of the error: the median over the rows of the tables.

    The error that is carried back from step t+1 to t, over the total error at t+1, is the gain of
    that step, wherever the loss enters. The product of the gains is the share that comes through
    from the last step to the first: exactly if the loss enters at the last step only, otherwise as
    an estimate.

    An LSTM passes its error back through h and through c. There the gain is that of the cell error
    dE/dc_t, which is defined if the loss enters at the last step only; otherwise `rate` is NaN.

    Args:
        tables: an entry of `ErrorFlow.history`.
    """
    gains, everywhere = _gains(tables)  # [N, T-1]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        defined = ~np.isnan(gains)  # neither padding nor before an error of zero
        finite = np.isfinite(gains)
        rates = np.where(finite, gains, 0.0).sum(axis=1) / finite.sum(axis=1)
        totals = np.where(defined, gains, 0.0).sum(axis=1)
        totals[~defined.any(axis=1)] = np.nan
        each = np.exp(totals)
        return Decay(float(np.median(rates)), float(np.exp(np.median(totals))), everywhere, each)


def decay_figures(tables: Tables) -> dict[str, float]:
    """Return the scalars of one layer for TensorBoard: medians over the rows of its tables.

    They are the norm of the error over all time steps, the share of the last step's error that
    reaches the first step, and the half-life in time steps (NaN if the error does not decay).
    """
    norms = np.sqrt(np.nansum(tables["hidden"].astype(np.float64) ** 2, axis=1))
    medians = decay(tables)
    return {
        "norm": float(np.median(norms)),
        "first_to_last": medians.first_to_last,
        "half_life": medians.half_life if medians.rate < 0 else np.nan,
    }


def _gains(tables):
    """→ (ln(error one step earlier / error) [N, T-1], whether errors are injected at many steps)"""
    hidden = tables["hidden_from_end"].astype(np.float64)
    carried = tables["carried_from_end"]
    earlier = hidden[:, :-1]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        injected = carried[:, :-1] < _NOT_INJECTED * earlier
        everywhere = bool(np.any(injected & (earlier > 0)))
        if "cell_from_end" not in tables:
            return np.log(carried[:, :-1]) - np.log(hidden[:, 1:]), everywhere
        if everywhere:
            return np.full_like(earlier, np.nan), everywhere
        return np.diff(-np.log(tables["cell_from_end"].astype(np.float64)), axis=1), everywhere


def error_flow_finding(layer: str, tables: Tables) -> Finding:
    """Return the finding on the recorded error of one layer, judged by the last training steps.

    Args:
        layer: its path.
        tables: an entry of `ErrorFlow.history`.
    """
    recorded = len(tables["step"])
    judged = max(1, math.ceil(JUDGED_SHARE * recorded))
    finite = np.all(np.isfinite(tables["hidden"]) | ~(tables["valid"] > 0), axis=1)
    if not finite[-judged:].any():
        return _not_finite(layer, tables["step"], finite)
    finite_rows = {name: table[finite] for name, table in tables.items()}
    recent = {name: table[-int(finite[-judged:].sum()) :] for name, table in finite_rows.items()}
    finding = _judge_finite(layer, finite_rows, recent, {"recorded": recorded, "judged": judged})
    return finding if finite.all() else _with_overflows(finding, tables["step"][~finite])


def _not_finite(layer, steps, finite):
    row = len(steps) - int(np.argmax(finite[::-1])) if finite.any() else 0
    step = int(steps[row])
    text = f"the error has not been a finite number since training step {step:,}"
    return Finding(layer, "not finite", text, {"step": step})


def _with_overflows(finding, steps):
    """The same finding, with the training steps that were left out because they overflowed."""
    count, first = len(steps), int(steps[0])
    text = (
        f"{finding.text}. Left out: {count:,} training step{'s' if count > 1 else ''} in which the "
        f"error was not finite, the first of them step {first:,}"
    )
    evidence = {**finding.evidence, "not_finite": count, "first_not_finite": first}
    return Finding(finding.layer, finding.kind, text, evidence, finding.confidence)


def _judge_finite(layer, finite_rows, recent, evidence):
    """Judge finite rows. finite_rows: all of them; recent: those that are judged."""
    if not np.nansum(recent["hidden"]):
        judged = f"the last {evidence['judged']:,} recorded training steps"
        text = f"no error arrives: it is zero in {judged}"
        return Finding(layer, "no error", text, evidence)
    if evidence["recorded"] < MIN_STEPS:
        text = (
            f"too few recorded training steps ({evidence['recorded']:,}) to judge the error over "
            f"time; at least {MIN_STEPS} are needed"
        )
        return Finding(layer, "too little", text, evidence)
    steps = int(np.median(recent["length"]))
    if steps < MIN_TIME_STEPS:
        text = (
            f"sequences are too short ({steps} time steps) to judge the error over time; at least "
            f"{MIN_TIME_STEPS} time steps are needed"
        )
        return Finding(layer, "too little", text, evidence)
    return _judge_decay(layer, finite_rows, recent, evidence)


def _judge_decay(layer, finite_rows, recent, evidence):
    recent_decay = decay(recent)
    if math.isnan(recent_decay.rate) and recent_decay.enters_everywhere:
        text = (
            "cannot be judged: errors enter at many time steps, and an LSTM passes them back "
            "through h and c at once, so the sum does not show how far each one reaches; "
            "errorflow.layers.error_matrix measures that"
        )
        return Finding(layer, "undecided", text, evidence)
    kind = _kind(recent_decay.first_to_last)
    shares = decay(finite_rows).each
    defined = ~np.isnan(shares)
    agrees = np.array([_kind(share) == kind for share in shares[defined]])
    when, since = since_when(finite_rows["step"][defined], agrees)
    text = f"{kind}{when}; {_change(recent, recent_decay)}, {_arrival(recent, recent_decay)}"
    text += f" ({_basis(evidence)})"
    if kind == "vanishing":
        text += ". Whether the task needs a longer range was not measured"
    same = [_kind(share) == kind for share in recent_decay.each if not math.isnan(share)]
    numbers = {"half_life": recent_decay.half_life, "first_to_last": recent_decay.first_to_last}
    return Finding(layer, kind, text, evidence | numbers | since, float(np.mean(same)))


def _kind(first_to_last: float) -> str:
    if first_to_last < VANISHING:
        return "vanishing"
    return "exploding" if first_to_last > EXPLODING else "healthy"


def _change(recent: Tables, recent_decay: Decay) -> str:
    error = "the cell error" if "cell" in recent else "the error"
    if math.isnan(recent_decay.rate):
        return f"{error} does not travel back a single step"
    if abs(recent_decay.half_life) > 10 * np.median(recent["length"]):
        return f"{error} hardly changes going back in time"
    verb = "halves" if recent_decay.rate < 0 else "doubles"
    return f"{error} {verb} {every_steps(abs(recent_decay.half_life))} going back in time"


def _arrival(recent: Tables, recent_decay: Decay) -> str:
    valid = recent["valid_from_end"]
    same_length = (valid == np.nanmax(valid)).all()
    first = "step 1" if same_length else "the first step of the longest sequences"
    share = (
        short(recent_decay.first_to_last) if recent_decay.first_to_last else "nothing measurable"
    )
    error = "cell error" if "cell" in recent else "error"
    of_last_step = f"{share} of the last step's {error}"
    if recent_decay.enters_everywhere:
        return f"which over the whole sequence would leave {of_last_step} at {first}"
    return f"and {first} receives {of_last_step}"


def _basis(evidence: Mapping[str, Any]) -> str:
    if evidence["judged"] == evidence["recorded"]:
        return f"median of {evidence['recorded']:,} recorded training steps"
    return (
        f"median of the last {JUDGED_SHARE:.0%} of {evidence['recorded']:,} recorded training steps"
    )
