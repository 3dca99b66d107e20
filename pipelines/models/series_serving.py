"""Serving models for time series: values in the units of the data in, and out."""

from typing import Any

import keras
import numpy as np

from ...layers.series import PredictionInterval, ScaleSeries, UnscaleSeries
from ..datasets.series.scaling import Scaling
from ..datasets.series.series_split import SeriesProblem
from .series_head import SeriesShape
from .serving import label_outputs, make_serving_model

LOW, MIDDLE, HIGH = QUANTILES = (0.1, 0.5, 0.9)  # of an interval that holds 80 % of the values
INTERVAL = "interval"  # name of the layer with the bounds


def build_series_serving_model(
    core: keras.Model, problem: SeriesProblem, shape: SeriesShape
) -> keras.Model:
    """x [B, P, D] → {"value", "low", "high": [B, …, K]}, or {"label": [B, …], "probabilities"}.

    Missing steps are nan. The scaling of the training data is inside.

    Args:
        core: the network, of scaled series.
        problem: what is read and predicted.
        shape: of the network's inputs and outputs.
    """
    series = keras.Input([shape.steps, shape.features], name="series")
    scaling = problem.scaling
    scale = ScaleSeries(
        scaling.mean.tolist(),
        scaling.deviation.tolist(),
        scaling.relative,
        problem.columns,
        problem.frequency,
        problem.padded,
        name="scale",
    )

    def answer(series: Any) -> dict[str, Any]:
        y = core(scale(series))
        if shape.classes:
            return label_outputs(y, problem.targets)
        return _values(_unscale(scaling, problem, shape)(y, series), shape)

    return make_serving_model(series, answer)


def _unscale(scaling: Scaling, problem: SeriesProblem, shape: SeriesShape) -> UnscaleSeries:
    return UnscaleSeries(
        scaling.target_mean.tolist(),
        scaling.target_deviation.tolist(),
        relative=scaling.relative > 0,
        quantiles=shape.quantiles > 1,
        targets=problem.targets,
        name="unscale",
    )


def _values(y: Any, shape: SeriesShape) -> dict[str, Any]:
    """Return the value and the bounds of its interval; quantiles never cross."""
    if shape.quantiles == 1:
        return {"value": y, **PredictionInterval(name=INTERVAL)(y)}
    low, middle, high = (y[..., place] for place in range(3))
    return {
        "value": middle,
        "low": keras.ops.minimum(low, middle),
        "high": keras.ops.maximum(high, middle),
    }


def set_interval(serving_model: keras.Model, errors: np.ndarray) -> None:
    """Take the 10 % and 90 % quantiles of errors, [N, …, K], as the bounds of the interval.

    Args:
        serving_model: a model without quantiles of its own.
        errors: true minus predicted values; nan where there is none.
    """
    known = np.where(np.isnan(errors).all(axis=0), 0.0, errors)
    layer: Any = serving_model.get_layer(INTERVAL)
    layer.offsets.assign(np.nanquantile(known, [LOW, HIGH], axis=0))


def columns_of(serving_model: keras.Model) -> tuple[str, ...]:
    """Return the names of the columns that a serving model reads."""
    layer: Any = serving_model.get_layer("scale")
    return tuple(layer.columns)


def step_of(serving_model: keras.Model) -> str:
    """Return the time between two rows that a serving model reads; "" if it is unknown."""
    layer: Any = serving_model.get_layer("scale")
    return layer.step


def reads_shorter(serving_model: keras.Model) -> bool:
    """Return whether a serving model was trained on series of different lengths."""
    layer: Any = serving_model.get_layer("scale")
    return layer.padded


def is_forecast(serving_model: keras.Model) -> bool:
    """Return whether values follow the series: the targets are among the columns that are read."""
    if "value" not in serving_model.output:
        return False
    targets = targets_of(serving_model)
    return targets == columns_of(serving_model)[: len(targets)]


def targets_of(serving_model: keras.Model) -> tuple[str, ...]:
    """Return the names of the values that a serving model predicts."""
    layer: Any = serving_model.get_layer("unscale")
    return tuple(layer.targets)
