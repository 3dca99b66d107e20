"""What the recorded errors say, in words: pure functions from tables of numbers to findings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .finding import FEWEST_ROWS, LAST_PART, Finding, short, since_when

VANISHING = 1e-3  # the first step receives less than this of the last step's error
EXPLODING = 1e3
FEWEST_STEPS = 4
_ONLY_LAST = 0.999  # carried / whole error, where nothing is injected

Tables = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Decay:
    """How the error changes on its way back.

    Attributes:
        rate: mean of ln(‖error one step earlier‖ / ‖error‖) over the time steps.
        first_to_last: what of the last step's error is left at the first step.
        enters_everywhere: errors are injected at more than the last step.
        each: [N], `first_to_last` of each row by itself.
    """

    rate: float
    first_to_last: float
    enters_everywhere: bool
    each: np.ndarray

    @property
    def half_life(self) -> float:
        """Time steps in which the error halves; negative: in which it doubles."""
        return -math.log(2) / self.rate if self.rate else math.inf


def decay(tables: Tables) -> Decay:
    """The decay in each row [T] of the tables, and the median over the rows.

    The error that is carried back from step t+1 to t, over all the error at t+1, is the gain of
    that one step, wherever the loss enters. Their product is what comes through from the last step
    to the first: exactly, if the loss enters at the last step only; an estimate otherwise.

    An LSTM hands its error back by h and by c. There the error of the cell, dE/dc_t, is followed,
    which is possible if the loss enters at the last step only; otherwise `rate` is NaN.
    """
    hidden = tables["hidden_from_end"].astype(np.float64)
    carried = tables["carried_from_end"]
    before = hidden[:, :-1]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        injected = carried[:, :-1] < _ONLY_LAST * before
        everywhere = bool(np.any(injected & (before > 0)))
        if "cell_from_end" not in tables:
            gains = np.log(carried[:, :-1]) - np.log(hidden[:, 1:])
        elif everywhere:
            gains = np.full_like(before, np.nan)
        else:
            gains = np.diff(-np.log(tables["cell_from_end"].astype(np.float64)), axis=1)
        known = ~np.isnan(gains)  # neither padding nor behind an error of zero
        flowing = np.isfinite(gains)
        rates = np.where(flowing, gains, 0.0).sum(axis=1) / flowing.sum(axis=1)
        totals = np.where(known, gains, 0.0).sum(axis=1)
        totals[~known.any(axis=1)] = np.nan
        each = np.exp(totals)
        return Decay(float(np.median(rates)), float(np.exp(np.median(totals))), everywhere, each)


def judge(layer: str, tables: Tables) -> Finding:
    """What the tables of one layer (as in `ErrorFlow.history`) say about its error."""
    count = len(tables["step"])
    rows = max(1, math.ceil(LAST_PART * count))
    finite = np.all(np.isfinite(tables["hidden"]) | ~(tables["valid"] > 0), axis=1)
    if not finite[-rows:].any():
        first = int(tables["step"][count - int(np.argmax(finite[::-1])) if finite.any() else 0])
        text = f"the error is not a finite number since training step {first:,}"
        return Finding(layer, "not finite", text, {"step": first})
    known = {name: table[finite] for name, table in tables.items()}
    found = _of_finite(layer, known, int(finite[-rows:].sum()), {"recorded": count, "judged": rows})
    if finite.all():
        return found
    broken = tables["step"][~finite]
    text = f"(Not finite in {len(broken):,} training steps, first in {broken[0]:,}.)"
    evidence = {**found.evidence, "not_finite": len(broken), "first_not_finite": int(broken[0])}
    return Finding(layer, found.kind, f"{found.text} {text}", evidence, found.confidence)


def _of_finite(layer, known, rows, evidence):
    recent = {name: table[-rows:] for name, table in known.items()}
    if not np.nansum(recent["hidden"]):
        text = f"no error arrived: it is zero in the last {evidence['judged']:,} training steps"
        return Finding(layer, "no error", text, evidence)
    steps = int(np.median(recent["length"]))
    if evidence["recorded"] < FEWEST_ROWS or steps < FEWEST_STEPS:
        what = f"{evidence['recorded']:,} training steps on sequences of {steps} time steps"
        return Finding(layer, "too little", f"{what} are too little to tell", evidence)
    return _of_decay(layer, known, recent, evidence)


def _of_decay(layer, known, recent, evidence):
    found = decay(recent)
    if math.isnan(found.rate) and found.enters_everywhere:
        text = (
            "errors enter at many time steps, and an LSTM hands them back by h and by c: their sum "
            "does not tell how far one of them travels; errorflow.layers.error_matrix does"
        )
        return Finding(layer, "undecided", text, evidence)
    evidence = {**evidence, "half_life": found.half_life, "first_to_last": found.first_to_last}
    kind = _kind(found.first_to_last)
    each = decay(known).each
    told = ~np.isnan(each)
    alike = np.array([_kind(one) == kind for one in each[told]])
    when, more = since_when(known["step"][told], alike)
    text = f"{_motion(layer, recent, found)} {_base(evidence)}; {_arrival(recent, found)}: {kind}"
    text += when
    if kind == "vanishing":
        text += ". The loss may not need it: that is not measured here"
    same = [_kind(one) == kind for one in found.each if not math.isnan(one)]
    return Finding(layer, kind, text, evidence | more, float(np.mean(same)))


def _kind(first_to_last):
    if first_to_last < VANISHING:
        return "vanishing"
    return "exploding" if first_to_last > EXPLODING else "healthy"


def _motion(layer, recent, found):
    error = "the cell's error" if "cell" in recent else "the error"
    if math.isnan(found.rate):
        return f"{error} does not get back a single step"
    if abs(found.half_life) > 10 * np.median(recent["length"]):
        return f"{error} hardly changes going back"
    how = "halves" if found.rate < 0 else "doubles"
    return f"{error} {how} every {short(abs(found.half_life))} steps going back"


def _base(evidence):
    if evidence["judged"] == evidence["recorded"]:
        return f"(median of {evidence['recorded']:,} training steps)"
    return f"(median of the last {LAST_PART:.0%} of {evidence['recorded']:,} training steps)"


def _arrival(recent, found):
    whole = (recent["valid_from_end"] == np.nanmax(recent["valid_from_end"])).all()
    first = "step 1" if whole else "the first step of the longest sequences"
    share = short(found.first_to_last) if found.first_to_last else "nothing that a float can hold"
    if found.enters_everywhere:
        return f"by these single steps, {first} would receive {share} of the last step's error"
    return f"{first} receives {share} of the last step's error"
