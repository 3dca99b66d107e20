"""Read the data of a training, and say on stderr what was read and what was left out."""

from typing import Any

from ..core.config import TrainingConfig
from ..core.console import note, shorten
from ..core.memory import shortage_in_words
from ..core.phases import phase
from ..datasets.left_out import summary
from .task import Data, Task

SHOWN = 12  # names of classes


def read_data(task: Task, config: TrainingConfig, found: Any = None) -> Data:
    """Read the data of a config; print remarks, and how much was left out for each reason.

    Args:
        found: the result of `Task.find_data`, if it has been called already.

    Raises:
        UserError: the data cannot be used, or do not fit into memory.
    """
    with phase("reading the data"), shortage_in_words(config):
        data = task.read_data(config, found)
    for line in [*summary(data.left_out), *shorten(data.problems)]:
        note(f"data: {line}")
    return data


def data_in_one_line(data: Data) -> str:
    """Return the source of the data, the classes, and the number of examples in each split."""
    sizes = {split: len(getattr(data, split)) for split in ("train", "validation", "test")}
    classes = f" [{', '.join(shorten([*data.labels], SHOWN))}]" if data.labels else ""
    numbers = ", ".join(f"{size:,} {split}" for split, size in sizes.items())
    return f"{data.source}{classes}: {numbers}"
