"""The table of all tasks."""

import importlib
from collections.abc import Mapping

from .core.console import suggestion
from .core.errors import UserError
from .core.requirements import PIPELINES, require_packages
from .training.task import Task

# One line per task: its package, which has a constant TASK, and the line that `--help` shows.
TASKS: Mapping[str, str] = {
    "names": "predict the language of a surname, or the label of any short text",
    "tags": "predict the part of speech of each word of a sentence",
    "pronounce": "predict the pronunciation of a word, or translate any sequence into another",
    "documents": "predict the label of a text of many words, such as its topic or sentiment",
    "actions": "predict the action in a clip, and in each of its frames",
    "captions": "describe an image in a sentence",
    "stories": "write the story of a sequence of images",
    "lags": "see errors vanish or survive on the long-lag problems of the first LSTM paper",
    "images": "predict the class of an image, with any network from LeNet-5 to ResNet-152",
}


def load_task(name: str) -> Task:
    """Import the package of a task, but not TensorFlow, and return the task.

    Raises:
        UserError: there is no such task, or a package that pipelines need is missing.
    """
    if name not in TASKS:
        raise UserError(f"no task {name!r}{suggestion(name, TASKS)}")
    require_packages(f"the task {name}", PIPELINES)
    return importlib.import_module(f".{name}", __package__).TASK
