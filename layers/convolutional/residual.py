"""Residual blocks: y = F(x) + x, through which error also flows past F (He et al. 2016).

    dE/dx = dE/dy · (1 + dF/dx)

The 1 does for depth what the LSTM's carousel does for time.
"""

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

SHORTCUTS = ("projection", "zero_padding")


class _Residual(keras.layers.Layer):
    """The base class of both blocks; `_plan` defines F."""

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        shortcut: str = "projection",
        preactivation: bool = False,
        skip: bool = True,
        normalization: Normalization = "batch",
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if shortcut not in SHORTCUTS:
            raise ValueError(f"shortcut must be {' or '.join(SHORTCUTS)}, got {shortcut!r}")
        self.filters, self.strides, self.shortcut = filters, strides, shortcut
        self.preactivation, self.skip = preactivation, skip
        self.normalization_config = serialize_normalization(normalization)
        self.activation = keras.activations.get(activation)
        plan = self._plan()
        self.channels = plan[-1][0]
        self.units = [self._unit(f"conv{i}", *sizes) for i, sizes in enumerate(plan, start=1)]
        if not preactivation:  # the last φ comes after the sum
            self.units[-1].activation = keras.activations.linear
        self.projection = None  # built where shapes differ

    def _plan(self) -> list[tuple[int, int, int]]:
        """Return (filters, kernel size, strides) of each convolution of F."""
        raise NotImplementedError

    def _unit(self, name: str, filters: int, size: int, strides: int, **options) -> ConvUnit2D:
        return ConvUnit2D(
            filters,
            size,
            strides,
            padding=size // 2 if strides > 1 else "same",
            **{"normalization": self.normalization_config, "activation": self.activation} | options,
            preactivation=self.preactivation,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Any) -> None:
        if self.skip and self.shortcut == "projection" and self._changes_shape(input_shape):
            linear = {"activation": None}
            bare = linear | {"normalization": None, "use_bias": self.normalization_config is None}
            self.projection = self._unit(
                "projection",
                self.channels,
                1,
                self.strides,
                **(bare if self.preactivation else linear),
            )
            self.projection.build(input_shape)
        build_in_order(self.units, input_shape)
        self.built = True

    def _changes_shape(self, shape: Any) -> bool:
        return self.strides > 1 or shape[-1] != self.channels

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not self.preactivation:
            branch, shortcut = self._fork(inputs)
            residual = run_in_order(self.units, branch, training)
            return self.activation(self._add(residual, shortcut, training))
        # a projection reads the activated input too; the first unit of F must not repeat it
        first, *rest = self.units
        if self.projection is None:
            branch, shortcut = self._fork(inputs)
            active = first.activate(branch, training)
        else:
            active, shortcut = self._fork(first.activate(inputs, training))
        residual = run_in_order(rest, first.convolution(active), training)
        return self._add(residual, shortcut, training)

    def _fork(self, x: Any) -> Sequence[Any]:
        """Return x for F, and for the shortcut if there is one."""
        return fork(self, x, "branch", "shortcut") if self.skip else (x, x)

    def _add(self, residual: Any, inputs: Any, training: bool | None) -> Any:
        """Return F(x) + x, with x brought to the shape of F(x)."""
        if not self.skip:
            return residual
        if self.projection is not None:
            return residual + self.projection(inputs, training=training)
        if self._changes_shape(inputs.shape):
            more = self.channels - inputs.shape[-1]
            inputs = inputs[:, :: self.strides, :: self.strides]
            inputs = keras.ops.pad(inputs, [(0, 0), (0, 0), (0, 0), (0, more)])
        return residual + inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        for unit in self.units:
            input_shape = unit.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "strides": self.strides,
            "shortcut": self.shortcut,
            "preactivation": self.preactivation,
            "skip": self.skip,
            "normalization": self.normalization_config,
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable("errorflow")
class ResidualBlock(_Residual):
    """φ(F(x) + x), where F is two 3×3 convolutions: [B, H, W, C] → [B, ⌈H/s⌉, ⌈W/s⌉, filters].

    Args:
        filters: of both convolutions.
        strides: s, of the first one.
        shortcut: how x gets the shape of F(x) where they differ: "projection", a strided 1×1
            convolution (option B of He et al. 2016), or "zero_padding", every s-th pixel and zeros
            for the new channels (option A, no parameters). Elsewhere x is added as it is.
        preactivation: F is normalisation → φ → convolution, twice, and the sum is the output
            (He et al. 2016b). A projection then has no normalisation and reads the activated x.
        skip: False leaves out x: the plain counterpart, with the parameters of the residual block
            except those of a projection.
        normalization, activation: as in `ConvUnit2D`; φ is `activation`.

    Raises:
        ValueError: `shortcut` is neither of the two.
    """

    def _plan(self) -> list[tuple[int, int, int]]:
        return [(self.filters, 3, self.strides), (self.filters, 3, 1)]


@keras.saving.register_keras_serializable("errorflow")
class BottleneckBlock(_Residual):
    """A residual block with F = 1×1 → 3×3 → 1×1: [B, H, W, C] → [B, ⌈H/s⌉, ⌈W/s⌉, 4·filters].

    The arguments are those of `ResidualBlock`; the last convolution has 4·filters. The first 1×1
    has the stride, as in the paper; in torchvision's "v1.5" the 3×3 has it.
    """

    def _plan(self) -> list[tuple[int, int, int]]:
        return [(self.filters, 1, self.strides), (self.filters, 3, 1), (4 * self.filters, 1, 1)]
