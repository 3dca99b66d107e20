"""A finished training on a few embedded scenes, for the tests of captions and of stories."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from errorflow.pipelines import cli

TINY = ["--cnn", "lenet5", "--width", "0.5", "--units", "6"]
TINY += ["--batch-size", "8", "--epochs", "1", "--pretrain", "1"]
FILES = [
    *["config.yaml", "environment.json", "history.csv", "results.json", "README.md"],
    *["checkpoints/best.keras", "checkpoints/last.keras", "samples/test.csv"],
    *[f"plots/{name}.png" for name in ("curves", "error_flow", "layer_gradients", "gates")],
]


@contextlib.contextmanager
def finished_run(task: str, builder: str, folder: Path) -> Iterator[Path]:
    """`folder` with one finished run, <task>/a; as long as it is open, scenes are few.

    Args:
        builder: name of the set's class in the module of that name, SceneCaptions or SceneStories.
    """
    pytest.importorskip("sacrebleu")
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.images.digits import MnistDigits

    module = importlib.import_module(f"errorflow.pipelines.datasets.image_text.scene_{task}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(folder / "tfds"))
        patch.setenv("TFDS_DATA_DIR", str(folder / "tfds"))
        patch.setattr(MnistDigits, "arrays", _noise)
        sizes = {"train": 8, "validation": 3, "test": 4}
        patch.setattr(getattr(module, builder), "sizes", sizes)
        assert cli.main([task, "train", "--run-dir", str(folder), "--name", "a", *TINY]) == 0
        yield folder


def _noise(builder):
    """In place of real digits, which take seconds to read: forty blocks of noise of each value."""
    images = np.zeros((400, 28, 28), np.uint8)
    images[:, 6:22, 6:22] = np.random.default_rng(0).integers(1, 256, (400, 16, 16))
    return images, np.repeat(np.arange(10), 40)
