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
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.console import lines_from, note_problems
from ..image_to_text.space import CAPTIONS
from ..image_to_text.task import ImageToText, ImageToTextPredictConfig, Shape, print_predictions
from ..training.task import ModelCard, TrainingFunctions, Verb
from ..training.verbs import use_run
from .config import CaptionsConfig

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, H, W, C]))  # pixels 0 … 255 → {"answers": [B, W] strings, "scores": [B, W]}
```

The best answer comes first. Scores are log-probabilities over ((5 + words) / 6)^length_norm.
`model.get_layer("search")` has `width`, `length_norm` and `longest`; its `core` is the network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(ImageToTextPredictConfig):
    """Which run, and for which images."""

    images: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Image files (.jpg, .png); without any, one path per line from stdin."""


class Captions(ImageToText):
    """Describe an image in a sentence."""

    name = "captions"
    config = CaptionsConfig
    space = CAPTIONS
    card = ModelCard("Sees an image once, then describes it word by word.", USAGE)
    train_about = (
        "Train a network, record error and gradient flow, and keep everything in a run folder."
    )
    evaluate_about = (
        "Evaluate a trained network: BLEU, and the share of scenes described with all facts right."
    )
    next_commands = ("errorflow captions predict {run} IMAGE ...",)

    @property
    def verbs(self) -> list[Verb]:
        about = "Describe images, and draw each with its caption below."
        return [Verb("predict", about, PredictConfig, self._print_predictions)]

    def read_data(self, config: CaptionsConfig) -> Any:
        from ..datasets.image_text.captions import load_captions

        data = load_captions(
            config.data.dataset,
            config.data.data_dir,
            limit=config.data.limit,
            seed=config.optimisation.seed,
        )
        note_problems(data.problems)
        return data

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def read_images(self, path: Path, shape: Shape, **options: Any) -> Sequence[Any]:
        from ..datasets.images.image_folder import read_image

        return [read_image(path, shape[-1])]

    def _print_predictions(self, config: PredictConfig) -> None:
        usage = "errorflow captions predict takes images"
        images = lines_from([*map(str, config.images)], usage)
        if images:
            run = use_run(config.run, self.name)
            print_predictions(self.predict(run, images, config.top, config.beam, config.to))


TASK = Captions()
