"""Captions: an image in, a sentence out (Show and Tell, Vinyals et al. 2015).

errorflow captions train                     scenes of handwritten digits, in plain English
errorflow captions train --model rnn         and look at the error flow
errorflow captions train --data-dir DIR      your own: images and captions.jsonl

Measured on 1,000 test scenes, two cores, one seed: all facts right, of the scenes whose
combinations training shows and of the others; BLEU.

    errorflow captions train                98.2 %   92.2 %   98.4   14 min, 6 of them pretraining
    errorflow captions train --model rnn    96.0 %   78.0 %   95.3   12 min

The most frequent facts are those of 1.4 %, and the most frequent caption has a BLEU of 20.8. With
half the images, of which each had one of its captions in all passes, it was 93.8 % and 76.8 %: the
network learned by heart which one. Without pretraining it had then been 87.8 % and 12.2 %: a
decoder that begins while values cannot be told apart learns which of them never come with a count
and size, and later prefers that to what it sees.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.config import require
from ..image_to_text.config import TellingConfig, TellingPredictConfig
from ..image_to_text.space import CAPTIONS
from ..search.config import SearchConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionsConfig(TellingConfig):
    """Settings of a training on images with captions."""

    dataset: str | None = None
    """Prepared TFDS set of images and captions, such as coco_captions (default: scenes of
    digits)."""
    data_dir: Path | None = None
    """Your own data: a folder with images and captions.jsonl, lines {"image": "a.jpg", "caption":
    "a dog on a beach"}."""

    features: int = 256
    """Size of what the convolutions make of an image, and of a word's vector."""

    epochs: int = 6
    """Passes over the training images at most, each time with another of their captions."""
    batch_size: int = 32
    """Captions per step."""

    def check(self) -> None:
        super().check()
        require(self.features >= 1, "features", "1 or more", self.features)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(TellingPredictConfig):
    """Which run, and for which images."""

    images: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Image files (.jpg, .png); without any, one path per line from stdin."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, CaptionsConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: CaptionsConfig) -> None:
    """Train a network, watch error and gradient flow, and keep everything in a run folder."""
    from ..training.text_metrics import check_installed

    check_installed(["sacrebleu"])
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network: BLEU, and how often all facts of a scene are told right."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Say what images show, and draw each with its caption below."""
    usage = "errorflow captions predict takes images"
    images = [Path(image) for image in shared.lines_of([*map(str, config.images)], usage)]
    if not images:
        return
    run, _ = shared.choose(TASK, config)
    from ..datasets.images.image_folder import read_image
    from ..image_to_text.prediction import lines

    for line in lines(run, images, lambda image, shape: [read_image(image, shape[-1])], config):
        print(line)


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def read_data(config: CaptionsConfig) -> Any:
    """The `PictureData` a config speaks of; tells on stderr what was left out."""
    from ..datasets.image_text.captions import load_captions

    data = load_captions(config.dataset, config.data_dir, limit=config.limit, seed=config.seed)
    shared.tell(data.problems)
    return data


TASK = shared.Task(
    name="captions",
    config=CaptionsConfig,
    read_data=read_data,
    tools="captions.training",
    about="Sees an image once, then says what it shows, word by word.",
    usage="""\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, H, W, C]))  # pixels 0 … 255 → {"answers": [B, W] strings, "scores": [B, W]}
```

The best answer comes first. Scores are log-probabilities over ((5 + words) / 6)^length_norm.
`model.get_layer("search")` has `width`, `length_norm` and `longest`; its `core` is the network.""",
    next=["errorflow captions predict {run} IMAGE ..."],
    space=CAPTIONS,
)
VERBS = {"train": train, "evaluate": evaluate, "tune": tune, "predict": predict, "export": export}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
