"""Settings for training on images."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ..core.classifier import ClassifierOptimisation
from ..core.config import (
    DataSettings,
    Schedule,
    Section,
    TrainingConfig,
    flat,
    replace,
)
from ..core.errors import require
from ..core.space import Choice, Range, Space
from ..models.weight_source import check_weights, fixed_by_weights, min_size, with_source
from ..models.zoo import MODELS

if TYPE_CHECKING:
    Model = str
else:
    Model = Literal[tuple(MODELS)]
TrueOrFalse = Literal["true", "false"]
Optimizer = Literal["adam", "adamw", "rmsprop", "sgd", "momentum"]
DEFAULT = "convnet"  # the network for data that nobody has chosen a network for

# The papers' settings: SGD with momentum 0.9, weight decay, and these. For networks on small
# images, the number of epochs is for the embedded digits; otherwise it is the paper's for ImageNet.
# `fitting` fits them to a small number of images.
RECIPES: dict[str, dict[str, Any]] = {
    # not from a paper: chosen on folders of 40 to 1,000 images (benchmarks/own_images.py)
    "convnet": {
        "optimizer": "adamw",
        "learning_rate": 3e-3,
        "weight_decay": 0.05,
        "epochs": 10,
        "batch_size": 32,
        "clip_norm": 1.0,
        "patience": 5,
        "label_smoothing": 0.1,
    },
    "mlp": {"learning_rate": 0.05, "weight_decay": 1e-4, "epochs": 40, "batch_size": 64},
    # chosen on the validation digits; LeCun et al. 1998 trained by a second-order method, online
    "lenet": {"learning_rate": 0.03, "weight_decay": 5e-3, "epochs": 90, "batch_size": 32},
    # Krizhevsky et al. 2012, section 5
    "alexnet": {"learning_rate": 0.01, "weight_decay": 5e-4, "epochs": 90, "batch_size": 128},
    # Simonyan & Zisserman 2015, section 3.1
    "vgg": {"learning_rate": 0.01, "weight_decay": 5e-4, "epochs": 74, "batch_size": 256},
    # Szegedy et al. 2015, section 6, give the momentum only; the others are those of BVLC's version
    "googlenet": {"learning_rate": 0.01, "weight_decay": 2e-4, "epochs": 60, "batch_size": 32},
    # He et al. 2016, section 4.2; on CIFAR-10 64,000 steps are 164 epochs, at --schedule step
    "resnet": {"learning_rate": 0.1, "weight_decay": 1e-4, "epochs": 24, "batch_size": 128},
    # a learning rate of 0.1 is too high for these at the start (the paper says so for 110 layers)
    "resnet56": {"learning_rate": 0.01},
    "resnet110": {"learning_rate": 0.01},
}
PAPERS = {"optimizer": "momentum", "clip_norm": 0.0, "patience": 0, "label_smoothing": 0.0}
# The largest learning rate of a recipe for trained weights: 0.1 is for random ones. With a third of
# 0.03, LeNet-5 learns too little of 10 images per class (benchmarks/fine_tuning.py).
FINE_TUNING = 0.03
EMBEDDED = (None, "mnist_digits", "digits")  # the datasets that the recipes are known to suit
FITTED = ("epochs", "batch_size", "learning_rate", "clip_norm")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesNetwork(Section):
    """A network of the zoo."""

    model: Model | None = None
    """Network; `errorflow zoo` lists them (default: lenet5 for the embedded digits, convnet for
    other data)."""
    width: float = 1.0
    """Multiplier of the number of channels of every layer."""
    skip: TrueOrFalse | None = None
    """Residual networks: false removes the shortcuts, which gives the plain counterpart (default:
    true)."""
    preactivation: TrueOrFalse | None = None
    """Residual networks: true normalises and activates before each convolution (default: false)."""
    auxiliary: TrueOrFalse | None = None
    """GoogLeNet: true also trains the two auxiliary classifiers (default:
    false)."""
    normalization: Literal["batch", "none"] | None = None
    """VGG, GoogLeNet, residual networks: batch normalisation of each convolution's output (default:
    as in the paper)."""
    activation: Literal["relu", "leaky_relu", "tanh", "sigmoid"] | None = None
    """Activation of the hidden layers; leaky_relu has a slope of 0.01 below 0 (Maas, Hannun & Ng
    2013) (default: as in the paper)."""
    initial_weights: Literal["he", "glorot"] | None = None
    """Initial weights: he, made for ReLU (He et al. 2015), or glorot, for tanh (Glorot & Bengio
    2010) (default: as in the paper, or he)."""
    dropout: float | None = None
    """Dropout rate before the dense layers, if the network has any (default: as in the
    paper)."""
    weights: str | None = None
    """Trained weights to begin with: imagenet (of vgg16, vgg19, resnet50, resnet101 or resnet152;
    Keras downloads them), the folder of a run, or a .keras file of one. --model, --width and the
    channels of the images are those of the weights; the head starts anew."""
    freeze: bool = False
    """Keep the weights of --weights as they are, and train only the layers that start anew."""

    @property
    def options(self) -> dict[str, Any]:
        """The options of `models.build`: only those that are set."""
        options: dict[str, Any] = {"width": self.width, "dropout": self.dropout}
        for key in ("skip", "preactivation", "auxiliary"):
            options[key] = {"true": True, "false": False}.get(getattr(self, key))
        options = {key: value for key, value in options.items() if value is not None}
        if self.normalization is not None:
            options["normalization"] = None if self.normalization == "none" else self.normalization
        return options

    def check(self) -> None:
        require(self.width > 0, "width", "above 0", self.width)
        rate = self.dropout
        require(rate is None or 0 <= rate < 1, "dropout", "from 0 to below 1", rate)
        check_weights(self, "model")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesData(DataSettings):
    """Images with class labels."""

    dataset: str | None = None
    """Prepared TFDS dataset of images and class labels, or digits (scikit-learn's, 8×8) (default:
    5,000 MNIST digits)."""
    data_dir: Path | None = None
    """Your own data: a folder with one sub-folder of images per class, or a table (CSV, TSV, JSON
    lines, Parquet) of paths and labels, or a folder with such a table."""
    image_column: str | None = None
    """Table: name or number of the column of image paths (default: by its name or content)."""
    label_column: str | None = None
    """Table: name or number of the column of labels (default: by its name or content)."""
    encoding: str | None = None
    """Table: encoding of its text, such as latin-1 (default: UTF-8)."""
    image_size: int | None = None
    """Height and width that images are resized to (default: their own size, if it is the same for
    all and large enough; otherwise that of the network)."""
    augment: Literal["auto", "digits", "photos", "signs", "objects", "none"] = "auto"
    """Data augmentation. digits: rotate, stretch and shift; photos: crop, flip and recolour; signs:
    digits and recolour; objects: signs and flip; auto: digits for grey images and for datasets of
    writing, else photos. For your own data auto is objects if mirrored images look like the others
    of their class, else digits or, in colour, signs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesOptimisation(ClassifierOptimisation):
    """How to train; settings without a value come from the network's recipe."""

    epochs: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Maximum number of passes over the training data (default: from the network's recipe)."""
    batch_size: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Number of examples per training step (default: from the network's recipe)."""
    learning_rate: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Learning rate at the start, or after a warm-up (default: from the network's recipe)."""
    schedule: Schedule = "cosine"
    optimizer: Optimizer | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer; momentum is SGD with Nesterov momentum 0.9 (default: from the network's
    recipe)."""
    weight_decay: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Decoupled weight decay: each step reduces each weight by the fraction weight decay times
    learning rate; biases are exempt (default: from the network's recipe)."""
    clip_norm: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Maximum global norm of the gradients; larger gradients are scaled down. 0: no clipping
    (default: from the network's recipe)."""
    patience: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Stop after this number of epochs without a better validation result; 0: never (default: from
    the network's recipe; a quarter of the epochs, 10 at least, for your own data)."""
    label_smoothing: float | None = None
    """Share of each target's probability that is spread over all labels (default: from the
    network's recipe)."""
    fitted: str | None = None
    """Settings that are fitted to the number of images, separated by commas, or none (default:
    those of epochs, batch_size, learning_rate and clip_norm that come from the recipe; none for
    the embedded digits). Fitting says what it changes."""

    @property
    def fitted_settings(self) -> frozenset[str]:
        """The names in `fitted`."""
        return frozenset(name.strip() for name in (self.fitted or "none").split(",")) - {"none"}

    def check(self) -> None:
        super().check()
        rate = self.label_smoothing
        require(rate is not None and 0 <= rate < 1, "label_smoothing", "from 0 to below 1", rate)
        allowed = f"none or some of {', '.join(FITTED)}"
        require(self.fitted_settings <= {*FITTED}, "fitted", allowed, self.fitted)


def recipe_of(model: str, optimizer: str | None = None) -> dict[str, Any]:
    """Return the settings that a network of the zoo is trained with, by name.

    Args:
        model: the network.
        optimizer: the optimizer, if it was chosen; another one than the recipe's has another rate.
    """
    recipe = PAPERS | RECIPES[MODELS[model].family] | RECIPES.get(model, {})
    if optimizer not in (None, recipe["optimizer"]):
        is_adaptive = optimizer in ("adam", "adamw", "rmsprop")
        rates = {"learning_rate": 1e-3 if is_adaptive else 0.01}
        was_adaptive = recipe["optimizer"] == "adamw"
        recipe |= rates if is_adaptive or was_adaptive else {}
    return recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesConfig(TrainingConfig):
    """Settings for training on images."""

    network: ImagesNetwork = ImagesNetwork()
    data: ImagesData = ImagesData()
    optimisation: ImagesOptimisation = ImagesOptimisation()

    def resolved(self) -> Self:
        network = with_source(self.network, "model")
        return dataclasses.replace(self, network=network)._with_recipe()

    def _with_recipe(self) -> Self:
        is_embedded = self.data.data_dir is None and self.data.dataset in EMBEDDED
        model = self.network.model or ("lenet5" if is_embedded else DEFAULT)
        settings = flat(self)
        recipe = recipe_of(model, settings["optimizer"])
        if self.network.weights is not None and not self.network.freeze:
            recipe["learning_rate"] = min(recipe["learning_rate"], FINE_TUNING)
        if not is_embedded and not recipe["patience"]:
            recipe["patience"] = max(10, (settings["epochs"] or recipe["epochs"]) // 4)
        fitted = [name for name in FITTED if settings[name] is None and not is_embedded]
        recipe |= {"model": model, "fitted": ",".join(fitted) or "none"}
        return replace(
            self, **{key: value for key, value in recipe.items() if settings[key] is None}
        )

    def fixed_settings(self) -> dict[str, Any]:
        names = ("model", "width", "skip", "preactivation", "normalization")
        return fixed_by_weights(self.network, names)

    def check(self) -> None:
        super().check()
        model, size = self.network.model, self.data.image_size
        least = min_size(self.network, "model")
        require(size is None or size >= least, "image_size", f"{least} or more for {model}", size)


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
