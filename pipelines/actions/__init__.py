"""Actions: predict the action in a clip, and in each of its frames.

errorflow actions train                      digits that move, turn or grow: two actions per clip
errorflow actions train --model rnn          compare its error flow
errorflow actions train --data-dir DIR       your own data: one folder of videos per class

Results on 1,000 test clips of moving digits, two cores, one seed: accuracy of clips, accuracy of
frames, training time. Always the most frequent action: 11.2 % and 12.0 %.

    errorflow actions train                  100.0 %   99.9 %   4 min
    errorflow actions train --model rnn       99.8 %   99.9 %   3 min
    errorflow actions train --model bag       99.5 %   99.9 %   3 min
    errorflow actions train --no-motion       97.1 %   83.5 %   5 min, other trainings in progress

With the difference between frames as input, a network hardly needs memory: the bag, which
classifies each frame separately, is nearly as good.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..core.errors import require
from ..core.run_folder import RunFolder
from ..training.answers import Row
from ..training.explanations import folder_of
from ..training.inputs import Reader, path_reader
from ..training.prediction import PIPES, ExplainSettings, Predictor, Request, predict
from ..training.task import BaseTask, ModelCard, Rows, TrainingFunctions, Verb
from ..training.verbs import config_of
from .config import SPACE, ActionsConfig

if TYPE_CHECKING:
    from ..training.export import Step

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, FRAMES, H, W, C]))  # pixels 0 … 255 → {"label": [B], "probabilities": [B, K]}
```

If the training data have labels of frames, there is also "frames", the probabilities of each frame,
[B, F, K]."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(ExplainSettings):
    """Which run, and for which videos."""

    videos: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Videos (.mp4, .gif, …), folders of frames, folders of these, globs, or tables of paths.
    Without any, or for -, one path per line from stdin."""
    video_column: str | None = None
    """Column of tables with the paths, by name or number (default: recognised)."""
    top: int = 3
    """Number of labels of the clip to show."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)


class Actions(BaseTask):
    """Predict the action in a clip, and in each of its frames."""

    name = "actions"
    config = ActionsConfig
    space = SPACE
    card = ModelCard(
        "Predicts the action in a clip and, where frames have labels, in each frame.", USAGE
    )
    train_about = (
        "Train a network, record error and gradient flow, and keep everything in a run folder."
    )
    evaluate_about = (
        "Evaluate a trained network: accuracy of clips and frames, a table per class, confusions."
    )
    next_commands = ("errorflow actions predict {run} VIDEO ...",)

    @property
    def verbs(self) -> list[Verb]:
        about = "Predict the labels of videos and, if trained on frame labels, of each frame."
        return [Verb("predict", f"{about} {PIPES}", PredictConfig, self._predict)]

    def read_data(self, config: ActionsConfig, found: Any = None) -> Any:
        from ..datasets.clips.clip_data import load_clips

        config.check_frame_size()
        return load_clips(
            config.data.dataset,
            config.data.data_dir,
            frames=config.data.frames,
            size=config.data.size,
            limit=config.data.limit,
            seed=config.optimisation.seed,
            ready_splits=config.data.ready_splits,
            found=found,
        )

    def check_requirements(self, config: ActionsConfig) -> None:
        from ..models.weight_source import check_source

        check_source(config.network, "cnn")

    def find_data(self, config: ActionsConfig) -> Any:
        """List the videos of a person's own data."""
        from ..datasets.clips.clip_folder import find_videos

        if config.data.data_dir is None:
            return None
        return find_videos(config.data.data_dir, ready_splits=config.data.ready_splits)

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str | Path],
        top: int = 3,
        explain: bool = False,
        explain_to: Path | None = None,
    ) -> Rows:
        """Return the labels of videos: {"video", "label", "probability", "probabilities"}.

        A network that was trained on labels of frames adds "frames", the label of each frame.

        Args:
            run: the run whose best model predicts.
            inputs: videos, or folders of frames.
            top: number of labels in "probabilities", the most probable ones.
            explain: add "explanation", the path of a picture of what the label of the clip depends
                on, and "importance", ‖dy/dx‖ of each frame.
            explain_to: folder for these pictures; None: explanations/ of the run.
        """
        folder = folder_of(run, explain, explain_to)
        return [*self.predictor(run, top=top).rows(inputs, folder)]

    def input_reader(self, column: str | None = None) -> Reader:
        from ..datasets.clips.videos import is_clip_folder, is_video
        from ..datasets.tables.columns import IMAGE

        role = IMAGE._replace(name="video", usual=("video", *IMAGE.usual))
        return path_reader(column, is_video, is_clip_folder, role)

    def predictor(self, run: RunFolder, top: int = 3) -> Predictor:
        """Load the best model of a run, to predict labels of videos."""
        import numpy as np

        from ..datasets.clips.videos import read_clip
        from ..models.serving import labels_in, load
        from ..training.evaluation import most_probable
        from .explanation import explain

        settings, model = config_of(self, run).data, load(run.best)
        labels, shape = labels_in(model), (settings.size, settings.size, model.input_shape[-1])

        def answer(videos: Sequence[str], clips: Sequence[Any]) -> Iterator[dict[str, Any]]:
            for video, clip in zip(videos, clips, strict=True):
                outputs = model(clip[None].astype(np.float32))
                row: dict[str, Any] = {"video": video}
                row |= most_probable(outputs["probabilities"][0].numpy(), labels, top)
                if "frames" in outputs:
                    row["frames"] = [labels[i] for i in outputs["frames"][0].numpy().argmax(axis=1)]
                yield row

        return Predictor(
            lambda video: read_clip(Path(video), settings.frames, shape),
            answer,
            batch=1,
            explain=functools.partial(explain, model),
            raw=lambda clip: clip[None].astype(np.float32),
        )

    def input_steps(self, config: ActionsConfig) -> "tuple[Step, ...]":
        from ..training.export_steps import step

        spacing = "even, from the first frame to the last"
        return (step("take_frames", count=config.data.frames, spacing=spacing),)

    def _predict(self, config: PredictConfig) -> int:
        reader = self.input_reader(config.video_column)
        explain = config.explain, config.explain_to
        options = {"top": config.top}
        request = Request(config.videos, reader, options, _in_words, config.top, *explain)
        return predict(self, config, request)


def _in_words(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the labels of each clip and, if it has them, those of its frames."""
    from .training import in_runs

    for row in rows:
        labels = [f"{label} {p:.3f}" for label, p in row["probabilities"].items()]
        yield "\t".join([row["video"], *labels])
        if "frames" in row:
            yield "\tframe by frame: " + in_runs(row["frames"])


TASK = Actions()
