"""The settings that captions and stories share."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, Self

from ..core.config import DataSettings, Optimisation, Schedule, Section
from ..core.errors import UserError, require
from ..models.recurrent_settings import RecurrentConfig
from ..models.weight_source import check_weights, fixed_by_weights, min_size, with_encoder_weights
from ..models.zoo import MODELS

if TYPE_CHECKING:
    ImageModel = str
else:
    ImageModel = Literal[tuple(MODELS)]

SIZE = 128  # pixels, for images of different sizes, and for large ones
LARGE = 256  # pixels: images with a side above this are large


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageToTextNetwork(Section):
    """Convolutions that encode images, then a recurrent network that writes text."""

    model: Literal["rnn", "lstm", "gru"] = "lstm"
    """Recurrent layers."""
    cnn: ImageModel = "vgg11"
    """Convolutional network for each image; `errorflow zoo` lists them."""
    width: float = 0.125
    """Multiplier of the number of channels of the convolutional network."""
    weights: str | None = None
    """Trained weights of the convolutions to begin with: imagenet (of vgg16, vgg19, resnet50,
    resnet101 or resnet152; Keras downloads them), the folder of a run, or a .keras file of one.
    --cnn and --width are those of the weights."""
    freeze: bool = False
    """Keep the weights of --weights as they are, and train only the other layers."""
    units: int = 256
    """Number of units of a recurrent layer."""
    layers: int = 1
    """Number of recurrent layers."""
    dropout: float = 0.0
    """Dropout rate of the image features, the word embeddings and each layer's output."""
    beam: int = 5
    """Beam width of the search for the best text; 1: greedy."""
    length_norm: float = 0.6
    """Exponent of the length normalisation of the beam search; 0: none. Larger values favour long
    texts."""

    def check(self) -> None:
        for key in ("units", "layers", "beam"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(self.width > 0, "width", "above 0", self.width)
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        require(self.length_norm >= 0, "length_norm", "0 or more", self.length_norm)
        check_weights(self, "cnn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageTextSettings(DataSettings):
    """Images with texts."""

    size: int | None = None
    """Height and width that images are resized to (default: their own; 128 if they differ or are
    larger than 256)."""
    max_length: int = 60
    """Maximum length of a text in words; longer texts are left out of training."""
    vocabulary: int = 10000
    """Maximum number of words, the most frequent ones."""

    def check(self) -> None:
        super().check()
        for key in ("max_length", "vocabulary"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageToTextOptimisation(Optimisation):
    """How to train an image-to-text network."""

    learning_rate: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Learning rate at the start (default: 0.002; 0.0005 where trained weights are fine-tuned)."""
    schedule: Schedule = "cosine"
    auxiliary: float = 0.1
    """Weight of an auxiliary loss, summed over the vocabulary: predict from each image alone which
    words its text contains (in a sequence, the words of the image's description or, without a
    description, of its sentence). 0: no auxiliary loss."""
    pretrain: int = 4
    """Number of epochs of pretraining of the convolutions alone, on the auxiliary loss. A decoder
    that is trained before images can be distinguished memorises which words occur together. The
    first of several epochs uses only the third of the images with the fewest words."""

    def check(self) -> None:
        super().check()
        require(self.auxiliary >= 0, "auxiliary", "0 or more", self.auxiliary)
        require(self.pretrain >= 0, "pretrain", "0 or more", self.pretrain)
        if self.pretrain and not self.auxiliary:
            raise UserError(
                f"--pretrain {self.pretrain}: with --auxiliary 0 there is nothing to pretrain on; "
                "give --pretrain 0 too"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageToTextConfig(RecurrentConfig):
    """Settings for training on images and their texts."""

    network: Any
    data: ImageTextSettings = ImageTextSettings()
    optimisation: ImageToTextOptimisation = ImageToTextOptimisation()

    def resolved(self) -> Self:
        return with_encoder_weights(self)

    def fixed_settings(self) -> dict[str, Any]:
        return fixed_by_weights(self.network, ("cnn", "width"))

    def check(self) -> None:
        super().check()
        size, cnn = self.data.size, self.network.cnn
        least = min_size(self.network, "cnn")
        if size is not None and size < least:
            raise UserError(f"--size {size}: {cnn} needs {least} pixels or more")

    def image_shape(self, shape: tuple[int | None, int | None, int]) -> tuple[int, int, int]:
        """Return [H, W, C] of the images that the network takes.

        Args:
            shape: shape of the data; H and W are None if images differ.
        """
        height, width, channels = shape
        if self.data.size is None and height and width and max(height, width) <= LARGE:
            least = MODELS[self.network.cnn].min_size
            return max(height, least), max(width, least), channels
        size = self.data.size or SIZE
        return size, size, channels
