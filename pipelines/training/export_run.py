"""Export the best model of a run, with the run's own examples where a format needs them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.phases import phase
from ..core.run_config import run_config
from ..core.run_folder import RunFolder
from ..core.run_lifecycle import check_same_data
from ..models.serving import load
from .data_report import read_data
from .export import CALIBRATION, Exported, Job, RunExamples, for_int8
from .export_all import export_all
from .spaced import spaced
from .task import Task

MEASURED = 1000  # examples of the test split on which they are measured


def export(
    task: Task,
    run: RunFolder,
    formats: Sequence[str],
    folder: Path | None = None,
    int8: bool = True,
    found: Any = None,
) -> Iterator[Exported]:
    """Write a run's best model in other formats; yield each when it is done.

    Args:
        task, run: the run and its task.
        formats: some of "keras", "saved_model", "onnx", "litert".
        folder: the folder to write to; None: export/ in the run folder.
        int8: whether LiteRT files are also written in int8.
        found: the result of `Task.find_data`, if it has been called already.

    Raises:
        UserError: an exported model's outputs differ from those of the original; or the data of
            the run, which int8 needs, cannot be read or have changed.
    """
    examples = run_examples(task, run, found) if int8 and "litert" in formats else None
    with phase("exporting"):
        model = load(run.best)
        inputs = task.export_inputs(model).after(task.input_steps(run_config(task.config, run)))
        job = Job(model, inputs, task.name, run.name, examples)
        yield from export_all(job, formats, folder or run.path / "export")


def run_examples(task: Task, run: RunFolder, found: Any = None) -> RunExamples:
    """Return the examples of a run on which LiteRT files are quantised and measured."""
    with for_int8():
        data = read_data(task, run_config(task.config, run).resolved(), found)
        check_same_data(run, data)
    validation, test = spaced(data.validation, CALIBRATION), spaced(data.test, MEASURED)
    return RunExamples(
        lambda model: task.sample_predictions(model, validation, data.labels, CALIBRATION),
        lambda model: task.evaluate(model, test, data.labels).figures,
        len(test),
    )
