"""The long-lag laboratory's training: network, endless batches, and the paper's success."""

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...layers import Chrono
from ..core.run_folder import Run, read_history
from ..datasets.lags.notation import written
from ..datasets.lags.problems import SEEDS_APART, Drawn, Endless, LagData, Part, Problem
from ..models.recurrent import CELLS, GATED, series_to_value
from ..models.serving import label_outputs
from ..training import evaluation as scores
from ..training.batching import stream
from ..training.export import CORE, Probe
from ..training.loop import Job

if TYPE_CHECKING:
    from . import LagsConfig

BATCH = 512  # sequences at once where nothing is trained


def build(config: "LagsConfig", problem: Problem) -> keras.Model:
    """The network a config describes, x [B, T, D] → [B, C], or [B, T, C]."""
    arguments: dict[str, Any] = {}
    if config.model in GATED and config.chrono:
        bias = Chrono(config.chrono * problem.longest, config.model, seed=config.seed)
        arguments = {"bias_initializer": bias}
        if config.model != "gru":
            arguments["unit_forget_bias"] = False
    return series_to_value(
        CELLS[config.model],
        features=problem.features,
        outputs=problem.outputs,
        classes=bool(problem.labels),
        padded=problem.padded,
        every_step=problem.every_step,
        direct=config.direct or 0.0,
        units=config.units,
        layers=config.layers,
        **arguments,
    )


def build_serving_model(core: keras.Model, problem: Problem) -> keras.Model:
    """x [B, T, D] → {"value": [B, 1]}, or {"label": [B], "probabilities": [B, C]}, at the end."""
    series = keras.Input([None, problem.features], name="series")
    y = core(series)
    last = y[:, -1] if problem.every_step else y
    outputs = label_outputs(last, problem.labels) if problem.labels else {"value": last}
    return keras.Model(series, outputs, name="serving_model")


def make_job(run: Run, config: "LagsConfig", data: LagData) -> Job:
    """Network, batches, loss and metrics of a training."""
    problem = data.train.problem
    core = build(config, problem)
    package = build_serving_model(core, problem)
    success, size = Success(run, config, problem), int(config.batch_size or 1)
    return Job(
        run=run,
        config=config,
        core=core,
        package=package,
        feed=Draws(problem, size, config.seed),
        validation=tf.data.Dataset.from_tensor_slices((data.validation.x, data.validation.y)).batch(
            len(data.validation)
        ),
        loss="categorical_crossentropy" if problem.labels else "mse",
        metrics=[keras.metrics.MeanMetricWrapper(wrong(problem), name="wrong")],
        monitor="progress" if problem.in_a_row else "val_wrong",
        mode="max" if problem.in_a_row else "min",
        watchers=[success] if problem.in_a_row else [],
        samples=lambda: sample(package, data.validation, data.labels, 10),
        gates_on=data.validation.x[:64] if config.model in GATED else None,
    )


def wrong(problem: Problem) -> Any:
    """(y, given) → 1 for each sequence that is not answered right, else 0: [N]. NaN is wrong."""

    def count(y, given):
        if problem.labels and not problem.in_a_row:  # no criterion of the paper: the likeliest
            likeliest = keras.ops.argmax(y, -1) == keras.ops.argmax(given, -1)
            right = likeliest & keras.ops.all(keras.ops.isfinite(given), -1)
        else:
            error = keras.ops.abs(given - y)
            if problem.judged == "last":
                error = error[:, -1]
            within = error < problem.tolerance  # each by itself: XLA's max passes over NaN
            right = keras.ops.all(within, axis=tuple(range(1, len(error.shape))))
        return 1.0 - keras.ops.cast(right, "float32")

    return count


