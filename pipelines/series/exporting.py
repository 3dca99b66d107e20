"""What stands beside an exported network for time series: its scaling, and the steps around it."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..models.series_serving import (
    INTERVAL,
    QUANTILES,
    columns_of,
    is_forecast,
    reads_shorter,
    targets_of,
)
from ..models.serving import labels_in
from ..training.export import ExportInputs, Step, Steps
from ..training.export_steps import label_steps, step


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return two series of noise, to compare an exported model's outputs on."""
    _, steps, features = serving_model.input_shape
    scale: Any = serving_model.get_layer("scale")
    z = np.random.default_rng(0).normal(size=(2, steps, features)).astype("float32")
    x = (z * np.array(scale.deviation) + np.array(scale.mean)).astype("float32")
    return ExportInputs(
        inputs=tf.constant(x),
        meaning={
            "columns": columns_of(serving_model),
            "mean": scale.mean,
            "deviation": scale.deviation,
            **_tables_of_outputs(serving_model),
        },
        meaning_file="scaling.json",
        steps=Steps(
            outside=(step("take_columns", table="columns"), _length(serving_model)),
            before=_steps_before(scale.relative),
            after=_steps_after(serving_model),
        ),
    )


def _length(serving_model: keras.Model) -> Step:
    """Return the step that makes a series as long as the network reads it."""
    steps = serving_model.input_shape[1]
    if is_forecast(serving_model):
        return step("take_last", rows=steps, shorter="refused")
    if reads_shorter(serving_model):
        return step("pad", value="NaN", side="end", length=steps, longer="refused")
    return step("check_length", rows=steps)


def _steps_before(relative: int) -> tuple[Step, ...]:
    """Return the steps of `ScaleSeries`; `relative` is the setting of this name."""
    return (
        step("scale", formula="(x - level) / deviation", level="mean", **_levels(relative)),
        step("replace", values="NaN", by=0),
    )


def _levels(relative: int) -> dict[str, Any]:
    """Return which columns have another level than that of the others."""
    return {"first_columns": relative, "level_of_these": "their last value"} if relative else {}


def _steps_after(serving_model: keras.Model) -> tuple[Step, ...]:
    """Return the steps from the network's outputs to labels, or to values and their interval."""
    if "label" in serving_model.output:
        return label_steps()
    unscale: Any = serving_model.get_layer("unscale")
    level = "the target's last value in x" if unscale.relative else "target_mean"
    unscaled = step("scale", formula="target_deviation * y + level", level=level)
    if unscale.quantiles:
        names = "low, value, high; none crosses the value"
        return unscaled, step("take_quantiles", table="quantiles", last_axis=names)
    return unscaled, step("interval", formula="low, high = value + interval_offsets")


def _tables_of_outputs(serving_model: keras.Model) -> dict[str, Any]:
    if "label" in serving_model.output:
        return {"labels": labels_in(serving_model)}
    unscale: Any = serving_model.get_layer("unscale")
    tables = {
        "targets": targets_of(serving_model),
        "target_mean": unscale.mean,
        "target_deviation": unscale.deviation,
    }
    if unscale.quantiles:
        return tables | {"quantiles": QUANTILES}
    interval: Any = serving_model.get_layer(INTERVAL)
    return tables | {"interval_offsets": interval.offsets.numpy().tolist()}
