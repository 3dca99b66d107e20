"""`errorflow runs`: list the runs with their figures, compare some, or show the findings of one.

A damaged run is shown with what is wrong with it; it does not hide the others.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from ...callbacks.findings.finding import short
from ..core.config import Section
from ..core.console import is_muted, note, print_table, say, shorten, suggestion
from ..core.errors import DamagedFile, UserError
from ..core.flags import parse_flags
from ..core.run_config import stored_settings
from ..core.run_folder import RunFolder, read_history
from ..core.run_group import rows_of
from ..core.run_results import figure_in_words, headline_of, named_figures
from ..core.run_selection import existing_runs, has_model, pick_run
from ..registry import all_tasks, is_task
from .group_json import comparison
from .group_tests import sentences_of
from .groups import comparable_groups, groups_of, named_apart, pick_group
from .run_findings import FindingsConfig, show_findings

DAMAGED = "damaged"  # the row of a run's figures that says what is wrong with its files


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListConfig(Section):
    """List all runs with their figures, the latest last.

    `errorflow runs compare A B` shows runs side by side, `errorflow runs findings A` what the
    records of a run show and what may help.
    """

    run_dir: Path = Path("runs")
    """Folder of all runs."""
    task: str | None = None
    """Only the runs of this task."""

    def check(self) -> None:
        if self.task is not None and not is_task(self.task):
            closest = suggestion(self.task, all_tasks())
            raise UserError(f"--task {self.task!r}: no such task{closest}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(Section):
    """Show runs side by side: their figures, and where their configurations differ."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Names of the runs, NAME or TASK/NAME (default: the two latest runs). With --group, of the
    groups or of one run in each (default: all groups with the task and data of the latest one)."""
    group: bool = False
    """Compare groups: runs of the same settings and data with different seeds. Shows the mean of
    each figure with its 95 % interval, the findings, and which group is better, by a paired test
    over the common seeds."""
    json: bool = False
    """With --group: print one JSON object: groups, settings, tests and sentences."""
    run_dir: Path = Path("runs")
    """Folder of all runs."""

    def check(self) -> None:
        if self.json and not self.group:
            raise UserError("--json shows groups: give --group, too")


def command(arguments: list[str]) -> None:
    """Run `runs`, `runs compare` or `runs findings`."""
    verb, *flags = arguments or [""]
    if verb == "compare":
        config = parse_flags(CompareConfig, flags, "errorflow runs compare")
        config.check()
        (compare_groups if config.group else compare)(config)
    elif verb == "findings":
        show_findings(parse_flags(FindingsConfig, flags, "errorflow runs findings"))
    else:
        config = parse_flags(ListConfig, arguments, "errorflow runs")
        config.check()
        show(config)


def show(config: ListConfig) -> None:
    """Print a line per run."""
    runs = existing_runs(config.run_dir, config.task, replacements=True)
    figures = [figures_of(run) for run in runs]
    tests = list(dict.fromkeys(key for row in figures for key in row if key.startswith("test ")))
    columns = ["status", "epochs", *tests, "seconds", "parameters", "started"]
    columns += [DAMAGED] * any(DAMAGED in row for row in figures)
    rows = [
        [run.title, *(row.get(c, "") for c in columns)]
        for run, row in zip(runs, figures, strict=True)
    ]
    print_table(["run", *columns], rows)


def compare(config: CompareConfig) -> None:
    """Print a column per run: figures first, then the settings that differ."""
    every_run = existing_runs(config.run_dir, None)
    runs = [pick_run(name, every_run) for name in config.names] or every_run[-2:]
    if len(runs) < 2:
        raise UserError("errorflow runs compare: two runs are needed; `errorflow runs` lists them")
    print_table(["", *(run.name for run in runs)], side_by_side([figures_of(r) for r in runs]))
    _print_differing_settings(runs, {run: run.name for run in runs})


def compare_groups(config: CompareConfig) -> None:
    """Print a column per group, the settings that differ, and what tests say about the figures."""
    groups = groups_of(existing_runs(config.run_dir, None, replacements=True))
    chosen = [*{id(g): g for g in (pick_group(n, groups) for n in config.names)}.values()]
    chosen = named_apart(chosen or comparable_groups(groups))
    if config.json:
        if not is_muted():
            print(json.dumps(comparison(chosen), ensure_ascii=False, indent=2))
        return
    print_table(["", *(group.name for group in chosen)], side_by_side([*map(rows_of, chosen)]))
    for group in chosen:
        if group.others:
            others = ", ".join(shorten([run.name for run in group.others]))
            note(f"left out of {group.name}: {others}, of a seed that another run has")
    firsts = {group.first: group.name for group in chosen}
    if len(chosen) > 1:
        _print_differing_settings([*firsts], firsts, apart={"seed"})
    for sentence in sentences_of(chosen):
        say(sentence)


def _print_differing_settings(
    runs: Sequence[RunFolder], names: Mapping[RunFolder, str], apart: Collection[str] = ()
) -> None:
    """Print the settings in which runs differ, below the name of each.

    Args:
        apart: settings that are not printed.
    """
    settings = settings_of(runs)
    differing = [row for row in side_by_side([*settings.values()]) if len(set(row[1:])) > 1]
    differing = [row for row in differing if row[0] not in apart]
    if differing:
        print_table(["config", *(names[run] for run in settings)], differing)
    elif len(settings) > 1:
        say("the configurations are the same")


def figures_of(run: RunFolder) -> dict[str, str]:
    """Return the figures of a run as text; the row `DAMAGED` says what is wrong with its files."""
    if (damage := run.damage) is not None:
        return {"status": run.status, DAMAGED: damage}
    results, (epochs, problem) = run.results(), _epochs(run)
    best = f" (best {results['best_epoch']})" if "best_epoch" in results else ""
    row = {
        "status": run.status,
        "epochs": f"{epochs}{best}",
        "seconds": f"{results['seconds']:.0f}" if "seconds" in results else "",
        "parameters": f"{results['parameters']:,}" if "parameters" in results else "",
        "started": results.get("started", "")[:16].replace("T", " "),
    }
    if (share := results.get("error_over_depth")) is not None:
        row["error, first layers to last"] = short(share)
    for finding in results.get("findings", ()):
        title, headline = f"finding {finding['layer']}".strip(), headline_of(finding)
        row[title] = f"{row[title]}; {headline}" if title in row else headline
    row |= {name: figure_in_words(value) for name, value in named_figures(results).items()}
    if run.status == "finished" and not has_model(run):
        problem = problem or f"{run.best.name}: missing or incomplete"
    return row | ({DAMAGED: problem} if problem else {})


def _epochs(run: RunFolder) -> tuple[str, str]:
    """Return the number of epochs in history.csv, and what is wrong with it, if anything."""
    try:
        history, epochs = read_history(run), run.results().get("epochs", 0)
    except DamagedFile as error:
        return "?", f"{error.path.name}: {error.reason}"
    is_short = run.status == "finished" and len(history) < epochs
    lost = f"{len(history)} of {epochs} epochs" if history else "missing"
    return str(len(history)), f"{run.history_file.name}: {lost}" if is_short else ""


def settings_of(runs: Sequence[RunFolder]) -> dict[RunFolder, dict[str, str]]:
    """Return the settings of each run as text; say of which runs they cannot be read."""
    settings = {}
    for run in runs:
        try:
            settings[run] = {key: str(value) for key, value in stored_settings(run).items()}
        except UserError as error:
            note(str(error))
    return settings


def side_by_side(columns: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Return rows [key, value in each column] for every key that any column has."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [[key, *(column.get(key, "") for column in columns)] for key in keys]