@dataclasses.dataclass
class Draws:
    """Training batches, drawn anew in every epoch, the same way for the same seed."""

    problem: Problem
    size: int
    seed: int
    epoch: int = 0

    @property
    def steps(self) -> int:
        return max(1, self.problem.epoch // self.size)

    def dataset(self) -> tf.data.Dataset:
        def generate() -> Iterator[Drawn]:
            random = np.random.default_rng([self.seed, self.epoch])
            return (self.problem.draw(random, self.size) for _ in range(self.steps))

        like = self.problem.draw(np.random.default_rng(0), self.size)
        signature = tuple(tf.TensorSpec([None, *a.shape[1:]], tf.float32) for a in like)
        return stream(generate, signature, self.steps)


class Success(keras.callbacks.Callback):
    """Stops when the problem is solved by the paper's criterion, and counts every sequence.

    Enough training sequences in a row were right, each when it was trained on; batches count as a
    whole: one wrong sequence, and the count begins anew. Then so many fresh sequences must be right
    as the problem says. `results.json` gets `sequences`, up to and including the last one trained
    on, and `solved`; each epoch's row gets `in_a_row`, the longest row so far: the fresh ones count
    in it, so that none is longer than the one that solves the problem. `progress`, which says the
    best epoch, adds what decides between rows of one length: 1 / (1 + validation loss). A resumed
    run knows all of this, but begins to count a row anew; if it was solved, it stays so.
    """

    def __init__(self, run: Run, config: "LagsConfig", problem: Problem):
        super().__init__()
        self.run, self.problem, self.size = run, problem, int(config.batch_size or 1)
        self.random = np.random.default_rng([SEEDS_APART, config.seed])
        known = run.results()
        self.solved, self.sequences = known.get("solved", False), known.get("sequences", 0)
        self.in_a_row = 0
        self.longest = max((int(row["in_a_row"]) for row in read_history(run)), default=0)

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * max(1, self.problem.epoch // self.size) * self.size
        self.wrong = 0

    def on_train_batch_end(self, batch, logs=None):
        if self.solved:
            self.model.stop_training = True
            return
        wrong = float((logs or {})["wrong"]) * (batch + 1) * self.size  # of the epoch so far
        self.sequences = self.before + (batch + 1) * self.size
        self.in_a_row = self.in_a_row + self.size if wrong < self.wrong + 0.5 else 0
        self.wrong = wrong
        self.longest = max(self.longest, self.in_a_row)
        if self.in_a_row >= self.problem.in_a_row and self._stands():
            self.longest = max(self.longest, self.in_a_row + self.problem.tested)
            self.solved = self.model.stop_training = True

    def on_epoch_end(self, epoch, logs: Any = None):
        logs["in_a_row"] = self.longest
        logs["progress"] = self.longest + 1 / (1 + logs.get("val_loss", math.inf))
        self.run.update(solved=self.solved, sequences=self.sequences)

    def on_train_end(self, logs=None):
        problem, paper = self.problem, self.problem.paper
        told = (
            f"solved after {self.sequences:,}"
            if self.solved
            else f"not solved by {self.sequences:,}"
        )
        print(f"{problem.name}: {told} sequences" + (f" (paper: {paper:,})" if paper else ""))

    def _stands(self) -> bool:
        """Are fresh sequences right too?"""
        for count in [BATCH] * (self.problem.tested // BATCH) + [self.problem.tested % BATCH]:
            if count:
                drawn = self.problem.draw(self.random, count)
                if np.any(wrong(self.problem)(drawn.y, self.model.predict_on_batch(drawn.x))):
                    return False
        return True


def measure(package: keras.Model, part: Part | Endless, labels: list[str]) -> scores.Scores:
    """How many sequences are answered wrong and, where it is a number, how far off."""
    part = part.kept()
    problem = part.problem
    given = package.get_layer(CORE).predict(part.x, batch_size=BATCH, verbose=0)
    if not problem.labels:
        found = scores.Scores({}).adding(mse=np.mean((given - part.y) ** 2))
    elif labels:
        found = scores.score(part.y.argmax(axis=1), given.argmax(axis=1), labels)
    else:
        found = scores.Scores({})
    if not problem.in_a_row:
        return found
    return found.adding(wrong=np.mean(wrong(problem)(part.y, given)))


def sample(package: keras.Model, part: Part | Endless, labels: list[str], count: int = 100) -> list:
    """The first sequences with what is right and what the model says."""
    part = part.kept()
    given = package(part.x[:count])
    last = part.y[:count, -1] if part.problem.every_step else part.y[:count]
    if part.problem.labels:
        true = [part.problem.labels[row.argmax()] for row in last]
        said = [label.decode() for label in given["label"].numpy()]
    else:
        true, said = [
            [f"{v:.3f}" for v in values[:, 0]] for values in (last, given["value"].numpy())
        ]
    return [
        {"sequence": written(part.problem, x), "right": t, "given": s}
        for x, t, s in zip(part.x, true, said, strict=False)
    ]


def probe(package: keras.Model) -> Probe:
    """Two sequences of noise, to compare an exported network's answers on."""
    features = package.input_shape[-1]
    x = np.random.default_rng(0).normal(size=(2, 9, features)).astype("float32")
    outputs = [name for name in ("probabilities", "value") if name in package.output]
    return Probe(
        inputs=tf.constant(x),
        core_inputs=x,
        meaning={"input": "sequences", "shape": ["batch", "steps", features]},
        meaning_file="input.json",
        answer=outputs[0],
    )
