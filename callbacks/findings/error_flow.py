"""The finding on the error over time: does it vanish or explode on its way back?"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..recording.tables import Tables, with_truncation
from .decay import Decay, decay
from .earlier import Earlier, earlier
from .finding import JUDGED_SHARE, MIN_STEPS, Finding, counted, every_steps, short, since_when
from .headlines import over_time
from .places import name_places
from .probe import Probe, probe_in_words
from .truncation import no_step_back, with_cut
from .unjudged_error import MIN_TIME_STEPS, no_time, not_finite, too_few_steps

VANISHING = 1e-3  # the first step receives less than this share of the error at the end
EXPLODING = 1e3
EARLIER = 0.15  # of the recorded training steps: what happened in fewer of them is not mentioned
_EXPLODED = "exploded", "more", EXPLODING
WHOLE = ("only", "all")  # probes of an error that is not that of one prediction among several


def error_flow_finding(
    layer: str, tables: Tables, backwards: bool | None = None, probe: Probe | None = None
) -> Finding:
    """Return the finding on the recorded error of one layer, judged by the last training steps.

    If errors enter at many time steps, the sum that a layer records does not show how far each one
    reaches. Then a probe decides, which is the error of one prediction alone.

    Args:
        layer: its path.
        tables: an entry of `ErrorFlow.history`.
        backwards: whether the layer reads its input from the last step to the first; None: unknown.
        probe: the errors of one prediction, if they were measured.
    """
    steps = tables["step"]
    skipped = np.asarray(tables.get("skipped", np.zeros(len(steps), bool)), bool)
    tables = _rows(tables, ~skipped)
    evidence = {"skipped": int(skipped.sum())} if skipped.any() else {}
    recorded = len(tables["step"])
    if not recorded:
        text = f"all {len(steps):,} recorded training steps were skipped by the loss scale"
        headline = f"all {len(steps):,} training steps skipped by the loss scale"
        return Finding(layer, "too little", headline, text, evidence)
    judged = max(1, math.ceil(JUDGED_SHARE * recorded))
    finite = np.all(np.isfinite(tables["hidden"]) | ~(tables["valid"] > 0), axis=1)
    if not finite[-judged:].any():
        return not_finite(layer, tables["step"], finite, evidence)
    finite_rows = _rows(tables, finite)
    recent = {name: table[-int(finite[-judged:].sum()) :] for name, table in finite_rows.items()}
    evidence = {"recorded": recorded, "judged": judged, "lstm": "cell" in tables} | evidence
    if not finite.all():
        overflows = tables["step"][~finite]
        evidence |= {"not_finite": len(overflows), "first_not_finite": int(overflows[0])}
    finding = _judge_finite(layer, finite_rows, recent, evidence, backwards, probe)
    return finding if finite.all() else _with_overflows(finding)


def _rows(tables, chosen):
    by_row = {name: table for name, table in tables.items() if np.ndim(table)}
    return by_row if chosen.all() else {name: table[chosen] for name, table in by_row.items()}


def _with_overflows(finding):
    """The same finding, with the training steps that were left out because they overflowed."""
    text = (
        f"{finding.text}; left out: {counted(finding.evidence['not_finite'], 'training step')} in "
        f"which the error was not finite, the first of them step "
        f"{finding.evidence['first_not_finite']:,}"
    )
    return replace(finding, text=text)


def _judge_finite(layer, finite_rows, recent, evidence, backwards, probe):
    """Judge finite rows. finite_rows: all of them; recent: those that are judged."""
    if not np.nansum(recent["hidden"]):
        judged = f"the last {evidence['judged']:,} recorded training steps"
        text = f"no error arrives: it is zero in {judged}"
        return Finding(layer, "no error", f"no error in {judged}", text, evidence)
    recent_decay = decay(recent, backwards)
    places = name_places(recent, recent_decay.read, backwards)
    if evidence["recorded"] < MIN_STEPS:
        return too_few_steps(layer, evidence)
    if recent_decay.steps < MIN_TIME_STEPS:
        return no_step_back(no_time(layer, recent_decay, places, evidence), recent_decay.read)
    if recent_decay.enters_everywhere and probe is not None and probe.prediction not in WHOLE:
        probe = replace(probe, tables=_cut_as(recent, probe.tables))
        return _of_probe(layer, recent_decay, places, evidence, backwards, probe)
    each = finite_rows["step"], decay(finite_rows, backwards).each
    if not recent_decay.enters_everywhere:
        return _of_one_entry(layer, each, recent_decay, places, evidence)
    which = None if probe is None else probe.prediction
    return _of_many_entries(layer, each, recent_decay, places, evidence, which)


def _cut_as(recent, tables):
    return with_truncation(tables, recent["truncate"][-1] if "truncate" in recent else None)


def _of_one_entry(layer, each, recent_decay, places, evidence):
    """Errors enter at one step, so the record shows how far back they reach.

    Args:
        each: all training steps with finite errors, and `Decay.each` of them.
    """
    kind = _kind(recent_decay.first_to_last)
    steps, shares = each
    past = earlier(steps, shares, VANISHING, EXPLODING, EARLIER)
    if kind == "healthy" and past is not None:
        return _of_the_past(layer, past, recent_decay, places, evidence)
    when, since = _since(steps, shares, kind)
    change = _change(recent_decay)
    if places.entry:
        change = f"errors enter at {places.entry} alone; from there, {change}"
    text = f"{kind}{when}; {change}, and {places.receives(recent_decay)} ({_basis(evidence)})"
    same = [_kind(share) == kind for share in recent_decay.each if not math.isnan(share)]
    headline = over_time(kind, recent_decay, places, evidence)
    evidence = evidence | _numbers(recent_decay) | since
    finding = Finding(layer, kind, headline, text, evidence, float(np.mean(same)))
    return with_cut(finding, recent_decay.read, places)


def _of_the_past(layer, past: Earlier, recent_decay, places, evidence):
    """The error is healthy in the last training steps, but was not in many before them."""
    verb, side, bound = ("vanished", "less", VANISHING) if past.is_low else _EXPLODED
    text = (
        f"{verb} {past.when}, the last of them step {past.until:,}: {places.first} received {side} "
        f"than {short(bound)} of {places.of_end} (median: {short(past.typical)}); now "
        f"{places.receives(recent_decay)} ({_basis(evidence)})"
    )
    now = f"now {places.start} gets {short(recent_decay.first_to_last)}"
    evidence = evidence | _numbers(recent_decay) | past.evidence
    headline = f"{verb} {past.when}, {now}"
    finding = Finding(layer, f"{verb} earlier", headline, text, evidence, past.share)
    return with_cut(finding, recent_decay.read, places)


def _of_many_entries(layer, each, recent_decay, places, evidence, which):
    """Errors enter at many steps; say what arrives, and if it is the error of one prediction.

    Args:
        each: see `_of_one_entry`.
        which: "only" if every example has a single prediction; "all" if it has several whose errors
            cannot be separated; None: it is unknown.
    """
    kind = _kind_of_sum(recent_decay)
    kind = "healthy" if kind == "arrives" and which == "only" else kind
    coarse = "vanishing" if kind == "vanishing" else "healthy"
    steps, shares = each
    when, since = _since(steps, np.minimum(shares, 1.0), coarse)
    judgement = "" if kind == "arrives" else f"{kind}{when}; "
    whose = "each example has one prediction, whose " if which == "only" else ""
    arrival = f"{_entries(recent_decay)}, and {places.receives_of_largest(recent_decay)}"
    text = f"{judgement}{whose}{arrival} ({_basis(evidence)})"
    if kind != "arrives" and not math.isnan(recent_decay.rate) and which != "only":
        text += f"; what the recurrence carries back {_verb(recent_decay)}"
    same = [_kind(min(s, 1.0)) == coarse for s in recent_decay.each if not math.isnan(s)]
    headline = over_time(kind, recent_decay, places, evidence)
    evidence = evidence | _numbers(recent_decay) | since
    evidence |= {"prediction": which} if which else {}
    finding = Finding(layer, kind, headline, text, evidence, float(np.mean(same)))
    return with_cut(finding, recent_decay.read, places)


def _kind_of_sum(recent_decay: Decay) -> str:
    if recent_decay.first_to_last < VANISHING:
        return "vanishing"
    if _explodes(recent_decay):
        return "exploding"
    return "healthy" if recent_decay.carried_over >= VANISHING else "arrives"


def _explodes(recent_decay: Decay) -> bool:
    """Whether the error at the first step read is too large for one that was injected there."""
    known = not math.isnan(recent_decay.first_to_injected)
    growth = recent_decay.first_to_injected if known else recent_decay.carried_over
    return growth > EXPLODING


def _of_probe(layer, arrives, places_of_all, evidence, backwards, probe):
    """Errors enter at many steps; the error of one prediction alone shows how far it reaches."""
    measured = probe.decay(backwards)
    kind = _kind(measured.first_to_last)
    if kind == "exploding" and measured.enters_everywhere and not _explodes(measured):
        kind = "healthy"
    places = name_places(probe.tables, measured.read, backwards)
    whole = places_of_all.receives(arrives)
    text = f"{kind}; {probe_in_words(probe, measured, places)}; in training, {_entries(arrives)}, "
    text += f"and {whole} ({_basis(evidence)})"
    headline = over_time(kind, measured, places, evidence, probe.prediction)
    evidence = evidence | _numbers(measured) | probe.evidence
    evidence["arrives"] = arrives.first_to_last
    same = [_kind(share) == _kind(measured.first_to_last) for share in probe.each(backwards)]
    finding = Finding(layer, kind, headline, text, evidence, float(np.mean(same)))
    return with_cut(finding, measured.read, places)


def _entries(recent_decay: Decay) -> str:
    return f"errors enter at {recent_decay.entries:,} time steps"


def _numbers(measured: Decay) -> dict[str, Any]:
    numbers = {
        "half_life": measured.half_life,
        "first_to_last": measured.first_to_last,
        "of_largest": measured.first_to_largest,
        "of_hidden": measured.of_hidden,
        "entries": measured.entries,
    }
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def _since(steps, shares, kind):
    defined = ~np.isnan(shares)
    agrees = np.array([_kind(share) == kind for share in shares[defined]])
    return since_when(steps[defined], agrees)


def _kind(first_to_last: float) -> str:
    if first_to_last < VANISHING:
        return "vanishing"
    return "exploding" if first_to_last > EXPLODING else "healthy"


def _change(recent_decay: Decay) -> str:
    error = f"the {recent_decay.read.error_name}"
    if math.isnan(recent_decay.rate):
        return f"{error} does not travel back a single step"
    if not recent_decay.is_even:
        return f"{error} changes unevenly going back in time"
    return f"{error} {_verb(recent_decay)}"


def _verb(recent_decay: Decay) -> str:
    if abs(recent_decay.half_life) > 10 * recent_decay.steps:
        return "hardly changes going back in time"
    verb = "halves" if recent_decay.rate < 0 else "doubles"
    return f"{verb} {every_steps(abs(recent_decay.half_life))} going back in time"


def _basis(evidence: Mapping[str, Any]) -> str:
    if evidence["judged"] == evidence["recorded"]:
        return f"median of {evidence['recorded']:,} recorded training steps"
    return (
        f"median of the last {JUDGED_SHARE:.0%} of {evidence['recorded']:,} recorded training steps"
    )
