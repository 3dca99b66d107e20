"""Warnings about the error over time while a model trains: pure functions; see `Scope`."""

import numpy as np

from ..recording.tables import Tables
from .decay import decay
from .error_flow import EXPLODING, MIN_TIME_STEPS, VANISHING
from .finding import MIN_STEPS, every_steps, short
from .places import name_places
from .training_warning import Scope, TrainingWarning


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
    finite = np.all(np.isfinite(tables["hidden"]) | ~(tables["valid"] > 0), axis=1)
    tables = _rows(tables, finite & ~np.asarray(tables["skipped"], bool))
    recent = scope.recent(tables["step"])
    if recent is None or not scope.has_settled(tables["step"]):
        return []
    tables = _rows(tables, recent)
    measured = decay(tables, backwards)
    shares = measured.each[~np.isnan(measured.each)]
    if measured.enters_everywhere or measured.steps < MIN_TIME_STEPS or len(shares) < MIN_STEPS:
        return []
    if (shares < VANISHING).all():
        kind, limit = "vanishing", f"less than {short(VANISHING)}"
    elif (shares > EXPLODING).all():
        kind, limit = "exploding", f"more than {EXPLODING:,.0f}"
    else:
        return []
    if (kind, layer) in scope.known:
        return []
    text = f"{layer}: {name_places(tables, measured.read, backwards).receives(measured)}"
    text += f", and {limit} in each of the last {len(shares):,} recorded steps"
    if 0 < abs(measured.half_life) < measured.steps:
        verb = "halves" if measured.half_life > 0 else "doubles"
        text += f"; it {verb} {every_steps(abs(measured.half_life))} back in time"
    evidence = {
        "first_to_last": measured.first_to_last,
        "half_life": measured.half_life,
        "judged": len(shares),
        "since": int(tables["step"][0]),
    }
    return [TrainingWarning(kind, (layer,), text, evidence, kind)]


def _rows(tables, chosen):
    return {name: table[chosen] for name, table in tables.items() if np.ndim(table)}
