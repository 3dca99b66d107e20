"""The tables of all tasks and commands.

A package of somebody else adds a task by an entry point of the group `errorflow.tasks`, which has
the task's name and refers to a `Task`:

    [project.entry-points."errorflow.tasks"]
    tones = "my_package.tones:TASK"
"""

import functools
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .core.console import note, suggestion
from .core.errors import UserError
from .core.requirements import PIPELINES, require_packages
from .training.task import Task

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# One line per task: its package, which has a constant TASK, and the line that `--help` shows.
TASKS: Mapping[str, str] = {
    "names": "predict the language of a surname, or the label of any short text",
    "tags": "predict the part of speech of each word of a sentence",
    "pronounce": "predict the pronunciation of a word, or translate any sequence into another",
    "documents": "predict the label of a text of many words, such as its topic or sentiment",
    "actions": "predict the action in a clip, and in each of its frames",
    "captions": "describe an image in a sentence",
    "stories": "write the story of a sequence of images",
    "series": "forecast time series, or predict their class or values",
    "lags": "see errors vanish or survive on the long-lag problems of the first LSTM paper",
    "images": "predict the class of an image, with any network from LeNet-5 to ResNet-152",
}
COMMANDS: Mapping[str, str] = {
    "runs": "list runs, compare some, or show the findings of one: errorflow runs findings A",
    "report": "write an HTML file about runs, to send to a colleague",
    "launch": "train with several workers on this machine, each a process",
    "zoo": "list the image models: parameters, multiply-adds, depth, published errors",
    "tensorboard": "open TensorBoard on the runs, for this machine only",
}


def all_tasks() -> dict[str, str]:
    """Return errorflow's tasks and those of installed packages: {name: what the task does}."""
    return {**TASKS, **{name: task.card.about for name, task in installed_tasks().items()}}


def is_task(name: str) -> bool:
    """Return whether there is a task of this name; installed packages are looked at last."""
    return name in TASKS or (name not in COMMANDS and name in installed_tasks())


def load_task(name: str) -> Task:
    """Import the package of a task, but not TensorFlow, and return the task.

    Raises:
        UserError: there is no such task, or a package that pipelines need is missing.
    """
    if not is_task(name):
        raise UserError(f"no task {name!r}{suggestion(name, all_tasks())}")
    require_packages(f"the task {name}", PIPELINES)
    if name in TASKS:
        return importlib.import_module(f".{name}", __package__).TASK
    return installed_tasks()[name]


@functools.cache
def installed_tasks() -> Mapping[str, Task]:
    """Return the tasks of other packages; one that cannot be used is left out, with a note."""
    from importlib.metadata import entry_points

    tasks: dict[str, Task] = {}
    for point in entry_points(group="errorflow.tasks"):
        try:
            tasks[point.name] = _task_of(point, tasks)
        except Exception as error:  # whatever the package of somebody else raises
            reason = str(error) or type(error).__name__
            note(f"warning: the task {point.name} ({point.value}) is left out: {reason}")
    return tasks


def _task_of(point: "EntryPoint", others: Mapping[str, Task]) -> Task:
    """Return the task of an entry point; raise an exception if it cannot be used."""
    if point.name in {*TASKS, *COMMANDS, *others}:
        raise UserError("there is a task or command of this name already")
    task: Task = point.load()
    if task.name != point.name:
        raise UserError(f"its name is {task.name!r}, the entry point must have the same")
    str(task.card.about)
    return task
