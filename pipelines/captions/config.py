"""Settings for training on images with captions."""

import dataclasses
from pathlib import Path

from ..core.errors import require
from ..datasets.utf8 import check_encoding
from ..image_to_text.config import (
    ImageTextSettings,
    ImageToTextConfig,
    ImageToTextNetwork,
    ImageToTextOptimisation,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionsNetwork(ImageToTextNetwork):
    """Convolutions, then a recurrent network that sees their features once."""

    features: int = 256
    """Number of features that the convolutions extract from an image, and size of a word's
    embedding."""

    def check(self) -> None:
        super().check()
        require(self.features >= 1, "features", "1 or more", self.features)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionsData(ImageTextSettings):
    """Images with captions."""

    dataset: str | None = None
    """Prepared TFDS dataset of images and captions, such as coco_captions (default: scenes of
    digits)."""
    data_dir: Path | None = None
    """Your own data: a folder with images and captions.jsonl, lines {"image": "a.jpg", "caption":
    "a dog on a beach"}, or with a table of images and captions (CSV, TSV, JSON, Parquet), or such a
    table."""
    image_column: str | None = None
    """Table: name or number of the column of image paths (default: by its name or content)."""
    caption_column: str | None = None
    """Table: name or number of the column of captions (default: by its name or content)."""
    encoding: str | None = None
    """Encoding of your file, such as latin-1 (default: UTF-8)."""

    def check(self) -> None:
        super().check()
        check_encoding(self.encoding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionsOptimisation(ImageToTextOptimisation):
    """How to train."""

    epochs: int = 6
    """Maximum number of passes over the training images; each pass draws one caption per image."""
    batch_size: int = 32
    """Number of captions per training step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionsConfig(ImageToTextConfig):
    """Settings for training on images with captions."""

    network: CaptionsNetwork = CaptionsNetwork()
    data: CaptionsData = CaptionsData()
    optimisation: CaptionsOptimisation = CaptionsOptimisation()
