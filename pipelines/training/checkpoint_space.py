"""Room on the disk for the files of a checkpoint, checked before the first of them is written."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from ..core.run_folder import RunFolder, kept_in_words
from ..core.system_errors import require_space

ROOM = 2**20  # bytes: architecture, vocabulary, history and results


def require_checkpoint_space(run: RunFolder, served: keras.Model, trained: keras.Model) -> None:
    """Raise `UserError` unless the disk has room for last.keras, best.keras and a backup.

    All of them are complete before the first one takes the place of an earlier one.

    Args:
        run: the folder to write to.
        served: the model in last.keras and best.keras.
        trained: the model in the backup, with its optimizer.
    """
    model = _bytes(served.variables) + ROOM
    backup = _bytes(trained.variables) + _bytes(trained.optimizer.variables)
    require_space(run.last, 2 * model + backup, kept_in_words(run))


def _bytes(variables: Iterable[Any]) -> int:
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)
