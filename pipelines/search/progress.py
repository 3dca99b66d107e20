"""The results of a search: reported while it runs and at its end, and kept in its folder.

trials.csv      one row per trial, the best first
best/           the run folder of the best trial, with best.keras at its top
plots/          parallel_coordinates.png, importance.png
*.hparams       the columns of TensorBoard's HParams tab; its rows are in the trials' folders
"""

import math
import time
from typing import TYPE_CHECKING, Any

from ...callbacks.findings.finding import counted
from ..core.console import note, print_table, say
from ..core.errors import UserError
from ..core.files import write_rows
from ..core.shell import shell_flag
from ..core.space import size
from .hparams import write_columns
from .kept_models import copy_best, delete_checkpoints
from .plan import SearchPlan
from .results import DAMAGED, Row, ranked, trial_row, trials_table, varied_settings
from .trial_folder import NO_OBJECTIVE

if TYPE_CHECKING:
    from .durable_oracle import DurableOracle

MAX_ROWS = 20  # of the table on the screen
HIDDEN = {"objective", "verdict", "reason"}  # columns of trials.csv that the screen does not show


class NoObjective(UserError):
    """No trial of the search can have a score."""


class Progress:
    """Reports the progress of a search, and updates its folder.

    Args:
        plan: the plan of the search.
        oracle: knows which trials are finished.
    """

    def __init__(self, plan: SearchPlan, oracle: "DurableOracle"):
        self.plan, self.oracle = plan, oracle
        self.trials_file = plan.project / "trials.csv"
        self.rows: dict[str, Row] = {id_: self._row(id_) for id_ in oracle.end_order}
        self.earlier = len(self.rows)  # trials that were finished before this call
        self.began = time.monotonic()

    def _row(self, trial_id: str) -> Row:
        trial = self.oracle.trials[trial_id]
        values = self.plan.trial_values(trial.hyperparameters)
        return trial_row(trial, self.plan.trial_folder(trial_id), values)

    # While the search runs

    def report_start(self) -> None:
        """Print what is searched, and how."""
        plan, combinations, limit = self.plan, size(self.plan.space), self.oracle.max_trials
        if plan.fixed:
            values = ", ".join(f"{key} {value}" for key, value in plan.fixed.items())
            note(f"not searched, since flags fix them: {values}")
        several = sum(d.values is None or len(d.values) > 1 for d in plan.space.values())
        number = "infinitely many" if math.isinf(combinations) else f"{combinations:,}"
        note(
            f"searching {counted(several, 'setting')}, {number} combinations,"
            f" by {plan.settings.oracle}{f', at most {limit} trials' if limit else ''};"
            f" files: {plan.project}"
        )
        if self.earlier:
            note(f"resuming after {self.earlier} finished trials")

    def report_new_trials(self) -> None:
        """Print a line about each trial that has finished; update the table and the best model.

        Raises:
            NoObjective: no trial can have a score.
        """
        new_trials = list(self.oracle.end_order[len(self.rows) :])
        for trial_id in new_trials:
            self.rows[trial_id] = self._row(trial_id)
            self._check_objective()
            say(self._line(self.rows[trial_id]))
        if new_trials:
            self._write()

    def _check_objective(self) -> None:
        """Raise `NoObjective` if all trials have failed because they have no such metric."""
        reasons = [str(row["reason"]) for row in self.rows.values()]
        if all(reason.startswith(NO_OBJECTIVE) for reason in reasons):
            raise NoObjective(f"--objective: {reasons[-1]}")

    def _line(self, row: Row) -> str:
        parts = [f"trial {row['trial']} {row['status']}"]
        if row["score"] is None:
            parts.append(str(row["reason"]))
        else:
            epochs = counted(row["epochs"], "epoch")
            parts.append(f"{row['objective']} {row['score']:.4g} in {epochs}")
        for best in ranked(self.rows.values())[:1]:
            parts.append(f"best {best['score']:.4g} (trial {best['trial']})")
        parts.append(f"{len(self.rows)} done{self._remaining()}")
        return "  ".join([*parts, row["devices"]]).rstrip()

    def _remaining(self) -> str:
        """Return the number of trials and the estimated time that remain; empty if unknown."""
        available = self.oracle.trials_in_total(size(self.plan.space))
        total = min(self.oracle.max_trials or math.inf, available)
        remaining = total - len(self.rows)
        if math.isinf(remaining) or remaining <= 0:
            return ""
        seconds = (time.monotonic() - self.began) / (len(self.rows) - self.earlier)
        return f" of {total}, about {math.ceil(seconds * remaining / 60)} min left"

    def _write(self) -> None:
        """Write the table, best/ and TensorBoard's columns; delete models that are not kept."""
        plan, best_first = self.plan, ranked(self.rows.values())
        damaged = {id_ for id_, row in self.rows.items() if row["status"] == DAMAGED}
        write_rows(self.trials_file, self.table())
        if best_first:
            copy_best(plan, [row["trial"] for row in best_first], damaged)
            objectives = list(dict.fromkeys(row["objective"] for row in best_first))
            write_columns(plan.project, plan.space, objectives)
        if plan.settings.oracle == "hyperband" and not self.oracle.done:
            return  # a later round may continue any of them
        goes_on = {id_ for id_, row in self.rows.items() if row["status"] == "interrupted"}
        kept = damaged | goes_on | {row["trial"] for row in best_first[: plan.settings.keep]}
        delete_checkpoints(plan, self.rows, kept)

    def table(self) -> list[Row]:
        """Return the rows of trials.csv."""
        return trials_table(self.plan.space, list(self.rows.values()))

    def best_figures(self) -> dict[str, float]:
        """Return {"best_val_accuracy": …}, the score of the best trial so far; empty: none has."""
        best = ranked(self.rows.values())[:1]
        return {f"best_{row['objective']}": row["score"] for row in best}

    # At the end

    def report_end(self) -> None:
        """Print the table and the next commands; draw the plots.

        Raises:
            UserError: no trial has a score.
        """
        from . import plots

        self._write()  # a killed process may not have done so
        self._print_table()
        best_first, rows = ranked(self.rows.values()), self.rows.values()
        plots.write(self.plan, best_first, varied_settings(self.plan.space, rows))
        say(f"{self.oracle.ending}; files: {self.plan.project}")
        if not best_first:
            raise UserError(f"no trial has a score; for the reasons see {self.trials_file}")
        self._print_next_commands()

    def _print_table(self) -> None:
        table = self.table()
        objective = next((row["objective"] for row in table if row["objective"]), "score")
        columns = [name for name in table[0] if name not in HIDDEN] if table else []
        head = [objective if name == "score" else name for name in columns]
        cells = [
            [*(_cell(row[name]) for name in columns), _comment(row)] for row in table[:MAX_ROWS]
        ]
        print_table([*head, "error flow"], cells)
        if len(table) > MAX_ROWS:
            say(f"and {len(table) - MAX_ROWS} more in trials.csv")

    def _print_next_commands(self) -> None:
        task, best = self.plan.task.name, self.plan.project / "best"
        say("next:")
        for command in (
            f"errorflow {task} train {shell_flag('--config', best / 'config.yaml')}",
            f"errorflow {task} predict {shell_flag('--run', best)} ...",
            f"errorflow {task} evaluate {shell_flag('--run', best)}",
            f"errorflow tensorboard {shell_flag('--run-dir', self.plan.project)}",
        ):
            say(f"  {command}")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _comment(row: Row) -> str:
    """Return the beginning of the reason why a trial was stopped, or else of its verdict."""
    text = str(row["reason"] or row["verdict"])
    return text if len(text) <= 60 else f"{text[:57]}..."
