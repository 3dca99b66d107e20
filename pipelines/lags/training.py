"""Training on long time lags: network, endless batches, and the paper's criterion of success."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..core.console import say
from ..core.run_folder import RunFolder, read_history
from ..datasets.lags.lag_data import LagData
from ..datasets.lags.notation import format_sequence
from ..datasets.lags.problems import Problem
from ..datasets.lags.sequences import SEED_STREAM, LagSplit, LagStream
from ..models.recurrent import GATED, recurrent_layer, series_to_value
from ..models.serving import label_outputs, labels_in, make_serving_model
from ..training.evaluation import Scores, score_labels
from ..training.export import ExportInputs, Steps
from ..training.export_steps import label_steps, step
from ..training.feeding import in_order
from ..training.network_parts import CORE
from ..training.spec import TrainingSpec
from .batches import EndlessBatches
from .config import LagsConfig

BATCH = 512  # sequences per batch of an evaluation


def build(config: LagsConfig, problem: Problem) -> keras.Model:
    """Build the network of a config: x [B, T, D] → [B, C], or [B, T, C]."""
    settings, seed = config.network, config.optimisation.seed
    return series_to_value(
        recurrent_layer(settings.model, config.recurrent, longest=problem.longest, seed=seed),
        features=problem.features,
        outputs=problem.outputs,
        classes=bool(problem.labels),
        padded=problem.padded,
        every_step=problem.every_step,
        direct=settings.direct or 0.0,
        units=settings.units,
        layers=settings.layers,
    )


def build_serving_model(network: keras.Model, problem: Problem) -> keras.Model:
    """x [B, T, D] → {"value": [B, 1]}, or {"label": [B], "probabilities": [B, C]}, at the end."""
    series = keras.Input([None, problem.features], name="series")

    def answer(series: Any) -> dict[str, Any]:
        y = network(series)
        last = y[:, -1] if problem.every_step else y
        return label_outputs(last, problem.labels) if problem.labels else {"value": last}

    return make_serving_model(series, answer)


def build_training(config: LagsConfig, data: LagData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    problem, validation = data.train.problem, data.validation
    network = build(config, problem)
    served = build_serving_model(network, problem)
    sequences = tf.data.Dataset.from_tensor_slices((validation.x, validation.y))
    return TrainingSpec(
        network=network,
        serving_model=served,
        train_data=EndlessBatches(
            problem, int(config.optimisation.batch_size or 1), config.optimisation.seed
        ),
        validation_data=in_order(sequences, len(validation), len(validation)),
        loss="categorical_crossentropy" if problem.labels else "mse",
        metrics=[keras.metrics.MeanMetricWrapper(wrong(problem), name="wrong")],
        monitor="progress" if problem.in_a_row else "val_wrong",
        mode="max" if problem.in_a_row else "min",
        callbacks=lambda run: [Success(run, config, problem)] if problem.in_a_row else [],
        sample_predictions=lambda: sample_predictions(served, validation, data.labels, 10),
        gates_batch=validation.x[:64] if config.network.model in GATED else None,
    )


def wrong(problem: Problem) -> Any:
    """Return a metric: (y, y_pred) → [N], 1 for each wrong sequence, else 0. NaN is wrong."""

    def count(y, y_pred):
        if problem.labels and not problem.in_a_row:  # the paper has no criterion: argmax
            likeliest = keras.ops.argmax(y, -1) == keras.ops.argmax(y_pred, -1)
            right = likeliest & keras.ops.all(keras.ops.isfinite(y_pred), -1)
        else:
            error = keras.ops.abs(y_pred - y)
            if problem.judged == "last":
                error = error[:, -1]
            within = error < problem.tolerance  # each by itself: XLA's max passes over NaN
            right = keras.ops.all(within, axis=tuple(range(1, len(error.shape))))
        return 1.0 - keras.ops.cast(right, "float32")

    return count


class Success(keras.callbacks.Callback):
    """Stop when the problem is solved by the paper's criterion, and count every sequence.

    The criterion: enough training sequences in a row are predicted correctly, each by the step that
    trains on it (a batch counts as a whole: one wrong sequence resets the count), and then also the
    number of new sequences that the problem requires. `results.json` gets `solved` and `sequences`,
    the number of training sequences. Each epoch's row of the history gets `in_a_row`, the longest
    row of correct sequences so far; new sequences are added to it, so that the row that solves the
    problem is the longest. `progress`, by which the best epoch is chosen, is `in_a_row` plus
    1 / (1 + validation loss), which decides between equal rows. A resumed run keeps these values
    but resets the count of the current row; a solved run stays solved.
    """

    def __init__(self, run: RunFolder, config: LagsConfig, problem: Problem):
        super().__init__()
        self.run, self.problem, self.size = run, problem, int(config.optimisation.batch_size or 1)
        self.random = np.random.default_rng([SEED_STREAM, config.optimisation.seed])
        results = run.results()
        self.solved, self.sequences = results.get("solved", False), results.get("sequences", 0)
        self.in_a_row = 0
        self.longest = max((int(row["in_a_row"]) for row in read_history(run)), default=0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.before = epoch * max(1, self.problem.epoch // self.size) * self.size
        self.wrong = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.solved:
            self.model.stop_training = True
            return
        wrong = float((logs or {})["wrong"]) * (batch + 1) * self.size  # of the epoch so far
        self.sequences = self.before + (batch + 1) * self.size
        self.in_a_row = self.in_a_row + self.size if wrong < self.wrong + 0.5 else 0
        self.wrong = wrong
        self.longest = max(self.longest, self.in_a_row)
        if self.in_a_row >= self.problem.in_a_row and self._solves_new_sequences():
            self.longest = max(self.longest, self.in_a_row + self.problem.tested)
            self.solved = self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["in_a_row"] = self.longest
        logs["progress"] = self.longest + 1 / (1 + logs.get("val_loss", math.inf))
        self.run.update(solved=self.solved, sequences=self.sequences)

    def on_train_end(self, logs: Any = None) -> None:
        problem, paper = self.problem, self.problem.paper
        outcome = (
            f"solved after {self.sequences:,}"
            if self.solved
            else f"not solved by {self.sequences:,}"
        )
        say(f"{problem.name}: {outcome} sequences" + (f" (paper: {paper:,})" if paper else ""))

    def _solves_new_sequences(self) -> bool:
        """Return whether all of the new sequences that the problem requires are correct."""
        for count in [BATCH] * (self.problem.tested // BATCH) + [self.problem.tested % BATCH]:
            if count:
                drawn = self.problem.draw(self.random, count)
                if np.any(wrong(self.problem)(drawn.y, self.model.predict_on_batch(drawn.x))):
                    return False
        return True


def evaluate(serving_model: keras.Model, split: LagSplit | LagStream, labels: list[str]) -> Scores:
    """Return the share of wrong sequences and, if targets are numbers, the mean squared error."""
    sequences = split.sample()
    problem = sequences.problem
    network = serving_model.get_layer(CORE)
    outputs = network.predict(sequences.x, batch_size=BATCH, verbose=0)
    if not problem.labels:
        scores = Scores({}).with_figures(mse=np.mean((outputs - sequences.y) ** 2))
    elif labels:
        scores = score_labels(sequences.y.argmax(axis=1), outputs.argmax(axis=1), labels)
    else:
        scores = Scores({})
    if not problem.in_a_row:
        return scores
    return scores.with_figures(wrong=np.mean(wrong(problem)(sequences.y, outputs)))


def sample_predictions(
    serving_model: keras.Model, split: LagSplit | LagStream, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first sequences with the target and the prediction."""
    sequences = split.sample()
    problem = sequences.problem
    outputs = serving_model(sequences.x[:count])
    y = sequences.y[:count, -1] if problem.every_step else sequences.y[:count]
    if problem.labels:
        targets = [problem.labels[row.argmax()] for row in y]
        predictions = [label.decode() for label in outputs["label"].numpy()]
    else:
        targets, predictions = [
            [f"{v:.3f}" for v in values[:, 0]] for values in (y, outputs["value"].numpy())
        ]
    return [
        {"sequence": format_sequence(problem, x), "target": target, "prediction": prediction}
        for x, target, prediction in zip(sequences.x, targets, predictions, strict=False)
    ]


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return two sequences of noise, to compare an exported model's outputs on."""
    features, core = serving_model.input_shape[-1], serving_model.get_layer(CORE)
    labels = labels_in(serving_model) if "label" in serving_model.output else []
    last = [step("take_last")] if len(core.output_shape) == 3 else []
    x = np.random.default_rng(0).normal(size=(2, 9, features)).astype("float32")
    return ExportInputs(
        inputs=tf.constant(x),
        meaning={"input": "sequences", "shape": ["batch", "steps", features], "labels": labels},
        meaning_file="input.json",
        steps=Steps(after=(*last, *(label_steps() if labels else ()))),
    )
