"""The results of a search: one row per trial, and the folder that holds them.

trials.csv      one row per trial, the best first
best/           the run folder of the best trial, with best.keras at its top
plots/          parallel_coordinates.png, importance.png
*.hparams       the columns of TensorBoard's HParams tab; its rows are in the trials' folders
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import DamagedFile
from .trial_folder import read_result, stored_result, was_interrupted

Row = dict[str, Any]
DAMAGED = "damaged"  # the status of a trial whose result can no longer be read
COLUMNS = ("objective", "parameters", "epochs", "seconds", "status", "verdict", "reason")


def trial_row(trial: Any, folder: Path, values: Mapping[str, Any]) -> Row:
    """Return the results of one trial.

    Args:
        trial: keras-tuner's `Trial`.
        folder: the trial's folder.
        values: the values of the searched settings that are active in the trial.
    """
    has_failed = trial.status != "COMPLETED"
    failure = "interrupted" if was_interrupted(trial.message) else "failed"
    result = read_result(folder) if has_failed else _result_of(folder)
    objective = result.get("objective") or {}
    return {
        "trial": trial.trial_id,
        "score": None if has_failed else result.get("score"),
        "direction": objective.get("direction"),
        "objective": objective.get("name"),
        "status": failure if has_failed else result["status"],
        "values": values,
        "parameters": result.get("parameters"),
        "epochs": result.get("epochs"),
        "seconds": result.get("seconds"),
        "devices": ", ".join(map(str, result.get("devices", []))),
        "verdict": " | ".join(result.get("verdict", [])),
        "reason": trial.message if has_failed else result.get("reason"),
    }


def _result_of(folder: Path) -> dict[str, Any]:
    """Return the result of a trial that has one; if it is damaged, a result that says so."""
    try:
        return stored_result(folder)
    except DamagedFile as error:
        return {"status": DAMAGED, "reason": f"{error.path.name}: {error.reason}"}


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Return the trials that have a score, the best first, the earlier of two equal ones first."""
    sign = {"max": -1, "min": 1}
    scored = [row for row in rows if row["score"] is not None]
    return sorted(scored, key=lambda row: (sign[row["direction"]] * row["score"], row["trial"]))


def varied_settings(space: Iterable[str], rows: Iterable[Row]) -> list[str]:
    """Return the searched settings in which trials differ; of a single trial, all of them."""
    values = [row["values"] for row in rows]
    return [
        name
        for name in space
        if len({str(trial.get(name)) for trial in values}) > 1 or len(values) == 1
    ]


def trials_table(space: Iterable[str], rows: Sequence[Row]) -> list[Row]:
    """Return the rows of trials.csv: the best trial first, failed trials last."""
    names = varied_settings(space, rows)
    best_first = ranked(rows)
    failed = [row for row in rows if row["score"] is None]
    table = []
    for rank, row in enumerate([*best_first, *failed], start=1):
        place = None if row["score"] is None else rank
        values = {name: row["values"].get(name) for name in names}
        head = {"rank": place, "trial": row["trial"], "score": row["score"]}
        table.append(head | values | {name: row[name] for name in COLUMNS})
    return table
