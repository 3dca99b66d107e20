"""Images: predict the class of an image, with any network from LeNet-5 to ResNet-152.

errorflow images train                        5,000 handwritten digits, LeNet-5
errorflow images train --model resnet20
errorflow images train --data-dir DIR         your own: a folder of images per class, or a table
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..core.errors import require
from ..core.run_folder import RunFolder
from ..training.explanations import folder_of
from ..training.inputs import Reader, path_reader
from ..training.prediction import (
    PIPES,
    ExplainSettings,
    Predictor,
    Request,
    labels_in_words,
    predict,
)
from ..training.task import BaseTask, ModelCard, Rows, TrainingFunctions, Verb
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
class PredictConfig(ExplainSettings):
    """Which run, and for which images."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Image files of any size, folders, globs, or tables of paths. Without any, or for -, one path
    per line from stdin."""
    image_column: str | None = None
    """Column of tables with the paths, by name or number (default: recognised)."""
    top: int = 5
    """Number of labels to show."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)


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
        about = f"Predict the labels of image files, with probabilities. {PIPES}"
        return [Verb("predict", about, PredictConfig, self._predict)]

    def read_data(self, config: ImagesConfig, found: Any = None) -> Any:
        from ..datasets.images.image_data import load_images

        data = config.data
        return load_images(
            data.dataset,
            data.data_dir,
            ready_splits=data.ready_splits,
            limit=data.limit,
            seed=config.optimisation.seed,
            columns=_columns(config),
            found=found,
        )

    def write_data(self, config: ImagesConfig, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.images.python_data import write_images

        write_images(data, folder, config.data.image_column, config.data.label_column)
        return {"image_column": None, "label_column": None, "encoding": None}

    def check_requirements(self, config: ImagesConfig) -> None:
        from ..models.weight_source import check_source

        check_source(config.network, "model")

    def find_data(self, config: ImagesConfig) -> Any:
        """List the images of a person's own data."""
        from ..datasets.images.image_folder import find_images

        if config.data.data_dir is None:
            return None
        return find_images(
            config.data.data_dir, ready_splits=config.data.ready_splits, columns=_columns(config)
        )

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str | Path],
        top: int = 5,
        explain: bool = False,
        explain_to: Path | None = None,
    ) -> Rows:
        """Return the labels of image files: {"file", "label", "probability", "probabilities"}.

        Args:
            run: the run whose best model predicts.
            inputs: image files.
            top: number of labels in "probabilities", the most probable ones.
            explain: add "explanation", the path of a picture of what the label depends on.
            explain_to: folder for these pictures; None: explanations/ of the run.
        """
        folder = folder_of(run, explain, explain_to)
        return [*self.predictor(run, top=top).rows(inputs, folder)]

    def input_reader(self, column: str | None = None) -> Reader:
        from ..datasets.images.image_formats import is_image

        return path_reader(column, is_image, lambda folder: False)

    def predictor(self, run: RunFolder, top: int = 5) -> Predictor:
        """Load the best model of a run, to predict labels of image files."""
        from ..datasets.images.image_folder import read_image
        from ..models.image_serving import predict_probabilities
        from ..models.serving import labels_in, load
        from ..training.evaluation import most_probable
        from .explanation import explain

        model = load(run.best)
        labels, channels = labels_in(model), model.input_shape[-1]

        def answer(files: Sequence[str], images: Sequence[Any]) -> Rows:
            rows = predict_probabilities(model, [(image[None],) for image in images])
            return [
                {"file": file} | most_probable(row, labels, top)
                for file, row in zip(files, rows, strict=True)
            ]

        return Predictor(
            lambda file: read_image(Path(file), channels),
            answer,
            explain=functools.partial(explain, model),
            raw=lambda image: image[None].astype("float32"),
        )

    def _predict(self, config: PredictConfig) -> int:
        reader = self.input_reader(config.image_column)
        words = functools.partial(labels_in_words, shown=1000)
        explain = config.explain, config.explain_to
        request = Request(config.files, reader, {"top": config.top}, words, config.top, *explain)
        return predict(self, config, request)


def _columns(config: ImagesConfig) -> "Columns":
    from ..datasets.images.image_tables import Columns

    return Columns(config.data.image_column, config.data.label_column, config.data.encoding)


TASK = Images()
