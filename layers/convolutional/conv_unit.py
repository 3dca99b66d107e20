"""The unit of convolutional networks: convolution → normalisation → activation."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

Normalization = str | keras.layers.Layer | dict | None


class _ConvUnit(keras.layers.Layer):
    """A unit over `rank` spatial axes; see `ConvUnit2D`."""

    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str | int = "same",
        groups: int = 1,
        normalization: Normalization = None,
        activation: Any = "relu",
        preactivation: bool = False,
        use_bias: bool | None = None,
        kernel_initializer: Any = "he_normal",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.preactivation = preactivation
        convolution = {1: _Conv1D, 2: _Conv2D}[self.rank]
        self.convolution = convolution(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            groups=groups,
            use_bias=normalization is None if use_bias is None else use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.normalization_config = serialize_normalization(normalization)
        self.normalization = normalization_layer(self.normalization_config, self.dtype_policy)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        self.convolution.build(input_shape)
        if self.normalization is not None:
            inner = input_shape if self.preactivation else self.compute_output_shape(input_shape)
            self.normalization.build(inner)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if self.preactivation:
            return self.convolution(self.activate(inputs, training))
        return self.activate(self.convolution(inputs), training)

    def activate(self, x: Any, training: bool | None = None) -> Any:
        """Return φ(normalisation(x))."""
        if self.normalization is not None:
            x = self.normalization(x, training=training)
        return self.activation(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        convolution = self.convolution.get_config()
        keys = ["filters", "kernel_size", "strides", "padding", "groups", "use_bias"]
        keys += ["kernel_initializer", "bias_initializer"]
        return super().get_config() | {
            **{key: convolution[key] for key in keys},
            "normalization": self.normalization_config,
            "activation": keras.activations.serialize(self.activation),
            "preactivation": self.preactivation,
        }


@keras.saving.register_keras_serializable("errorflow")
class ConvUnit1D(_ConvUnit):
    """`ConvUnit2D` over sequences: [B, T, C] → [B, T', filters]."""

    rank = 1


@keras.saving.register_keras_serializable("errorflow")
class ConvUnit2D(_ConvUnit):
    """φ(normalisation(x ⋆ K + b)): [B, H, W, C] → [B, H', W', filters].

    ⋆ is the cross-correlation of deep learning, y[i, j, f] = Σ_{u,v,c} x[i·s + u, j·s + v, c] ·
    K[u, v, c, f] over the zero-padded x, with stride s.

    Args:
        filters, kernel_size, strides, groups: as in `keras.layers.Conv2D`. Groups can be trained on
            a CPU too.
        padding: "valid" (none), "same" (H' = ⌈H / s⌉), "full" (kernel size − 1 zeros on each side,
            so that every window that overlaps x counts), or the number of zeros on each side.
        normalization: None, "batch", or a Keras layer. With "batch", statistics decay by 0.9 per
            step and ε is 1e-5, as in He et al. 2016 (the defaults of Keras are 0.99 and 1e-3).
        activation: φ; None is the identity.
        preactivation: compute x → normalisation → φ → convolution instead (He et al. 2016b).
        use_bias: True by default if there is no normalisation.
        kernel_initializer: by default that of He et al. 2015, made for ReLU (Keras defaults to
            Glorot).

    Raises:
        ValueError: `padding` or `normalization` is none of these.
    """

    rank = 2


class _Convolution:
    """A mixin for Keras' convolutions: `padding` "full" or a number, and groups on a CPU.

    TensorFlow has no gradient of a grouped convolution on CPUs, so the groups are convolved one by
    one there. Where a GPU is visible, a grouped convolution is one operation of cuDNN.
    """

    def __init__(self, *args: Any, padding: str | int, **kwargs: Any):
        native = padding in ("same", "valid")
        if not native and padding != "full" and not (isinstance(padding, int) and padding >= 0):
            raise ValueError(
                f'padding must be "same", "valid", "full" or a number of zeros, got {padding!r}'
            )
        kwargs["padding"] = padding if native else "valid"
        super().__init__(*args, **kwargs | {"data_format": "channels_last"})
        self.own_padding = padding

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"padding": self.own_padding}

    def zeros(self) -> list[int]:
        """Return the zeros on either side of each spatial axis, without those that "same" adds."""
        if self.own_padding == "full":
            return [size - 1 for size in self.kernel_size]
        return [self.own_padding if isinstance(self.own_padding, int) else 0] * self.rank

    def compute_output_shape(self, input_shape: Any) -> Any:
        sizes = zip(input_shape[1:-1], self.zeros(), strict=True)
        middle = [size if size is None else size + 2 * zeros for size, zeros in sizes]
        return super().compute_output_shape((input_shape[0], *middle, input_shape[-1]))

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        convolve = super().convolution_op
        if any(self.zeros()):
            inputs = keras.ops.pad(inputs, [(0, 0), *((n, n) for n in self.zeros()), (0, 0)])
        if self.groups == 1 or tf.config.list_logical_devices("GPU"):
            return convolve(inputs, kernel)
        parts = (keras.ops.split(x, self.groups, axis=-1) for x in (inputs, kernel))
        return keras.ops.concatenate([*map(convolve, *parts)], axis=-1)


class _Conv1D(_Convolution, keras.layers.Conv1D):
    call = keras.layers.Conv2D.call  # for any rank; that of Conv1D does not call `convolution_op`


class _Conv2D(_Convolution, keras.layers.Conv2D):
    pass


def serialize_normalization(normalization: Normalization) -> Any:
    """Return None, "batch" or a layer as a config for JSON and for `normalization_layer`.

    Raises:
        ValueError: `normalization` is none of these.
    """
    if isinstance(normalization, keras.layers.Layer):
        return keras.saving.serialize_keras_object(normalization)
    if normalization in (None, "batch") or isinstance(normalization, dict):
        return normalization
    raise ValueError(f'normalization must be None, "batch" or a layer, got {normalization!r}')


def normalization_layer(config: Any, dtype: Any) -> keras.layers.Layer | None:
    """Return a new layer from the config that `serialize_normalization` returned."""
    if config == "batch":
        return keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=dtype, name="normalization"
        )
    return None if config is None else keras.saving.deserialize_keras_object(config)


def build_in_order(layers: Sequence[keras.layers.Layer], shape: Any) -> Any:
    """Build a chain of layers; return the output shape of the last one."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def run_in_order(layers: Sequence[keras.layers.Layer], x: Any, training: bool | None) -> Any:
    """Return the output of a chain of layers."""
    for layer in layers:
        x = layer(x, training=training) if layer._call_has_training_arg else layer(x)
    return x
