"""Images: predict the class of an image, with any network from LeNet-5 to ResNet-152.

errorflow images train                        5,000 handwritten digits, LeNet-5
errorflow images train --model resnet20
errorflow images train --data-dir DIR         your own: a folder of images per class, or a table
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..core.console import say
from ..core.errors import UserError, require
from ..core.run_folder import RunFolder
from ..training.task import BaseTask, ModelCard, Rows, RunVerbConfig, TrainingFunctions, Verb
from ..training.verbs import use_run
from .config import SPACE, ImagesConfig

if TYPE_CHECKING:
    from ..datasets.images.image_tables import Columns

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, 100, 80, CHANNELS]))  # pixels 0 … 255 of any size → label, probabilities
```

The model predicts one of the labels above for any image."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunVerbConfig):
    """Which run, and for which images."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Image files of any size."""
    top: int = 5
    """Number of labels to show."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)
        if not self.files:
            raise UserError("errorflow images predict takes image files: predict FILE ...")


class Images(BaseTask):
    """Predict the class of an image, with any network from LeNet-5 to ResNet-152."""

    name = "images"
    config = ImagesConfig
    space = SPACE
    card = ModelCard("Predicts the label of an image.", USAGE)
    train_about = (
        "Train a network, record the gradient over depth, and keep everything in a run folder."
    )
    evaluate_about = (
        "Evaluate a trained network: accuracy, top-5, a table per class, the confusion matrix."
    )
    next_commands = ("errorflow images predict {run} FILE ...",)

    @property
    def verbs(self) -> list[Verb]:
        about = "Predict the labels of image files, with probabilities."
        return [Verb("predict", about, PredictConfig, self._print_predictions)]

    def read_data(self, config: ImagesConfig) -> Any:
        from ..datasets.images.image_data import load_images

        data = config.data
        return load_images(
            data.dataset,
            data.data_dir,
            ready_splits=data.ready_splits,
            limit=data.limit,
            seed=config.optimisation.seed,
            columns=_columns(config),
        )

    def write_data(self, config: ImagesConfig, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.images.python_data import write_images

        write_images(data, folder, config.data.image_column, config.data.label_column)
        return {"image_column": None, "label_column": None, "encoding": None}

    def check_requirements(self, config: ImagesConfig) -> None:
        from ..models.weight_source import check_source

        check_source(config.network, "model")

    def check_data(self, config: ImagesConfig) -> None:
        """Raise `UserError` if images or columns are missing in your own data; open no image."""
        from ..datasets.images.image_folder import find_images

        if config.data.data_dir is not None:
            find_images(
                config.data.data_dir,
                ready_splits=config.data.ready_splits,
                columns=_columns(config),
            )

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(self, run: RunFolder, inputs: Sequence[str | Path], top: int = 5) -> Rows:
        """Return the labels of image files: {"file", "label", "probability", "probabilities"}."""
        from ..datasets.images.image_folder import read_image
        from ..models.image_serving import predict_probabilities
        from ..models.serving import labels_in, load
        from ..training.evaluation import most_probable

        model, files = load(run.best), [Path(file) for file in inputs]
        images = [(read_image(file, model.input_shape[-1])[None],) for file in files]
        labels, rows = labels_in(model), predict_probabilities(model, images)
        return [
            {"file": str(file)} | most_probable(row, labels, top)
            for file, row in zip(files, rows, strict=True)
        ]

    def _print_predictions(self, config: PredictConfig) -> None:
        rows = self.predict(use_run(config.run, self.name), config.files, config.top)
        width = max(len(row["file"]) for row in rows)
        for row in rows:
            labels = [f"{label} {p:.3f}" for label, p in row["probabilities"].items()]
            say("\t".join([f"{row['file']:<{width}}", *labels]))


def _columns(config: ImagesConfig) -> "Columns":
    from ..datasets.images.image_tables import Columns

    return Columns(config.data.image_column, config.data.label_column, config.data.encoding)


TASK = Images()
