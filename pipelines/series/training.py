"""Series: the training of a network, of its interval, and what it is exported with."""

from typing import Any

import keras
import numpy as np

from ..datasets.series.series_data import SeriesData
from ..datasets.series.series_split import SeriesProblem, SeriesSplit
from ..models import series_decoder
from ..models.recurrent import GATED, recurrent_layer
from ..models.recurrent_settings import RECURRENT
from ..models.series_convolution import layers_for, series_convolution
from ..models.series_dense import series_linear, series_mlp
from ..models.series_head import SeriesShape
from ..models.series_recurrent import series_recurrent
from ..models.series_serving import (
    QUANTILES,
    build_series_serving_model,
    set_interval,
)
from ..training.batching import Batches
from ..training.class_weights import balanced_loss
from ..training.few_examples import fit
from ..training.spec import TrainingSpec
from .config import SeriesConfig
from .exporting import export_inputs
from .linear_start import start_at_linear
from .measurement import BATCH, evaluate, predicted, sample_predictions

__all__ = ["build_training", "evaluate", "export_inputs", "sample_predictions"]

LARGEST_BATCH = 64  # of a training, unless --batch-size is larger
SHOWN = 20  # validation examples in TensorBoard
OF_INTERVAL = 1_024  # validation windows whose errors make the interval


def build_training(config: SeriesConfig, data: SeriesData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    settings, problem = config.network, data.train.problem
    shape = shape_of(config, problem)
    network = build_network(config, shape)
    if has_autoregression(config, shape):
        start_at_linear(network, data.train)
    serving_model = build_series_serving_model(network, problem, shape)
    size, passes = fit(
        config.optimisation.batch_size,
        len(data.train),
        largest=LARGEST_BATCH,
        epochs=SeriesConfig().optimisation.epochs,
    )
    seed, validation = config.optimisation.seed, batches_of(data.validation, shape, BATCH)
    has_own_interval = shape.classes or shape.quantiles > 1
    return TrainingSpec(
        network=network,
        serving_model=serving_model,
        train_data=batches_of(data.train, shape, size, seed, passes),
        validation_data=validation.in_order(),
        loss=loss_of(config, data.train, shape),
        metrics=[],
        weighted_metrics=["accuracy"] if shape.classes else None,
        monitor="val_loss",  # which differs more finely than the accuracy of a few series
        mode="min",
        is_recurrent=settings.model in RECURRENT,
        joined=series_decoder.joined(settings.layers or 1) if settings.decoder != "none" else {},
        sample_predictions=lambda: sample_predictions(
            serving_model, data.validation, data.labels, SHOWN
        ),
        gates_batch=validation.take(np.arange(min(64, len(data.validation))), shape.steps)[0]
        if settings.model in GATED
        else None,
        callbacks=lambda _: (
            [] if has_own_interval else [ValidationInterval(serving_model, data.validation)]
        ),
    )


def shape_of(config: SeriesConfig, problem: SeriesProblem) -> SeriesShape:
    """Return the shapes of a network."""
    return SeriesShape(
        steps=problem.steps,
        features=len(problem.columns),
        outputs=len(problem.targets),
        future=problem.future,
        classes=problem.kind == "classify",
        every_step=problem.every_step,
        quantiles=len(QUANTILES) if config.optimisation.loss == "quantile" else 1,
        padded=problem.padded,
    )


def has_autoregression(config: SeriesConfig, shape: SeriesShape) -> bool:
    """Return whether a linear forecast is added to that of the network."""
    settings = config.network
    reads_all = settings.model in ("mlp", "linear")
    return settings.autoregression and bool(shape.future) and not reads_all


def build_network(config: SeriesConfig, shape: SeriesShape) -> keras.Model:
    """Return the network of a config."""
    settings, seed = config.network, config.optimisation.seed
    size: dict[str, Any] = {"units": settings.units, "dropout": settings.dropout}
    if settings.model == "linear":
        return series_linear(shape)
    if settings.model == "mlp":
        return series_mlp(shape, layers=settings.layers or 2, **size)
    size["autoregression"] = has_autoregression(config, shape)
    if settings.model == "conv1d":
        layers = settings.layers or layers_for(shape.steps)
        return series_convolution(shape, layers=layers, **size)
    recurrent = recurrent_layer(settings.model, config.recurrent, longest=shape.steps, seed=seed)
    size |= {"layers": settings.layers or 1, "normalization": config.recurrent.normalization}
    if settings.decoder == "none":
        return series_recurrent(shape, recurrent, **size)
    has_attention = settings.decoder == "attention"
    return series_decoder.series_decoder(shape, recurrent, attention=has_attention, **size)


def batches_of(
    split: SeriesSplit, shape: SeriesShape, size: int, seed: int = 0, passes: int = 1
) -> Batches:
    """Return the batches of a split: scaled series, and their scaled targets or classes.

    Series with an answer at each step also have weights [B, T], 0 after their end, if some are
    shorter than others.
    """
    examples, scaling = split.examples, split.problem.scaling

    def take(chosen: np.ndarray, length: int) -> tuple[np.ndarray, ...]:
        past, target = examples.past(chosen), examples.target(chosen)
        x = scaling.inputs(past)
        if not shape.classes:
            target = np.nan_to_num(scaling.targets(target, past))
            target = target[..., None] if shape.quantiles > 1 else target
        if shape.padded and shape.every_step:
            return x, target, np.asarray(~np.isnan(past).all(axis=2), np.float32)
        return x, target

    return Batches(np.full(len(split), shape.steps), take, size, seed, passes=passes)


def loss_of(config: SeriesConfig, train: SeriesSplit, shape: SeriesShape) -> Any:
    """Return the loss of a config, as `compile` takes it."""
    if shape.classes:
        examples: Any = train.examples
        labels = examples.target()[examples.answered]
        return balanced_loss(labels, config.optimisation.balance, shape.outputs)
    return quantile_loss if shape.quantiles > 1 else config.optimisation.loss or "mse"


def quantile_loss(y: Any, predicted: Any) -> Any:
    """Return the mean of max(q (y - ŷ), (q - 1)(y - ŷ)) over quantiles (Koenker & Bassett 1978).

    Args:
        y: [B, …, K, 1].
        predicted: [B, …, K, Q].
    """
    q = keras.ops.convert_to_tensor(QUANTILES, predicted.dtype)
    error = y - predicted
    return keras.ops.mean(keras.ops.maximum(q * error, (q - 1) * error), axis=(-2, -1))


class ValidationInterval(keras.callbacks.Callback):
    """After each epoch, take the interval of the predictions from their errors on the validation.

    It is that of each future step and target, from the 10 % to the 90 % quantile of the errors.
    """

    def __init__(self, serving_model: keras.Model, validation: SeriesSplit):
        super().__init__()
        self.serving_model = serving_model
        count = min(OF_INTERVAL, len(validation))
        chosen = np.linspace(0, len(validation) - 1, count).astype(int)
        self.examples = validation.examples.only(chosen)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = predicted(self.serving_model, self.examples)["value"]
        set_interval(self.serving_model, self.examples.truth() - values)
