"""Captions: describe an image in a sentence (Vinyals et al. 2015, "Show and Tell").

errorflow captions train                     scenes of handwritten digits, in plain English
errorflow captions train --model rnn         compare its error flow
errorflow captions train --data-dir DIR      your own: images and captions.jsonl, or a table

Results on 1,000 test scenes, two cores, one seed: the share of captions with all facts correct, for
scenes whose combination of facts occurs in training ("seen") and for the others ("unseen"); BLEU.

                                             seen     unseen   BLEU
    errorflow captions train                98.2 %   92.2 %   98.4   14 min, 6 of them pretraining
    errorflow captions train --model rnn    96.0 %   78.0 %   95.3   12 min

Always predicting the most frequent facts is correct for 1.4 %; always the most frequent caption has
a BLEU of 20.8.

With half the images, and the same caption of each image in all epochs, the shares were 93.8 % and
76.8 %: the network memorised the captions. Without pretraining they were then 87.8 % and 12.2 %: a
decoder that is trained before the digits can be distinguished learns which digits never occur with
a count and size, and later trusts that more than the image.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..core.run_folder import RunFolder
from ..image_to_text.space import CAPTIONS
from ..image_to_text.task import ImageToText, ImageToTextPredictConfig, Shape
from ..training.explanations import folder_of
from ..training.inputs import Reader, path_reader
from ..training.prediction import PIPES, ExplainSettings
from ..training.task import ModelCard, TrainingFunctions, Verb
from .config import CaptionsConfig

if TYPE_CHECKING:
    from ..datasets.image_text.caption_tables import Columns
    from ..datasets.image_text.layout import Layout

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, H, W, C]))  # pixels 0 … 255 → {"answers": [B, W] strings, "scores": [B, W]}
```

The best caption comes first. Scores are log-probabilities over ((5 + words) / 6)^length_norm.
`model.get_layer("search")` has `width`, `length_norm` and `longest`; its `core` is the network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(ImageToTextPredictConfig, ExplainSettings):
    """Which run, and for which images."""

    images: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Image files, folders, globs, or tables of paths. Without any, or for -, one path per line
    from stdin."""


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
        about = "Write captions of images, and draw each image with its caption below."
        return [Verb("predict", f"{about} {PIPES}", PredictConfig, self._predict)]

    def write_data(self, config: CaptionsConfig, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.image_text.python_data import write_captions

        write_captions(data, folder, config.data.image_column, config.data.caption_column)
        return {"image_column": None, "caption_column": None, "encoding": None}

    def read_data(self, config: CaptionsConfig, found: Any = None) -> Any:
        from ..datasets.image_text.captions import load_captions

        data = config.data
        return load_captions(
            data.dataset,
            data.data_dir,
            limit=data.limit,
            seed=config.optimisation.seed,
            ready_splits=data.ready_splits,
            columns=_columns(config),
            found=found,
        )

    def layout(self, config: CaptionsConfig) -> "Layout":
        from ..datasets.image_text.captions import layout

        return layout(_columns(config), config.data.ready_splits)

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def read_images(self, path: Path, shape: Shape, **options: Any) -> Sequence[Any]:
        from ..datasets.images.image_folder import read_image

        return [read_image(path, shape[-1])]

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str | Path],
        top: int = 1,
        beam: int | None = None,
        to: Path | None = None,
        explain: bool = False,
        explain_to: Path | None = None,
        **options: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield the best captions; arguments as in `ImageToText.predict`, and two more.

        Args:
            explain: add "explanation", the path of a picture of what the best caption depends on.
            explain_to: folder for these pictures; None: explanations/ of the run.
        """
        folder = folder_of(run, explain, explain_to)
        return self.predictor(run, top=top, beam=beam, to=to, **options).rows(inputs, folder)

    def explain_function(self) -> Any:
        from .explanation import explain

        return explain

    def input_reader(self, column: str | None = None) -> Reader:
        from ..datasets.images.image_formats import is_image

        return path_reader(column, is_image, lambda folder: False)

    def _predict(self, config: PredictConfig) -> int:
        reader = self.input_reader(config.image_column)
        explain = config.explain, config.explain_to
        return self.print_predictions(config, config.images, reader, explain)


def _columns(config: CaptionsConfig) -> "Columns":
    from ..datasets.image_text.caption_tables import Columns

    return Columns(config.data.image_column, config.data.caption_column, config.data.encoding)


TASK = Captions()
