"""The run folder: its files, and how they are read and written.

    runs/<task>/<name>/
        config.yaml  environment.json  history.csv  results.json  README.md
        checkpoints/{best,last}.keras  checkpoints/backup/  logs/  plots/  samples/
        explanations/ (of `predict --explain`)

Files are written under a temporary name and renamed, so none is ever incomplete. `run_lifecycle`
begins and ends a run; `run_selection` finds the run that a command uses.
"""

import csv
import dataclasses
from pathlib import Path
from typing import Any

from .errors import DamagedFile, brief
from .files import read_json, read_text, write_json
from .run_lock import holder
from .run_results import problem_of
from .shell import shell_flag, shell_word

NEW, REPLACED = ".new-", ".replaced-"  # see `replacement`


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of a run, finished or not."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the run, also while it is replaced by another one."""
        return self.path.name.removeprefix(NEW).removeprefix(REPLACED)

    @property
    def title(self) -> str:
        """Task and name, and whether the run is to replace another one."""
        return f"{self.task}/{self.name}{' (replacement)' * self.is_replacement}"

    @property
    def is_replacement(self) -> bool:
        """Whether the run is trained beside the one that it replaces."""
        return self.path.name.startswith(NEW)

    @property
    def replacement(self) -> "RunFolder":
        """Where a new run of this name is trained until it is finished."""
        return RunFolder(self.path.parent / f"{NEW}{self.name}")

    @property
    def replaced(self) -> "RunFolder":
        """Where this run is while a new one takes its place."""
        return RunFolder(self.path.parent / f"{REPLACED}{self.name}")

    @property
    def task(self) -> str:
        return self.path.parent.name

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def environment_file(self) -> Path:
        return self.path / "environment.json"

    @property
    def results_file(self) -> Path:
        return self.path / "results.json"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock.json"

    @property
    def best(self) -> Path:
        return self.path / "checkpoints" / "best.keras"

    @property
    def last(self) -> Path:
        return self.path / "checkpoints" / "last.keras"

    @property
    def backup(self) -> Path:
        return self.path / "checkpoints" / "backup"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def left_out_file(self) -> Path:
        return self.path / "left_out.csv"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def explanations(self) -> Path:
        return self.path / "explanations"

    @property
    def flags(self) -> str:
        """The flags that select this run on a command line."""
        return f"--name {shell_word(self.name)}{self.run_dir_flag}"

    @property
    def run_dir_flag(self) -> str:
        """The flag that names the folder of all runs, empty for the default one."""
        run_dir = self.path.parent.parent
        return "" if run_dir == Path("runs") else f" {shell_flag('--run-dir', run_dir)}"

    def results(self) -> dict[str, Any]:
        """Return the content of results.json; empty if the file does not exist yet.

        Raises:
            DamagedFile: it holds something else, or a value of another type.
        """
        results = read_json(self.results_file)
        problem = problem_of(results) if results or self.results_file.exists() else None
        if problem is not None:
            raise DamagedFile(self.results_file, problem)
        return results

    @property
    def damage(self) -> str | None:
        """Why the run cannot be used: a file is missing or damaged; None: it can be used."""
        try:
            self.path.stat()
            self.results()
            sizes = {
                file.name: file.stat().st_size for file in (self.results_file, self.config_file)
            }
        except DamagedFile as error:
            return f"{error.path.name}: {error.reason}"
        except OSError as error:
            return f"{Path(error.filename).name}: {error.strerror}"
        return next((f"{name}: empty" for name, size in sizes.items() if not size), None)

    def update(self, **figures: Any) -> None:
        """Add figures to results.json."""
        write_json(self.results_file, self.results() | figures)

    @property
    def status(self) -> str:
        """running, finished, interrupted (also if its process was killed), failed or damaged."""
        if self.damage is not None:
            return "damaged"
        status = self.results()["status"]
        is_dead = status == "running" and holder(self.lock_file) is None
        return "interrupted" if is_dead else status


def kept_in_words(run: RunFolder) -> str:
    """Return what stays usable of a run that can no longer be written, and what to do."""
    if not run.path.is_dir():
        return (
            f"{run.path} has been removed or renamed; under its old name, --resume goes on after"
            " its last complete epoch"
        )
    if not run.best.exists():
        return "no epoch was complete"
    return (
        f"{run.best} stays usable; make room, or let the folder be written, and --resume goes on"
        " after the last complete epoch"
    )


def read_history(run: RunFolder) -> list[dict[str, int | float]]:
    """Read history.csv: one mapping per epoch; empty if the file does not exist.

    Raises:
        DamagedFile: it is no table of numbers, or its last line was cut.
    """
    try:
        text = read_text(run.history_file)
    except FileNotFoundError:
        return []
    reader, rows = csv.DictReader(text.splitlines(), restkey=""), []
    try:
        rows.extend({key: _number(key, cell) for key, cell in row.items()} for row in reader)
    except (ValueError, csv.Error) as error:
        reason = f"line {max(reader.line_num, 1)}: {error}"
        raise DamagedFile(run.history_file, reason) from None
    if not text.endswith("\n"):
        raise DamagedFile(run.history_file, "its last line was cut" if text else "empty")
    if [row.get("epoch") for row in rows] != [*range(1, len(rows) + 1)]:
        raise DamagedFile(run.history_file, "its epochs are not 1, 2, 3 and so on")
    return rows


def _number(key: str, cell: Any) -> int | float:
    """Return the number in a cell of history.csv."""
    if not key or cell is None:
        raise ValueError("the number of cells is not that of the first line")
    try:
        return int(cell) if key == "epoch" else float(cell)
    except ValueError:
        raise ValueError(f"{brief(cell)} at {brief(key)} is no number") from None
