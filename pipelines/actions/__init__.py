"""Actions: frames in, one label for the clip out, and a label for each frame.

errorflow actions train                      digits that move, turn, grow: two actions a clip
errorflow actions train --model rnn          and look at the error flow
errorflow actions train --data-dir DIR       your own: one folder of films per class

Measured on 1,000 test clips of moving digits, two cores, one seed: accuracy of clips and of frames.
The most frequent action is right for 11.2 % and 12.0 %.

    errorflow actions train                  100.0 %   99.9 %   4 min
    errorflow actions train --model rnn       99.8 %   99.9 %   3 min
    errorflow actions train --model bag       99.5 %   99.9 %   3 min
    errorflow actions train --no-motion       97.1 %   83.5 %   5 min, other trainings beside it

Whoever sees each frame's change from the one before hardly needs a memory: the bag, which takes
each frame by itself, is nearly as good.
"""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..core.config import CommonConfig, RunChoice, UserError, require
from ..core.space import TRAINING, Choice, Range, Space
from ..models.zoo import MODELS
from ..search.config import SearchConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig

if TYPE_CHECKING:
    Network = str
else:
    Network = Literal[tuple(MODELS)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionsConfig(CommonConfig):
    """Settings of a training on clips."""

    dataset: str | None = None
    """Prepared TFDS set of films and class labels, such as ucf101 (default: moving digits)."""
    data_dir: Path | None = None
    """Your own data: a folder with one sub-folder of films (.mp4, .gif, folders of frames) per
    class."""
    frames: int = 16
    """Frames of a clip, evenly spaced over its film."""
    size: int = 32
    """Height and width that frames are brought to."""

    model: Literal["bag", "rnn", "lstm", "gru"] = "lstm"
    """What goes through the frames; bag takes each by itself, and their mean for the clip."""
    cnn: Network = "lenet5"
    """Convolutions that look at each frame; errorflow zoo lists them."""
    width: float = 2.0
    """Multiplies their number of channels."""
    motion: bool = True
    """Show the convolutions each frame's change from the one before, beside the frame."""
    features: int = 128
    """Size of what they make of a frame."""
    units: int = 128
    """Size of a hidden layer."""
    layers: int = 1
    """Hidden layers."""
    dropout: float = 0.2
    """Share of a frame's features and of each layer's output left out in training."""

    epochs: int = 15
    """Passes over the training data at most."""
    learning_rate: float = 2e-3
    """Learning rate at the start."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """cosine: lower the learning rate to 0 over all epochs; step: to a tenth after half of them and
    again after three quarters."""
    batch_size: int = 32
    """Clips per step."""

    @property
    def kind(self) -> str:
        return self.model

    def check(self) -> None:
        super().check()
        for key in ("features", "units", "layers", "size"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(self.frames >= 2, "frames", "2 or more", self.frames)
        require(self.width > 0, "width", "above 0", self.width)
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)


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
    "batch_size": Choice(16, 32, 64),
    **TRAINING,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunChoice):
    """Which run, and for which films."""

    films: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Films (.mp4, .gif, …) or folders of frames; without any, one path per line from stdin."""
    top: int = 3
    """Labels of the clip to show."""

    def check(self) -> None:
        require(self.top >= 1, "top", "1 or more", self.top)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, ActionsConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: ActionsConfig) -> None:
    """Train a network, watch error and gradient flow, and keep everything in a run folder."""
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network: accuracy of clips and frames, a table per class, confusions."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Say what is done in films: the likeliest labels of each and, if trained, frame by frame."""
    usage = "errorflow actions predict takes films"
    films = [Path(film) for film in shared.lines_of([*map(str, config.films)], usage)]
    if not films:
        return
    run, trained = shared.choose(TASK, config)
    import numpy as np

    from ..datasets.clips.videos import read_clip
    from ..models.serving import labels_in, load
    from .training import in_runs

    package = load(run.best)
    labels, channels = labels_in(package), package.input_shape[-1]
    shape = trained.size, trained.size, channels
    clips = [read_clip(film, trained.frames, shape) for film in films]
    for film, clip in zip(films, clips, strict=True):
        given = package(clip[None].astype(np.float32))
        row = given["probabilities"][0].numpy()
        best = [f"{labels[i]} {row[i]:.3f}" for i in (-row).argsort()[: config.top]]
        print(film, *best, sep="\t")
        if "frames" in given:
            said = [labels[i] for i in given["frames"][0].numpy().argmax(axis=1)]
            print("", "frame by frame: " + in_runs(said), sep="\t")


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def read_data(config: ActionsConfig) -> Any:
    """The `ClipData` a config speaks of; tells on stderr what was left out."""
    from ..datasets.clips.clip_data import load_clips

    least = MODELS[config.cnn].min_size
    if config.size < least:
        raise UserError(f"--size {config.size}: {config.cnn} takes {least} pixels or more")
    data = load_clips(
        config.dataset,
        config.data_dir,
        frames=config.frames,
        size=config.size,
        limit=config.limit,
        seed=config.seed,
    )
    shared.tell(data.problems)
    return data


TASK = shared.Task(
    name="actions",
    config=ActionsConfig,
    read_data=read_data,
    tools="actions.training",
    about="Tells what is done in a clip and, where frames have labels, in each frame.",
    usage="""\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, FRAMES, H, W, C]))  # pixels 0 … 255 → {"label": [B], "probabilities": [B, K]}
```

Where it learned from labels of frames, "frames" are the probabilities of each, [B, F, K].""",
    next=["errorflow actions predict {run} FILM ..."],
    space=SPACE,
)
VERBS = {"train": train, "evaluate": evaluate, "tune": tune, "predict": predict, "export": export}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
