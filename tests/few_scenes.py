"""Few embedded scenes, for trainings of captions and of stories that take seconds."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

TINY = "--cnn lenet5 --width 0.5 --units 6 --batch-size 4 --epochs 1 --pretrain 1"


def few_scenes(
    task: str, builder: str
) -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    """(folder) → a context in which the embedded scenes are few, and stay below the folder.

    Args:
        builder: name of the dataset's class in the module of that name, SceneCaptions or
            SceneStories.
    """

    @contextlib.contextmanager
    def context(folder: Path) -> Iterator[None]:
        import tensorflow_datasets as tfds
        from errorflow.pipelines.datasets.images.digits import MnistDigits

        module = importlib.import_module(f"errorflow.pipelines.datasets.image_text.scene_{task}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tfds.core.constants, "DATA_DIR", str(folder / "tfds"))
            patch.setenv("TFDS_DATA_DIR", str(folder / "tfds"))
            patch.setattr(MnistDigits, "arrays", _noise)
            sizes = {"train": 8, "validation": 3, "test": 4}
            patch.setattr(getattr(module, builder), "sizes", sizes)
            yield

    return context


def _noise(builder):
    """In place of real digits, which take seconds to read: forty blocks of noise of each value."""
    images = np.zeros((400, 28, 28), np.uint8)
    images[:, 6:22, 6:22] = np.random.default_rng(0).integers(1, 256, (400, 16, 16))
    return images, np.repeat(np.arange(10), 40)
