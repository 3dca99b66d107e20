"""What captions and stories share: pictures in, words out."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.config import CommonConfig, RunChoice, UserError, require
from ..models.zoo import MODELS

if TYPE_CHECKING:
    Network = str
else:
    Network = Literal[tuple(MODELS)]

SIZE = 128  # pixels, for images of different sizes, and for large ones
LARGE = 256  # those of more


@dataclasses.dataclass(frozen=True, kw_only=True)
class TellingConfig(CommonConfig):
    """Settings of a training on pictures and what is told of them."""

    size: int | None = None
    """Height and width that images are brought to (default: their own, or 128 if they differ
    or are of more than 256)."""
    max_length: int = 60
    """Longest text in words; training leaves out longer ones."""
    vocabulary: int = 10000
    """Words at most, the most frequent ones."""

    model: Literal["rnn", "lstm", "gru"] = "lstm"
    """Recurrent layers."""
    cnn: Network = "vgg11"
    """Convolutions that look at each picture; errorflow zoo lists them."""
    width: float = 0.125
    """Multiplies their number of channels."""
    units: int = 256
    """Size of a recurrent layer."""
    layers: int = 1
    """Recurrent layers."""
    dropout: float = 0.0
    """Share of the picture's features, of words' vectors and of each layer's output left out in
    training."""
    auxiliary: float = 0.1
    """Weight of an auxiliary loss: which words are told, asked of each picture by itself and summed
    over the vocabulary; of several pictures, the words of each one's description or, where it
    has none, of its sentence. 0: none."""
    pretrain: int = 4
    """Passes in which the convolutions learn first, from that question alone: a decoder that begins
    while pictures cannot be told apart learns by heart which words come together. The first of
    several is through plain pictures alone, the third of which the fewest words are told."""
    beam: int = 5
    """Answers that are followed at once when one is looked for; 1: greedy."""
    length_norm: float = 0.6
    """How much long answers are helped against short ones; 0: not at all."""

    learning_rate: float = 2e-3
    """Learning rate at the start."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """cosine: lower the learning rate to 0 over all epochs; step: to a tenth after half of them and
    again after three quarters."""

    @property
    def kind(self) -> str:
        return self.model

    def check(self) -> None:
        super().check()
        for key in ("max_length", "vocabulary", "units", "layers", "beam"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(self.auxiliary >= 0, "auxiliary", "0 or more", self.auxiliary)
        require(self.pretrain >= 0, "pretrain", "0 or more", self.pretrain)
        if self.pretrain and not self.auxiliary:
            raise UserError(
                f"--pretrain {self.pretrain}: --auxiliary 0 leaves nothing to learn from; "
                "give --pretrain 0 too"
            )
        require(self.width > 0, "width", "above 0", self.width)
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        require(self.length_norm >= 0, "length_norm", "0 or more", self.length_norm)
        least = MODELS[self.cnn].min_size
        if self.size is not None and self.size < least:
            raise UserError(f"--size {self.size}: {self.cnn} takes {least} pixels or more")

    def shape(self, found: tuple[int | None, int | None, int]) -> tuple[int, int, int]:
        """[H, W, C] of the pictures that the network gets."""
        height, width, channels = found
        if self.size is None and height and width and max(height, width) <= LARGE:
            least = MODELS[self.cnn].min_size
            return max(height, least), max(width, least), channels
        size = self.size or SIZE
        return size, size, channels


@dataclasses.dataclass(frozen=True, kw_only=True)
class TellingPredictConfig(RunChoice):
    """Which run, and how it answers."""

    top: int = 1
    """Answers to show, the best first."""
    beam: int | None = None
    """Answers that are followed at once (default: as trained, and no fewer than --top)."""
    to: Path | None = None
    """Folder for the pictures with the best answer below (default: samples/ of the run)."""

    def check(self) -> None:
        require(self.top >= 1, "top", "1 or more", self.top)
        require(self.beam is None or self.beam >= 1, "beam", "1 or more", self.beam)
