"""The verbs `train`, `evaluate` and `export` of the command line, the same for every task."""

import dataclasses
import functools
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..core.cluster import training_cluster
from ..core.config import RunChoice, TrainingConfig
from ..core.console import complain, note, print_table, say
from ..core.phases import phase
from ..core.run_config import run_config
from ..core.run_folder import RunFolder
from ..core.run_results import figures_in_words
from ..core.run_selection import choose_run
from ..datasets.listing import printable
from .task import RunVerbConfig, Task, Verb


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig(RunVerbConfig):
    """Which run, and on which split."""

    split: Literal["test", "validation", "train"] = "test"
    """Split of the run's data."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig(RunVerbConfig):
    """Which run, and to which formats."""

    format: str | None = None
    """keras, saved_model, onnx, litert, separated by commas (default: keras,saved_model; with
    --check: those in the folder)."""
    to: Path | None = None
    """Folder of the exported files (default: export/ in the run folder)."""
    int8: bool = True
    """Also write LiteRT files in int8, and measure what they lose; this needs the data of the
    run."""
    check_file: Annotated[Path | None, tyro.conf.arg(name="check")] = None
    """Export nothing; answer the inputs of this file or folder, as `predict` takes them, by each
    exported format and compare. The exit code is 1 if an answer differs."""


def verbs_of(task: Task) -> dict[str, Verb]:
    """Return the verbs of a task by name, except `train` and `tune`."""
    shared = [
        Verb(
            "evaluate",
            task.evaluate_about,
            EvaluateConfig,
            functools.partial(evaluate, task),
        ),
        Verb(
            "export",
            "Export a trained network to other formats, each checked against the original.",
            ExportConfig,
            functools.partial(export, task),
        ),
    ]
    return {verb.name: verb for verb in (*shared, *task.verbs)}


def train(task: Task, config: TrainingConfig, resume: RunFolder | None = None) -> None:
    """Train a network, and print its results and what to do next; of several workers, one does."""
    from . import workflow

    run = workflow.train(task, config, resume)
    if not training_cluster(config.hardware.strategy).is_chief:
        return
    from .summary import print_results  # late: by now Keras is loaded, without its messages

    own = [line.format(run=run.flags) for line in task.next_commands]
    flag = run.run_dir_flag
    print_results(run, [*own, f"errorflow runs{flag}", f"errorflow tensorboard{flag}"])


def evaluate(task: Task, config: EvaluateConfig) -> None:
    """Print the figures of a split and, for a classifier, a table per class."""
    run = choose_run(config.run, task.name)
    from . import run_evaluation
    from .workflow import find_before_tensorflow

    found = find_before_tensorflow(task, config_of(task, run), run)
    load_for(run)
    scores = run_evaluation.evaluate(task, run, config.split, found)

    figures = f"{config.split}: {figures_in_words(scores.figures)}"
    if scores.confusion is None:
        say(figures)
        return
    rows = scores.per_class
    cells = [[f"{c:.3f}" if isinstance(c, float) else str(c) for c in row.values()] for row in rows]
    print_table([*rows[0]], cells)
    say(figures)
    say(f"confusion matrix: {run_evaluation.confusion_file(run, config.split)} (and .png)")


def export(task: Task, config: ExportConfig) -> int:
    """Write a trained network in other formats, or check those that are written."""
    from .export import DEFAULT, check_formats, for_int8

    formats = None if config.format is None else check_formats(config.format)
    run = choose_run(config.run, task.name)
    if config.check_file is not None:
        from .export_check import check, read_question

        folder = config.to or run.path / "export"
        question = read_question(task, formats, folder, config.check_file)
        load_for(run)
        return check(task, run, question)
    formats, found = formats or [*DEFAULT], None
    if config.int8 and "litert" in formats:
        from .workflow import find_before_tensorflow

        with for_int8():
            found = find_before_tensorflow(task, config_of(task, run), run)
    load_for(run)
    from . import export_run

    for written in export_run.export(task, run, formats, config.to, config.int8, found):
        difference = f"outputs differ by {written.difference:.0e} at most"
        say(f"{written.format}: {written.path} (read back; {difference})")
        if written.quality:
            print_table([*written.quality[0]], [_cells(row) for row in written.quality])
        if written.left_out:
            complain(f"{written.format}: {written.left_out}")
    return 0


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{cell:.4f}" if isinstance(cell, float) else "" if cell is None else str(cell)
        for cell in row.values()
    ]


def use_run(choice: RunChoice, task: str) -> RunFolder:
    """Return the run that the flags choose; print its path and load TensorFlow."""
    run = choose_run(choice, task)
    load_for(run)
    return run


def load_for(run: RunFolder) -> None:
    """Print the path of a run, and load TensorFlow to use it."""
    from ..core.devices import load_tensorflow

    note(f"using {printable(run.path)}")
    with phase("loading TensorFlow", after=0):
        load_tensorflow()


def config_of(task: Task, run: RunFolder) -> Any:
    """Return the settings that a run was trained with."""
    return run_config(task.config, run).resolved()
