"""What a task is, and the verbs that all tasks share: train, evaluate, tune, export."""

import contextlib
import dataclasses
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from ..core import run_folder as runs
from ..core.config import CommonConfig, RunChoice, UserError
from ..core.config_files import load_config
from ..core.space import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig(RunChoice):
    """Which run, and on what."""

    split: Literal["test", "validation", "train"] = "test"
    """Part of the run's data."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig(RunChoice):
    """Which run, and to what."""

    format: str = "keras,saved_model"
    """keras, saved_model, onnx, separated by commas."""
    to: Path | None = None
    """Folder to write to (default: export/ in the run folder)."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What one task has of its own.

    Attributes:
        name: of the command.
        config: its class.
        read_data: config → data with `train`, `validation`, `test`, `labels` and what
            `runs.keep_data` takes.
        tools: module of this package with `make_job(run, config, data)` → `train.Job`,
            `measure(package, part, labels)` → `scores.Scores`, `sample(package, part, labels)` →
            some answers as rows, and `probe(package)` → `export.Probe`. It imports TensorFlow.
        about, usage: for the card of a run.
        next: command lines to suggest, beside those for all tasks; {run}: what names the run.
        space: what `tune` may search.
    """

    name: str
    config: type[CommonConfig]
    read_data: Callable[[Any], Any]
    tools: str
    about: str
    usage: str
    next: Sequence[str]
    space: Space

    def tool(self, name: str) -> Callable[..., Any]:
        """A function of `tools`."""
        return getattr(importlib.import_module(f"..{self.tools}", __package__), name)


def train(task: Task, config: CommonConfig) -> None:
    """Trains, and keeps everything in a run folder."""
    runs.check_can_begin(config, task.name)
    with trained(task, config, runs.begin, _announce) as (run, data):
        from . import summary as report

        for split in ("validation", "test"):
            run.update(**{split: _measure(task, run, data, split).figures})
        report.write_card(run, config, task.about, task.usage)
    own = [line.format(run=run.flags) for line in task.next]
    report.last_words(
        run, [*own, f"errorflow runs{run.where}", f"errorflow tensorboard{run.where}"]
    )


@contextlib.contextmanager
def trained(
    task: Task,
    config: CommonConfig,
    begin: Callable[[CommonConfig, str, dict[str, Any]], runs.Run],
    before: Callable[[Any, Any], None],
) -> Iterator[tuple[runs.Run, Any]]:
    """A run that has been trained, and its data; it is finished when the body has gone well.

    Args:
        task, config: what to train.
        begin: as `runs.begin`.
        before: is given the job and the data before the training.
    """
    from ..core import devices

    strategy = devices.start(config)
    environment = devices.describe(config, strategy)
    devices.note(devices.in_one_line(environment))
    data = task.read_data(config)
    from . import summary as report
    from .loop import fit

    run = begin(config, task.name, environment)
    with runs.training(run):
        runs.keep_data(run, data)
        devices.seed(config)  # data that were made just now took random numbers
        with strategy.scope():
            job = task.tool("make_job")(run, config, data)
        before(job, data)
        runs.replace(run)
        report.keep(job, fit(job, strategy))
        yield run, data


def evaluate(task: Task, config: EvaluateConfig) -> None:
    """Prints the figures of a split and, of a classifier, a table per class."""
    run, trained = choose(task, config)
    data = task.read_data(trained)
    runs.keep_data(run, data)
    found = _measure(task, run, data, config.split)
    run.update(**{config.split: found.figures})
    from ..commands.runs import print_table
    from .summary import in_words

    if found.confusion is None:
        print(f"{config.split}: {in_words(found.figures)}")
        return
    rows = found.per_class
    cells = [[f"{c:.3f}" if isinstance(c, float) else str(c) for c in row.values()] for row in rows]
    print_table([*rows[0]], cells)
    print(f"{config.split}: {in_words(found.figures)}")
    print(f"confusion matrix: {_confusion_file(run, config.split)} (and .png)")


def export(task: Task, config: ExportConfig) -> None:
    """Writes a trained network in other formats, each checked against the original."""
    from . import export as exporting

    formats = exporting.check_formats(config.format)
    run, _ = choose(task, config)
    from ..models.serving import load

    package = load(run.best)
    folder = config.to or run.path / "export"
    for line in exporting.export_all(package, formats, folder, task.tool("probe")(package)):
        print(line)


def tune(task: Task, config: CommonConfig) -> None:
    """Searches the task's space; `config` is a `search_config.SearchConfig` too."""
    from ..search import tune as search

    search.tune(task, config)


def tell(problems: Sequence[str]) -> None:
    """Says on stderr what was left out of the data."""
    from ..core.devices import note
    from ..datasets.text.text_data import shorten

    for problem in shorten(problems):
        note(f"data: {problem}")


def lines_of(arguments: Sequence[str], usage: str) -> list[str]:
    """What a person gave: the arguments, or without any the lines of stdin that are not empty."""
    if not arguments and sys.stdin.isatty():
        raise UserError(f"{usage}, as arguments or as lines of stdin")
    if any(not text.strip() for text in arguments):
        raise UserError(f"{usage}: one of them is empty, leave it out")
    return [*arguments] or [line.strip() for line in sys.stdin if line.strip()]


def choose(task: Task, config: RunChoice) -> tuple[runs.Run, Any]:
    """The run to use and its configuration; starts TensorFlow."""
    if config.run is not None and config.name is not None:
        raise UserError("--run and --name are two ways to say which run: give one of them")
    if config.run is None:
        run = runs.to_use(config.run_dir, task.name, config.name)
    else:
        run = runs.at(config.run, task.name)
    trained = load_config(task.config, run.config_file)
    from ..core import devices

    devices.note(f"using {run.path}")
    devices.load_tensorflow()
    return run, trained


def _announce(job: Any, data: Any) -> None:
    from .summary import announce

    announce(job.run, job.core, data)


def _measure(task: Task, run: runs.Run, data: Any, split: str) -> Any:
    """Scores of best.keras on a split; writes some answers and, if there is, the confusion."""
    from ..core.files import write_rows
    from ..models.serving import load
    from . import evaluation as scores

    given = load(run.best), getattr(data, split), data.labels
    found = task.tool("measure")(*given)
    if found.confusion is not None:
        scores.write_confusion(found.confusion, data.labels, _confusion_file(run, split))
    write_rows(run.samples / f"{split}.csv", task.tool("sample")(*given))
    return found


def _confusion_file(run: runs.Run, split: str) -> Path:
    return run.plots / ("confusion.csv" if split == "test" else f"confusion_{split}.csv")
