"""The unit that convolutional networks are written in: convolution → normalisation → activation."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

Normalization = str | keras.layers.Layer | dict | None


class _ConvUnit(keras.layers.Layer):
    """See `ConvUnit2D`."""

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
        **kwargs,
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
        self.specified = specification(normalization)
        self.normalization = normalization_layer(self.specified, self.dtype_policy)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self.convolution.build(input_shape)
        if self.normalization is not None:
            inner = input_shape if self.preactivation else self.compute_output_shape(input_shape)
            self.normalization.build(inner)
        self.built = True

    def call(self, inputs, training=None):
        if self.preactivation:
            return self.convolution(self.activate(inputs, training))
        return self.activate(self.convolution(inputs), training)

    def activate(self, x, training=None):
        """φ(normalisation(x))."""
        if self.normalization is not None:
            x = self.normalization(x, training=training)
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self):
        convolution = self.convolution.get_config()
        kept = ["filters", "kernel_size", "strides", "padding", "groups", "use_bias"]
        kept += ["kernel_initializer", "bias_initializer"]
        return super().get_config() | {
            **{key: convolution[key] for key in kept},
            "normalization": self.specified,
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
        filters, kernel_size, strides, groups: as in `keras.layers.Conv2D`. Groups train on a CPU
            too.
        padding: "valid" (none), "same" (H' = ⌈H / s⌉), "full" (kernel size − 1 zeros on each side:
            every product that overlaps x), or the number of zeros on each side.
        normalization: None, "batch", or a layer of Keras. Batch statistics decay by 0.9 per step
            and ε is 1e-5, as in He et al. 2016 (Keras defaults to 0.99 and 1e-3).
        activation: φ; None is the identity.
        preactivation: x → normalisation → φ → convolution instead (He et al. 2016b).
        use_bias: by default only where nothing normalises.
        kernel_initializer: by default He et al. 2015, made for ReLU (Keras defaults to Glorot).
    """

    rank = 2


class _Convolution:
    """Over Keras' own: `padding` "full" or a number, and groups that train on a CPU.

    TensorFlow has no gradient of a grouped convolution on CPUs; there the groups are convolved one
    by one. Where a GPU is visible, it stays one operation of cuDNN.
    """

    def __init__(self, *args, padding: str | int, **kwargs):
        native = padding in ("same", "valid")
        if not native and padding != "full" and not (isinstance(padding, int) and padding >= 0):
            raise ValueError(
                f'padding must be "same", "valid", "full" or a number of zeros, got {padding!r}'
            )
        kwargs["padding"] = padding if native else "valid"
        super().__init__(*args, **kwargs)
        self.asked_padding = padding

    def get_config(self):
        return super().get_config() | {"padding": self.asked_padding}

    def zeros(self) -> list[int]:
        """On either side of each spatial axis, besides what "same" adds."""
        if self.asked_padding == "full":
            return [size - 1 for size in self.kernel_size]
        return [self.asked_padding if isinstance(self.asked_padding, int) else 0] * self.rank

    def compute_output_shape(self, input_shape):
        sizes = zip(input_shape[1:-1], self.zeros(), strict=True)
        middle = [size if size is None else size + 2 * zeros for size, zeros in sizes]
        return super().compute_output_shape((input_shape[0], *middle, input_shape[-1]))

    def convolution_op(self, inputs, kernel):
        convolve = super().convolution_op
        if any(self.zeros()):
            inputs = keras.ops.pad(inputs, [(0, 0), *((n, n) for n in self.zeros()), (0, 0)])
        if self.groups == 1 or tf.config.list_logical_devices("GPU"):
            return convolve(inputs, kernel)
        parts = (keras.ops.split(x, self.groups, axis=-1) for x in (inputs, kernel))
        return keras.ops.concatenate([*map(convolve, *parts)], axis=-1)


class _Conv1D(_Convolution, keras.layers.Conv1D):
    call = keras.layers.Conv2D.call  # of any rank; Conv1D's own does not ask `convolution_op`


class _Conv2D(_Convolution, keras.layers.Conv2D):
    pass


def specification(normalization: Normalization) -> Any:
    """None, "batch" or a layer → what JSON can hold and `normalization_layer` takes."""
    if isinstance(normalization, keras.layers.Layer):
        return keras.saving.serialize_keras_object(normalization)
    if normalization in (None, "batch") or isinstance(normalization, dict):
        return normalization
    raise ValueError(f'normalization must be None, "batch" or a layer, got {normalization!r}')


def normalization_layer(specified: Any, dtype: Any) -> keras.layers.Layer | None:
    """A new layer of a `specification`."""
    if specified == "batch":
        return keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=dtype, name="normalization"
        )
    return None if specified is None else keras.saving.deserialize_keras_object(specified)


def build_in_order(layers: Sequence[keras.layers.Layer], shape: Any) -> Any:
    """Builds layers that feed each other; returns the last one's output shape."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def run_in_order(layers: Sequence[keras.layers.Layer], x: Any, training: bool | None) -> Any:
    """The last output of layers that feed each other."""
    for layer in layers:
        x = layer(x, training=training) if layer._call_has_training_arg else layer(x)
    return x


@keras.saving.register_keras_serializable("errorflow")
class LocalResponseNormalization(keras.layers.Layer):
    """y_c = x_c / (k + α Σ_{c'} x_{c'}²)^β, the sum over the n channels around c.

    The brightness normalisation of Krizhevsky et al. 2012, section 3.3, with their constants by
    default. α is not divided by n (Caffe divides). Computed in float32.
    """

    def __init__(self, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kw):
        super().__init__(**kw)
        if n < 1 or n % 2 == 0:
            raise ValueError(f"n counts the channels around one and must be odd, got {n}")
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def call(self, inputs):
        x = tf.cast(inputs, tf.float32)
        y = tf.nn.local_response_normalization(x, self.n // 2, self.k, self.alpha, self.beta)
        return tf.cast(y, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        constants = {"n": self.n, "k": self.k, "alpha": self.alpha, "beta": self.beta}
        return super().get_config() | constants
