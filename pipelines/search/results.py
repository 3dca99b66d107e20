"""What one gets of a search: lines as it goes on, a table, pictures, and the best model.

trials.csv      a row for each trial, the best first
best/           the run folder of the best trial, with best.keras at its top
plots/          parallel_coordinates.png, importance.png
*.hparams.*     for TensorBoard's tab HParams, whose rows are the trials' own
"""

import math
import shutil
import time
from collections.abc import Sequence
from typing import Any

from ..core.console import note, print_table
from ..core.errors import UserError
from ..core.files import write_rows
from ..core.run_folder import RunFolder
from ..core.space import Choice, Range, size
from .config import Search
from .trial import NO_OBJECTIVE
from .trial_folder import read_result

Row = dict[str, Any]
SHOWN = 20  # rows of the table on the screen
FIGURES = ("objective", "parameters", "epochs", "seconds", "status", "verdict", "reason")


class Results:
    """Follows a search.

    Args:
        search: what is searched.
        oracle: what knows of the trials.
    """

    def __init__(self, search: Search, oracle: Any):
        self.search, self.oracle = search, oracle
        self.told, self.done_before = len(oracle.end_order), len(oracle.end_order)
        self.began = time.monotonic()
        self.known: dict[str, Row] = {id_: self._row(id_) for id_ in oracle.end_order}

    # As it goes on

    def announce(self) -> None:
        """What is to come."""
        search, count, most = self.search, size(self.search.space), self.oracle.max_trials
        many = "no end of" if math.isinf(count) else f"{count:,}"
        note(
            f"searching {len(search.space)} keys, {many} combinations, by {search.told.oracle}"
            f"{f', {most} trials at most' if most else ''}; files go to {search.project}"
        )
        if self.done_before:
            note(f"going on after {self.done_before} finished trials")

    def tell_news(self) -> None:
        """A line for each trial that was finished since; keeps table and best model up to date."""
        news = list(self.oracle.end_order[self.told :])
        for trial_id in news:
            row = self.known[trial_id] = self._row(trial_id)
            self._check_objective(row)
            self.told += 1
            print(self._line(row), flush=True)
        if news:
            self._keep()

    def _check_objective(self, row: Row) -> None:
        """A figure that one trial does not have, none will."""
        if all(str(one["reason"]).startswith(NO_OBJECTIVE) for one in self.known.values()):
            raise NoObjective(f"--objective: {row['reason']}")

    def _line(self, row: Row) -> str:
        best = self._ranked()[:1]
        parts = [f"trial {row['trial']} {row['status']}"]
        if row["score"] is not None:
            parts.append(f"{row['objective']} {row['score']:.4g} in {row['epochs']} epochs")
        else:
            parts.append(str(row["reason"]))
        if best:
            parts.append(f"best {best[0]['score']:.4g} (trial {best[0]['trial']})")
        parts.append(f"{self.told} done{self._left()}")
        if row["devices"]:
            parts.append(row["devices"])
        return "  ".join(parts)

    def _left(self) -> str:
        """How many trials and minutes are to come, where that can be told."""
        most = min(self.oracle.max_trials or math.inf, self.oracle.of_all(size(self.search.space)))
        left = most - self.told
        if math.isinf(left) or left <= 0:
            return ""
        each = (time.monotonic() - self.began) / (self.told - self.done_before)
        return f" of {most}, about {math.ceil(each * left / 60)} min left"

    # What is known

    def _row(self, trial_id: str) -> Row:
        """One trial, for tables; empty cells are None."""
        trial = self.oracle.trials[trial_id]
        result = read_result(self.search.folder(trial_id))
        failed = trial.status != "COMPLETED"
        return {
            "trial": trial_id,
            "score": None if failed else result.get("score"),
            "direction": (result.get("objective") or {}).get("direction"),
            "objective": (result.get("objective") or {}).get("name"),
            "status": "failed" if failed else result.get("status", "completed"),
            "values": self.search.drawn(trial.hyperparameters),
            "parameters": result.get("parameters"),
            "epochs": result.get("epochs"),
            "seconds": result.get("seconds"),
            "devices": ", ".join(map(str, result.get("devices", []))),
            "verdict": " | ".join(result.get("verdict", [])),
            "reason": trial.message if failed else result.get("reason"),
        }

    def _ranked(self) -> list[Row]:
        """Those with a score, the best first; of equals the earlier."""
        scored = [row for row in self.known.values() if row["score"] is not None]
        sign = {"max": -1, "min": 1}
        return sorted(scored, key=lambda row: (sign[row["direction"]] * row["score"], row["trial"]))

    def table(self) -> list[Row]:
        """A row for each trial, the best first, those that failed last."""
        ranked = self._ranked()
        failed = [row for row in self.known.values() if row["score"] is None]
        rows = []
        for rank, row in enumerate([*ranked, *failed], start=1):
            values = {key: row["values"].get(key) for key in self.varied()}
            place = None if row["score"] is None else rank
            head = {"rank": place, "trial": row["trial"], "score": row["score"]}
            rows.append(head | values | {key: row[key] for key in FIGURES})
        return rows

    def varied(self) -> list[str]:
        """The keys in which trials differ."""
        rows = [row["values"] for row in self.known.values()]
        return [
            key
            for key in self.search.space
            if len({str(values.get(key)) for values in rows}) > 1 or len(rows) == 1
        ]

    # What is kept

    def _keep(self) -> None:
        """The table, the best model, and no checkpoint that is needed no more."""
        write_rows(self.search.project / "trials.csv", self.table())
        ranked = self._ranked()
        if ranked:
            self._keep_best(ranked[0])
            _write_columns(self.search, ranked)
        if self.search.told.oracle == "hyperband" and not self.oracle.done:
            return  # a later round may go on with any of them
        kept = {row["trial"] for row in ranked[: self.search.told.keep]}
        for trial_id in self.known:
            if trial_id not in kept:
                for run in self.search.folder(trial_id).glob("run*"):
                    shutil.rmtree(RunFolder(run).path / "checkpoints", ignore_errors=True)

    def _keep_best(self, row: Row) -> None:
        """best/ as a copy of the best trial's run; never half of one."""
        best, run = (
            self.search.project / "best",
            RunFolder(self.search.folder(row["trial"]) / "run"),
        )
        if RunFolder(best).results().get("trial") == row["trial"]:
            return
        new = best.with_name(".new-best")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(
            run.path, new, ignore=shutil.ignore_patterns("backup", "last.keras", "logs")
        )
        RunFolder(new).update(trial=row["trial"], task=self.search.task.name, name="best")
        shutil.copyfile(RunFolder(new).best, new / "best.keras")
        old = best.with_name(".old-best")
        shutil.rmtree(old, ignore_errors=True)
        if best.exists():
            best.rename(old)
        new.rename(best)
        shutil.rmtree(old, ignore_errors=True)

    # In the end

    def tell_all(self) -> None:
        """The table and how to go on, on stdout; and the pictures."""
        from . import plots as search_plots

        self._keep()  # also what a kill has left undone
        rows = self.table()
        objective = next((row["objective"] for row in rows if row["objective"]), "score")
        hidden = {"objective", "verdict", "reason"}
        columns = [key for key in rows[0] if key not in hidden] if rows else []
        print_table(
            [*(objective if key == "score" else key for key in columns), "error flow"],
            [[*(_cell(row[key]) for key in columns), _short(row)] for row in rows[:SHOWN]],
        )
        if len(rows) > SHOWN:
            print(f"and {len(rows) - SHOWN} more in trials.csv")
        ranked = self._ranked()
        search_plots.write(self.search, ranked, self.varied())
        print(f"{self.oracle.ending}; files: {self.search.project}")
        if not ranked:
            raise UserError(f"no trial has a score; the reasons: {self.search.project}/trials.csv")
        print("next:")
        task, best = self.search.task.name, self.search.project / "best"
        for line in (
            f"errorflow {task} train --config {best / 'config.yaml'}",
            f"errorflow {task} predict --run {best} ...",
            f"errorflow {task} evaluate --run {best}",
            f"errorflow tensorboard --run-dir {self.search.project}",
        ):
            print(f"  {line}")


