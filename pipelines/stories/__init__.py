"""Stories: write the story of a sequence of images (Huang et al. 2016, "Visual Storytelling").

errorflow stories train                      scenes of handwritten digits and the events in them
errorflow stories train --no-attention       from the last state of the encoder only
errorflow stories train --data-dir DIR       your own data: images and stories.jsonl

Results on 800 test stories, two cores, one seed: the share of stories with all events in order, for
plots that occur in training ("seen") and for the others ("unseen"); BLEU.

                                             seen     unseen   BLEU
    errorflow stories train                 95.8 %   95.5 %   99.4   20 min, 4 of them pretraining
    errorflow stories train --model lstm    96.3 %   94.8 %   99.5   21 min, tests in progress
    errorflow stories train --model rnn     93.5 %   91.8 %   99.2   15 min, tests in progress
    errorflow stories train --no-attention   7.3 %    4.0 %   70.3   12 min

Always predicting the most frequent events is correct for 0.25 %; always the most frequent story has
a BLEU of 33.0. More than half of the errors are in the first sentence: a misread digit.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..core.errors import require
from ..image_to_text.space import STORIES
from ..image_to_text.task import ImageToText, ImageToTextPredictConfig, Shape
from ..training.inputs import Reader, path_reader
from ..training.prediction import PIPES
from ..training.task import ModelCard, TrainingFunctions, Verb
from .config import StoriesConfig

FRAMES = 5  # images of a video, the number in the embedded stories
if TYPE_CHECKING:
    from ..datasets.image_text.layout import Layout

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, F, H, W, C]))  # pixels 0 … 255 → {"answers": [B, W] strings, "scores": [B, W]}
```

The best story comes first. Scores are log-probabilities over ((5 + words) / 6)^length_norm. In a
batch, pad shorter sequences with images of -1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(ImageToTextPredictConfig):
    """Which run, and for which images."""

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Folders of images, in the order of the numbers in their names, videos (.mp4, .gif, …),
    folders of these, globs, or tables of paths. Without any, or for -, one path per line from
    stdin."""
    frames: int | None = None
    """Number of images to take, evenly spaced (default: all of a folder, 5 of a video)."""

    def check(self) -> None:
        super().check()
        require(self.frames is None or self.frames >= 2, "frames", "2 or more", self.frames)


class Stories(ImageToText):
    """Write the story of a sequence of images."""

    name = "stories"
    config = StoriesConfig
    space = STORIES
    card = ModelCard(
        "Reads several images in their order, then describes what happens: an encoder-decoder.",
        USAGE,
    )
    train_about = (
        "Train an encoder-decoder, record the error flow, and keep everything in a run folder."
    )
    evaluate_about = (
        "Evaluate a trained network: BLEU, and the share of stories with all events in order."
    )
    next_commands = ("errorflow stories predict {run} FOLDER ...",)

    @property
    def verbs(self) -> list[Verb]:
        about = "Write stories of image sequences, and draw each below its images."
        return [Verb("predict", f"{about} {PIPES}", PredictConfig, self._predict)]

    def read_data(self, config: StoriesConfig, found: Any = None) -> Any:
        from ..datasets.image_text.stories import load_stories

        return load_stories(
            config.data.dataset,
            config.data.data_dir,
            limit=config.data.limit,
            seed=config.optimisation.seed,
            ready_splits=config.data.ready_splits,
            encoding=config.data.encoding,
            found=found,
        )

    def layout(self, config: StoriesConfig) -> "Layout":
        from ..datasets.image_text.stories import LAYOUT

        return LAYOUT._replace(encoding=config.data.encoding)

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def read_images(
        self, path: Path, shape: Shape, frames: int | None = None, **options: Any
    ) -> Sequence[Any]:
        from ..datasets.clips.videos import frame_files, read_clip, spaced_indices
        from ..datasets.images.image_folder import read_image

        files = frame_files(path)
        if len(files) < 2:
            return [*read_clip(path, frames or FRAMES, shape)]
        chosen = spaced_indices(len(files), frames or len(files))
        return [read_image(files[place], shape[-1]) for place in chosen]

    def input_reader(self, column: str | None = None) -> Reader:
        from ..datasets.clips.videos import is_clip_folder, is_video

        return path_reader(column, is_video, is_clip_folder)

    def _predict(self, config: PredictConfig) -> int:
        reader = self.input_reader(config.image_column)
        return self.print_predictions(config, config.inputs, reader, frames=config.frames)


TASK = Stories()
