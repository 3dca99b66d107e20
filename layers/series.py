"""Layers around a network for time series: scaling, its inverse, and the interval of a forecast."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("errorflow")
class ScaleSeries(keras.layers.Layer):
    """Scale series for a network: x [B, T, D] → z [B, T, D]; missing values (nan) become 0.

        z = (x - mean) / deviation

    The first columns can be relative to their last value x_T, in place of the mean (NLinear; Zeng
    et al. 2023, "Are Transformers effective for time series forecasting?").

    Args:
        mean: mean of each column, D numbers.
        deviation: standard deviation of each column, D numbers.
        relative: the number of columns, the first ones, that are relative to their last value.
        columns: the D names of the columns, for those who use the model.
        step: the time between two rows, as pandas writes it, for those who use the model; "" if it
            is unknown.
        padded: whether the network was trained on shorter series, whose end is nan, too; for those
            who use the model.
    """

    def __init__(
        self,
        mean: Sequence[float],
        deviation: Sequence[float],
        relative: int = 0,
        columns: Sequence[str] = (),
        step: str = "",
        padded: bool = False,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.mean, self.deviation = [*map(float, mean)], [*map(float, deviation)]
        self.relative, self.columns = relative, [*columns]
        self.step, self.padded = step, padded

    def call(self, x: Any) -> Any:
        mean = keras.ops.convert_to_tensor(self.mean, x.dtype)
        deviation = keras.ops.convert_to_tensor(self.deviation, x.dtype)
        level = keras.ops.broadcast_to(mean, keras.ops.shape(x[:, -1:]))
        if self.relative:
            level = keras.ops.concatenate(
                [x[:, -1:, : self.relative], level[..., self.relative :]], axis=-1
            )
        z = (x - level) / deviation
        return keras.ops.where(keras.ops.isnan(z), keras.ops.zeros_like(z), z)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"mean": self.mean, "deviation": self.deviation}
        own |= {"relative": self.relative, "columns": self.columns}
        return super().get_config() | own | {"step": self.step, "padded": self.padded}


@keras.saving.register_keras_serializable("errorflow")
class UnscaleSeries(keras.layers.Layer):
    """Return what a network predicts in the units of the data: ŷ = level + deviation · y.

    The level is the mean of each target or, if they are relative, its last value in x.

    Args:
        mean: mean of each target, K numbers.
        deviation: standard deviation of each target, K numbers.
        relative: whether the targets, the first K columns of x, are relative to their last value.
        quantiles: whether y has a last axis of quantiles.
        targets: the K names of the targets, for those who use the model.

    Call arguments:
        y: [B, …, K], or [B, …, K, Q] with quantiles; relative ones are [B, F, K] or [B, F, K, Q].
        x: [B, P, D], in the units of the data.
    """

    def __init__(
        self,
        mean: Sequence[float],
        deviation: Sequence[float],
        relative: bool = False,
        quantiles: bool = False,
        targets: Sequence[str] = (),
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.mean, self.deviation = [*map(float, mean)], [*map(float, deviation)]
        self.relative, self.quantiles, self.targets = relative, quantiles, [*targets]
        self.supports_masking = True

    def call(self, y: Any, x: Any) -> Any:
        level = keras.ops.convert_to_tensor(self.mean, y.dtype)
        deviation = keras.ops.convert_to_tensor(self.deviation, y.dtype)
        if self.relative:
            level = keras.ops.cast(x[:, -1:, : len(self.mean)], y.dtype)
        if self.quantiles:
            level, deviation = level[..., None], deviation[..., None]
        return y * deviation + level

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def compute_output_shape(self, y_shape: Any, x_shape: Any) -> Any:
        return y_shape

    def get_config(self) -> dict[str, Any]:
        own = {"mean": self.mean, "deviation": self.deviation, "relative": self.relative}
        return super().get_config() | own | {"quantiles": self.quantiles, "targets": self.targets}


@keras.saving.register_keras_serializable("errorflow")
class PredictionInterval(keras.layers.Layer):
    """The bounds of an interval around a prediction: ŷ [B, …] → {"low": [B, …], "high": [B, …]}.

        low = ŷ + offsets[0],   high = ŷ + offsets[1]

    The offsets are weights that no optimizer changes, 0 at first: quantiles of the errors of each
    output on data that were not trained on.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shape = [2, *input_shape[1:]]
        self.offsets = self.add_weight(
            name="offsets", shape=shape, initializer="zeros", trainable=False, dtype="float32"
        )
        self.built = True

    def call(self, value: Any) -> dict[str, Any]:
        low, high = (keras.ops.cast(self.offsets[side], value.dtype) for side in (0, 1))
        return {"low": value + low, "high": value + high}

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def compute_output_shape(self, input_shape: Any) -> dict[str, Any]:
        return {"low": input_shape, "high": input_shape}
