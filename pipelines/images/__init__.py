"""Images: a picture in, one label out, by any network of the zoo.

errorflow images train                          5,000 handwritten digits, LeNet-5
errorflow images train --model resnet20
errorflow images train --data-dir DIR           your own: one folder of jpg or png files per class
"""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tyro

from ..core.config import CommonConfig, RunChoice, UserError, require
from ..core.space import Choice, Range, Space
from ..models.zoo import MODELS
from ..search.config import SearchConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig

if TYPE_CHECKING:
    Model = str
else:
    Model = Literal[tuple(MODELS)]
Switch = Literal["true", "false"]

# How the papers train: SGD with momentum 0.9, weight decay, and these. Epochs are for the embedded
# digits where a network is made for small images, else the paper's for ImageNet.
RECIPES: dict[str, dict[str, Any]] = {
    "mlp": {"learning_rate": 0.05, "weight_decay": 1e-4, "epochs": 40, "batch_size": 64},
    # chosen on the validation digits; LeCun et al. 1998 trained by a second-order method, online
    "lenet": {"learning_rate": 0.03, "weight_decay": 5e-3, "epochs": 90, "batch_size": 32},
    # Krizhevsky et al. 2012, section 5
    "alexnet": {"learning_rate": 0.01, "weight_decay": 5e-4, "epochs": 90, "batch_size": 128},
    # Simonyan & Zisserman 2015, section 3.1
    "vgg": {"learning_rate": 0.01, "weight_decay": 5e-4, "epochs": 74, "batch_size": 256},
    # Szegedy et al. 2015, section 6, says momentum only; rate and decay are those of BVLC's copy
    "googlenet": {"learning_rate": 0.01, "weight_decay": 2e-4, "epochs": 60, "batch_size": 32},
    # He et al. 2016, section 4.2; on CIFAR-10 64,000 steps are 164 epochs, at --schedule step
    "resnet": {"learning_rate": 0.1, "weight_decay": 1e-4, "epochs": 24, "batch_size": 128},
    # a rate of 0.1 is too much for these to start with (the paper says so of 110 layers)
    "resnet56": {"learning_rate": 0.01},
    "resnet110": {"learning_rate": 0.01},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesConfig(CommonConfig):
    """Settings of a training on images. What is null is decided by the model's recipe."""

    dataset: str | None = None
    """Prepared TFDS set of images and class labels, or digits (scikit-learn's, 8×8); default: 5,000
    MNIST digits."""
    data_dir: Path | None = None
    """Your own data: a folder with one sub-folder of jpg or png files per class."""
    image_size: int | None = None
    """Height and width that images are brought to (default: their own, if they all have one and it
    is large enough; else what the model takes)."""
    augment: Literal["auto", "digits", "photos", "none"] = "auto"
    """digits: turned, stretched and shifted; photos: cropped, flipped and recoloured; auto: digits
    for grey images and for sets of writing, else photos."""

    model: Model = "lenet5"
    """Network; errorflow zoo lists them."""
    width: float = 1.0
    """Multiplies the number of channels everywhere."""
    skip: Switch | None = None
    """Residual networks: false leaves out the shortcuts, which gives the plain counterpart."""
    preactivation: Switch | None = None
    """Residual networks: true normalises and activates before each convolution."""
    auxiliary: Switch | None = None
    """GoogLeNet: true trains the two classifiers on the way too."""
    normalization: Literal["batch", "none"] | None = None
    """VGG, GoogLeNet, residual networks: normalise each convolution's output by its batch."""
    dropout: float | None = None
    """Share left out before the dense layers, where the network has them."""

    epochs: int | None = None
    """Passes over the training data at most."""
    batch_size: int | None = None
    """Examples per step."""
    learning_rate: float | None = None
    """Learning rate at the start."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """cosine: lower the learning rate to 0 over all epochs; step: to a tenth after half of them and
    again after three quarters."""
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd", "momentum"] = "momentum"
    """Optimizer; momentum is SGD with Nesterov momentum 0.9."""
    weight_decay: float | None = None
    """Share of a weight, times the learning rate, taken off in each step; biases keep all."""
    clip_norm: float = 0.0
    """Clip the gradients' global norm here; 0: never."""
    patience: int = 0
    """Stop after so many epochs without a better validation figure; 0: never."""
    label_smoothing: float = 0.0
    """Share of each target spread over all labels."""

    @property
    def kind(self) -> str:
        return self.model

    def resolved(self) -> Self:
        recipe = RECIPES[MODELS[self.model].family] | RECIPES.get(self.model, {})
        if self.optimizer in ("adam", "adamw", "rmsprop"):
            recipe = recipe | {"learning_rate": 1e-3}
        return dataclasses.replace(
            self, **{key: value for key, value in recipe.items() if getattr(self, key) is None}
        )

    @property
    def options(self) -> dict[str, Any]:
        """What the network is told besides sizes: only what was asked for."""
        asked: dict[str, Any] = {"width": self.width, "dropout": self.dropout}
        for key in ("skip", "preactivation", "auxiliary"):
            asked[key] = {"true": True, "false": False}.get(getattr(self, key))
        asked = {key: value for key, value in asked.items() if value is not None}
        if self.normalization is not None:
            asked["normalization"] = None if self.normalization == "none" else self.normalization
        return asked

    def check(self) -> None:
        super().check()
        require(self.width > 0, "width", "above 0", self.width)
        for key in ("dropout", "label_smoothing"):
            value = getattr(self, key)
            require(value is None or 0 <= value < 1, key, "from 0 to below 1", value)
        least = MODELS[self.model].min_size
        size = self.image_size
        require(
            size is None or size >= least, "image_size", f"{least} or more for {self.model}", size
        )


# The optimizer stays momentum: Adam's rates are a hundredth of its, too far for one range.
SPACE: Space = {
    "model": Choice("mlp", "lenet5", "googlenet", "resnet20", "resnet32"),
    "width": Choice(0.5, 1.0, 2.0),
    "normalization": Choice("batch", "none", when={"model": ("googlenet",)}),
    "preactivation": Choice("false", "true", when={"model": ("resnet20", "resnet32")}),
    "dropout": Range(0.0, 0.6, step=0.2, when={"model": ("mlp", "googlenet")}),
    "learning_rate": Range(1e-3, 0.2, log=True),
    "weight_decay": Range(1e-5, 1e-2, log=True),
    "batch_size": Choice(32, 64, 128),
    "clip_norm": Choice(0.0, 1.0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunChoice):
    """Which run, and for which images."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Image files of any size."""
    top: int = 5
    """Labels to show."""

    def check(self) -> None:
        require(self.top >= 1, "top", "1 or more", self.top)
        if not self.files:
            raise UserError("errorflow images predict takes image files: predict FILE ...")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, ImagesConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: ImagesConfig) -> None:
    """Train a network, watch the gradient over depth, and keep everything in a run folder."""
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network: accuracy, top-5, a table per class, the confusion matrix."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Say which labels image files have, with probabilities."""
    run, _ = shared.choose(TASK, config)
    from ..datasets.images.image_folder import read_image
    from ..models.image_serving import predict_probabilities
    from ..models.serving import labels_in, load

    package = load(run.best)
    images = [(read_image(file, package.input_shape[-1])[None],) for file in config.files]
    labels, width = labels_in(package), max(len(str(file)) for file in config.files)
    for file, row in zip(config.files, predict_probabilities(package, images), strict=True):
        best = [f"{labels[i]} {row[i]:.3f}" for i in (-row).argsort()[: config.top]]
        print(f"{file!s:<{width}}", *best, sep="\t")


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def read_data(config: ImagesConfig) -> Any:
    """The `ImageData` a config speaks of; tells on stderr what was left out."""
    from ..datasets.images.image_data import load_images

    data = load_images(config.dataset, config.data_dir, limit=config.limit, seed=config.seed)
    shared.tell(data.problems)
    return data


TASK = shared.Task(
    name="images",
    config=ImagesConfig,
    read_data=read_data,
    tools="images.training",
    about="Tells the label of an image.",
    usage="""\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, 100, 80, CHANNELS]))  # pixels 0 … 255 of any size → label, probabilities
```

The model knows the labels above and none else: whatever the image, it answers with one of them.""",
    next=["errorflow images predict {run} FILE ..."],
    space=SPACE,
)
VERBS = {"train": train, "evaluate": evaluate, "tune": tune, "predict": predict, "export": export}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
