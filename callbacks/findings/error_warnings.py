"""Warnings about the error over time while a model trains: pure functions; see `Scope`."""

import numpy as np

from ..recording.tables import Tables
from .decay import Decay, decay
from .error_flow import EXPLODING, VANISHING
from .finding import every_steps, short
from .places import Places, name_places
from .training_warning import Scope, TrainingWarning
from .truncation import truncation_of
from .unjudged_error import MIN_TIME_STEPS


def error_warnings(
    layer: str, tables: Tables, backwards: bool | None, scope: Scope
) -> list[TrainingWarning]:
    """Return whether the error of a layer vanishes or explodes over time.

    Only layers that errors enter at one time step are judged. Where an error enters at many, as
    with a loss at each step, a short range of each is no fault by itself.

    Args:
        layer: its path.
        tables: an entry of `ErrorFlow.history` of the latest `scope.rows` rows.
        backwards: whether the layer reads its input from the last step to the first; None: unknown.
        scope: what is judged.
    """
    tables = _judged(tables)
    recent = scope.recent(tables["step"])
    if recent is None or not scope.has_settled(tables["step"]):
        return []
    tables = _rows(tables, recent)
    measured = decay(tables, backwards)
    kind = _kind(measured)
    if not kind or (kind, layer) in scope.known:
        return []
    evidence = {
        "first_to_last": measured.first_to_last,
        "half_life": measured.half_life,
        "judged": len(tables["step"]),
        "since": int(tables["step"][0]),
        "lstm": "cell" in tables,
        **truncation_of(measured.read),
    }
    places = name_places(tables, measured.read, backwards)
    return [TrainingWarning(kind, (layer,), _text(layer, measured, places), evidence, kind)]


def error_kind(tables: Tables, backwards: bool | None) -> str:
    """Return "vanishing" or "exploding" if every row shows it, otherwise ""."""
    tables = _judged(tables)
    return _kind(decay(tables, backwards)) if len(tables["step"]) else ""


def _judged(tables):
    """The rows without those that are not finite or that the loss scale skipped."""
    finite = np.all(np.isfinite(tables["hidden"]) | ~(tables["valid"] > 0), axis=1)
    return _rows(tables, finite & ~np.asarray(tables["skipped"], bool))


def _rows(tables, chosen):
    return {name: table[chosen] for name, table in tables.items() if np.ndim(table)}


def _kind(measured: Decay) -> str:
    shares = measured.each
    if measured.enters_everywhere or measured.steps < MIN_TIME_STEPS:
        return ""
    if (shares < VANISHING).all():  # false for NaN
        return "vanishing"
    return "exploding" if (shares > EXPLODING).all() else ""


def _text(layer: str, measured: Decay, places: Places) -> str:
    share, count = measured.first_to_last, len(measured.each)
    limit = f"less than {short(VANISHING)}" if share < 1 else f"more than {EXPLODING:,.0f}"
    text = f"{layer}: {places.receives(measured)}, and {limit} in each of the last {count:,} "
    text += "recorded steps"
    if 0 < abs(measured.half_life) < measured.steps:
        verb = "halves" if measured.half_life > 0 else "doubles"
        text += f"; it {verb} {every_steps(abs(measured.half_life))} back in time"
    return text
