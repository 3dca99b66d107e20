"""Settings for training on clips."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ..core.classifier import ClassifierOptimisation
from ..core.config import DataSettings, Schedule, Section
from ..core.errors import UserError, require
from ..core.few_examples import FittedOptimisation
from ..core.space import TRAINING, Choice, Range, Space
from ..models.recurrent_settings import RecurrentConfig
from ..models.weight_source import check_weights, fixed_by_weights, with_encoder_weights
from ..models.zoo import MODELS

if TYPE_CHECKING:
    ImageModel = str
else:
    ImageModel = Literal[tuple(MODELS)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionsNetwork(Section):
    """Convolutions on each frame, then a network over time."""

    model: Literal["bag", "rnn", "lstm", "gru"] = "lstm"
    """Network over the frames; bag classifies each frame alone, and the clip by their mean."""
    cnn: ImageModel = "lenet5"
    """Convolutional network for each frame; `errorflow zoo` lists them."""
    width: float = 2.0
    """Multiplier of the number of channels of the convolutional network."""
    weights: str | None = None
    """Trained weights of the convolutions to begin with: imagenet (of vgg16, vgg19, resnet50,
    resnet101 or resnet152; Keras downloads them), the folder of a run, or a .keras file of one.
    --cnn and --width are those of the weights."""
    freeze: bool = False
    """Keep the weights of --weights as they are, and train only the other layers."""
    motion: bool = True
    """Also feed the difference between each frame and the previous one to the convolutions."""
    features: int = 128
    """Number of features that the convolutional network extracts from a frame."""
    units: int = 128
    """Number of units of a hidden layer."""
    layers: int = 1
    """Number of hidden layers."""
    dropout: float = 0.2
    """Dropout rate of the features of a frame and of each layer's output."""

    def check(self) -> None:
        for key in ("features", "units", "layers"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(self.width > 0, "width", "above 0", self.width)
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        check_weights(self, "cnn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipSettings(DataSettings):
    """Clips with labels."""

    dataset: str | None = None
    """Prepared TFDS dataset of videos and class labels, such as ucf101 (default: moving digits)."""
    data_dir: Path | None = None
    """Your own data: a folder with one sub-folder of videos (.mp4, .gif, folders of frames) per
    class."""
    frames: int = 16
    """Number of frames of a clip, evenly spaced over its video."""
    size: int = 32
    """Height and width that frames are resized to."""

    def check(self) -> None:
        super().check()
        require(self.size >= 1, "size", "1 or more", self.size)
        require(self.frames >= 2, "frames", "2 or more", self.frames)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionsOptimisation(  # pyright: ignore[reportIncompatibleVariableOverride]
    FittedOptimisation, ClassifierOptimisation
):
    """How to train."""

    epochs: int = 15
    learning_rate: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Learning rate at the start (default: 0.002; 0.0005 where trained weights are fine-tuned)."""
    schedule: Schedule = "cosine"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionsConfig(RecurrentConfig):
    """Settings for training on clips."""

    network: ActionsNetwork = ActionsNetwork()
    data: ClipSettings = ClipSettings()
    optimisation: ActionsOptimisation = ActionsOptimisation()

    def resolved(self) -> Self:
        return with_encoder_weights(self)

    def fixed_settings(self) -> dict[str, Any]:
        return fixed_by_weights(self.network, ("cnn", "width"))

    def check_frame_size(self) -> None:
        """Raise `UserError` if frames are too small for the convolutional network."""
        least = MODELS[self.network.cnn].min_size
        if self.data.size < least:
            raise UserError(
                f"--size {self.data.size}: {self.network.cnn} needs {least} pixels or more"
            )


SPACE: Space = {
    "model": Choice("bag", "rnn", "lstm", "gru"),
    "cnn": Choice("lenet5", "resnet20"),
    "width": Choice(1.0, 2.0, 4.0, when={"cnn": ("lenet5",)}),  # has 6 channels, others 16 or more
    "motion": Choice(False, True),
    "features": Choice(64, 128, 256),
    "units": Choice(64, 128, 256),
    "layers": Range(1, 2, when={"model": ("rnn", "lstm", "gru")}),
    "dropout": Range(0.0, 0.5, step=0.1),
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "batch_size": Choice("auto", 16, 32, 64),
    **TRAINING,
}
