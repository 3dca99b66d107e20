"""Settings for training on sequences of images with stories."""

import dataclasses
from pathlib import Path
from typing import Literal

from ..core.errors import require
from ..datasets.utf8 import check_encoding
from ..image_to_text.config import (
    ImageTextSettings,
    ImageToTextConfig,
    ImageToTextNetwork,
    ImageToTextOptimisation,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoriesNetwork(ImageToTextNetwork):
    """Convolutions on each image, then an encoder-decoder."""

    model: Literal["rnn", "lstm", "gru"] = "gru"
    """Recurrent layers of encoder and decoder."""
    attention: bool = True
    """Attend to the places of all images at each word: additive attention (Bahdanau et al. 2015, Xu
    et al. 2015)."""
    embedding: int = 64
    """Size of the embedding of a word."""

    def check(self) -> None:
        super().check()
        require(self.embedding >= 1, "embedding", "1 or more", self.embedding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoriesData(ImageTextSettings):
    """Sequences of images with stories."""

    dataset: str | None = None
    """Prepared TFDS dataset; scene_stories, generated at first use, is the only one (default)."""
    data_dir: Path | None = None
    """Your own data: a folder with images and stories.jsonl, lines {"images": ["a/1.jpg",
    "a/2.jpg"], "story": "a dog runs . it jumps"} and, if you have them, "descriptions": ["a dog on
    grass", "a dog in the air"], one for each image alone; the convolutions learn most from
    these."""
    encoding: str | None = None
    """Encoding of your file, such as latin-1 (default: UTF-8)."""

    def check(self) -> None:
        super().check()
        check_encoding(self.encoding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoriesOptimisation(ImageToTextOptimisation):
    """How to train."""

    pretrain: int = 2
    epochs: int = 5
    """Maximum number of passes over the training sequences."""
    batch_size: int = 8
    """Number of stories per training step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoriesConfig(ImageToTextConfig):
    """Settings for training on sequences of images with stories."""

    network: StoriesNetwork = StoriesNetwork()
    data: StoriesData = StoriesData()
    optimisation: StoriesOptimisation = StoriesOptimisation()

    @property
    def kind(self) -> str:
        network = self.network
        return f"{network.model}-attention" if network.attention else network.model
