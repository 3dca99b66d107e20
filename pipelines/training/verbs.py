"""The verbs `train`, `evaluate` and `export` of the command line, the same for every task."""

import dataclasses
import functools
from pathlib import Path
from typing import Any, Literal

from ..core.cluster import training_cluster
from ..core.config import RunChoice, TrainingConfig
from ..core.console import note, print_table, say
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

    format: str = "keras,saved_model"
    """keras, saved_model, onnx, separated by commas."""
    to: Path | None = None
    """Folder to write to (default: export/ in the run folder)."""


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
    from . import workflow

    found = workflow.find_before_tensorflow(task, config_of(task, run), run)
    load_for(run)

    scores = workflow.evaluate(task, run, config.split, found)

    figures = f"{config.split}: {figures_in_words(scores.figures)}"
    if scores.confusion is None:
        say(figures)
        return
    rows = scores.per_class
    cells = [[f"{c:.3f}" if isinstance(c, float) else str(c) for c in row.values()] for row in rows]
    print_table([*rows[0]], cells)
    say(figures)
    say(f"confusion matrix: {workflow.confusion_file(run, config.split)} (and .png)")


def export(task: Task, config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    from .export import check_formats

    formats = check_formats(config.format)
    run = use_run(config.run, task.name)
    from . import workflow

    for format_, path, difference in workflow.export(task, run, formats, config.to):
        say(f"{format_}: {path} (read back; outputs differ by {difference:.0e} at most)")


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