class NoObjective(UserError):
    """No trial of the search can have a score."""


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _short(row: Row) -> str:
    """The beginning of why a trial ended, or else of its verdict."""
    text = str(row["reason"] or row["verdict"])
    return text if len(text) <= 60 else f"{text[:57]}..."


def _write_columns(search: Search, ranked: Sequence[Row]) -> None:
    """Tells the tab HParams which columns there are, so that it shows those of all trials."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    names = list(dict.fromkeys(row["objective"] for row in ranked))
    known = [*search.project.glob("*.hparams")]
    if len(known) == 1 and known[0].name.endswith(f"{len(names)}.hparams"):
        return
    for old in known:
        old.unlink()
    metrics = [api.Metric(name) for name in names]
    writer = tf.summary.create_file_writer(
        str(search.project), filename_suffix=f".{len(names)}.hparams"
    )
    with writer.as_default(step=0):
        keys = [api.HParam(key, _domain(given)) for key, given in search.space.items()]
        api.hparams_config(keys, metrics)
    writer.close()


def _domain(given: Choice | Range) -> Any:
    """As HParams writes it; None where values are of several types, which it cannot say."""
    from tensorboard.plugins.hparams import api

    if isinstance(given, Range):
        whole = isinstance(given.low, int)
        return (api.IntInterval if whole else api.RealInterval)(given.low, given.high)
    kinds = {type(value) for value in given.values}
    alike = len(kinds) == 1 and kinds <= {bool, int, float, str}
    return api.Discrete([*given.values]) if alike else None
