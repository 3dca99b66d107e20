"""The headlines of findings on the error over time."""

import math
from collections.abc import Mapping
from typing import Any

from .decay import Decay
from .finding import counted, half_life_in_words, short
from .places import Places


def over_time(
    kind: str,
    measured: Decay,
    places: Places,
    evidence: Mapping[str, Any],
    prediction: str | None = None,
) -> str:
    """Return "vanishing, half-life 3.1 steps, step 1 gets 2e-4".

    Args:
        kind: the kind of the finding.
        measured: the decay that led to it.
        places: the words for the first and the last step.
        evidence: with "not_finite", the number of training steps that overflowed, if there are any.
        prediction: the prediction whose error it is, "first" or "last"; None: of all together.
    """
    judgement = "range unknown" if kind == "arrives" else kind
    change = "" if kind == "healthy" or measured.enters_everywhere else _change(measured)
    arrival, of = _arrival(measured, places), _of(measured, places, prediction)
    if overflows := evidence.get("not_finite"):
        return f"{judgement}, {arrival}, {counted(overflows, 'overflow')}"
    if change or not measured.first_to_last:
        return ", ".join(filter(None, (judgement, change, arrival)))
    return f"{judgement}, {arrival}{of}"


def _arrival(measured: Decay, places: Places) -> str:
    """Return "step 1 gets 2e-4"."""
    share = measured.first_to_last
    if not share:
        return "nothing measurable arrives"
    return f"{places.start} gets {short(share)}{'×' if share >= 1 else ''}"


def _of(measured: Decay, places: Places, prediction: str | None) -> str:
    """Return what the share is a share of: " of the last step's cell error"."""
    of = " of" if measured.first_to_last < 1 else ""
    if prediction is not None:
        return f"{of} the {prediction} prediction's error"
    error = measured.read.error_name
    if places.entry:
        return f"{of} the {error} {'at the end' if measured.enters_everywhere else 'that enters'}"
    return f"{of} the last {'step' if places.start.startswith('step') else 'one'}'s {error}"


def _change(measured: Decay) -> str:
    if math.isnan(measured.rate):
        return "does not travel back a step"
    return half_life_in_words(measured.half_life, measured.steps) if measured.is_even else "uneven"
