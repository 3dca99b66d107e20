"""The inception block of GoogLeNet and its auxiliary classifiers (Szegedy et al. 2015)."""

from collections.abc import Sequence
from typing import Any

import keras

from ..error_paths import fork
from .conv_unit import (
    ConvUnit2D,
    Normalization,
    build_in_order,
    run_in_order,
    serialize_normalization,
)

PATHS = ("1x1", "3x3", "5x5", "pool")  # the branches, in their order


@keras.saving.register_keras_serializable("errorflow")
class InceptionBlock(keras.layers.Layer):
    """Four branches on one input, side by side: [B, H, W, C] → [B, H, W, f₁ + f₃ + f₅ + f_pool].

        1×1                   f₁ filters
        1×1 → 3×3             r₃ → f₃
        1×1 → 5×5             r₅ → f₅
        3×3 max pool → 1×1    f_pool

    Args:
        filters: (f₁, r₃, f₃, r₅, f₅, f_pool), a row of the paper's table 1.
        factorize: use two 3×3 convolutions instead of the 5×5 (Szegedy et al. 2016, figure 5).
        normalization, activation: of every convolution, as in `ConvUnit2D`.

    Raises:
        ValueError: `filters` does not have six numbers.
    """

    def __init__(
        self,
        filters: Sequence[int],
        factorize: bool = False,
        normalization: Normalization = None,
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if len(filters) != 6:
            raise ValueError(
                f"filters must be six numbers: f1, r3, f3, r5, f5, f_pool; got {tuple(filters)}"
            )
        self.filters, self.factorize = tuple(filters), factorize
        self.normalization_config = serialize_normalization(normalization)
        self.activation = keras.activations.get(activation)
        f1, r3, f3, r5, f5, f_pool = self.filters
        unit = self._unit
        wide = [unit("5x5_a", f5, 3), unit("5x5_b", f5, 3)] if factorize else [unit("5x5", f5, 5)]
        pool = keras.layers.MaxPooling2D(
            3, 1, "same", data_format="channels_last", dtype=self.dtype_policy, name="pool"
        )
        self.branches = [
            [unit("1x1", f1, 1)],
            [unit("3x3_reduce", r3, 1), unit("3x3", f3, 3)],
            [unit("5x5_reduce", r5, 1), *wide],
            [pool, unit("pool_projection", f_pool, 1)],
        ]

    def _unit(self, name: str, filters: int, size: int) -> ConvUnit2D:
        return ConvUnit2D(
            filters,
            size,
            normalization=self.normalization_config,
            activation=self.activation,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Any) -> None:
        for branch in self.branches:
            build_in_order(branch, input_shape)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        of_branch = zip(self.branches, fork(self, inputs, *PATHS), strict=True)
        outputs = [run_in_order(branch, x, training) for branch, x in of_branch]
        return keras.ops.concatenate(outputs, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        f1, _, f3, _, f5, f_pool = self.filters
        return (*input_shape[:-1], f1 + f3 + f5 + f_pool)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "factorize": self.factorize,
            "normalization": self.normalization_config,
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable("errorflow")
class AuxiliaryClassifier(keras.layers.Layer):
    """A classifier in the middle of a deep network, which sends error to the layers below it.

    5×5 average pool, stride 3 → 1×1 convolution → dense, ReLU → dropout → dense: [B, H, W, C] →
    [B, num_classes]. In training its loss has the weight 0.3, and in inference it is left out
    (Szegedy et al. 2015, section 5).

    Args:
        num_classes: the number of classes.
        filters: the number of filters of the 1×1 convolution.
        units: the number of units of the hidden dense layer.
        dropout: the rate of the dropout after the hidden layer.
        activation: the activation of the output; None gives logits.
        normalization: that of the convolution, as in `ConvUnit2D`.
    """

    def __init__(
        self,
        num_classes: int,
        filters: int = 128,
        units: int = 1024,
        dropout: float = 0.7,
        activation: Any = "softmax",
        normalization: Normalization = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_classes, self.filters, self.units, self.rate = num_classes, filters, units, dropout
        self.normalization_config = serialize_normalization(normalization)
        own = {"dtype": self.dtype_policy}
        images = {"data_format": "channels_last", **own}
        self.pool = keras.layers.AveragePooling2D(5, 3, name="pool", **images)
        self.projection = ConvUnit2D(
            filters, 1, normalization=self.normalization_config, name="projection", **own
        )
        self.flatten = keras.layers.Flatten(name="flatten", **images)
        self.hidden = keras.layers.Dense(
            units, "relu", kernel_initializer="he_normal", name="hidden", **own
        )
        self.dropout = keras.layers.Dropout(dropout, name="dropout", **own)
        self.classes = keras.layers.Dense(num_classes, activation, name="classes", **own)

    @property
    def path(self) -> list[keras.layers.Layer]:
        """The layers from the input to the classes."""
        return [
            self.pool,
            self.projection,
            self.flatten,
            self.hidden,
            self.dropout,
            self.classes,
        ]

    def build(self, input_shape: Any) -> None:
        build_in_order(self.path, input_shape)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return run_in_order(self.path, inputs, training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_classes": self.num_classes,
            "filters": self.filters,
            "units": self.units,
            "dropout": self.rate,
            "activation": keras.activations.serialize(self.classes.activation),
            "normalization": self.normalization_config,
        }
