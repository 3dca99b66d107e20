"""The three layers that only LeNet-5 has (LeCun et al. 1998, section II.B)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
class Subsampling(keras.layers.Layer):
    """φ(a_c · Σ x + b_c) with the sum over 2×2 pixels: [B, H, W, C] → [B, H/2, W/2, C].

    Each channel has a trainable coefficient a and bias b of its own.
    """

    def __init__(self, activation: Any = "tanh", **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        channels = [input_shape[-1]]
        quarter = keras.initializers.Constant(0.25)  # starts as the mean
        self.coefficient = self.add_weight(shape=channels, initializer=quarter, name="coefficient")
        self.bias = self.add_weight(shape=channels, initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        sums = 4.0 * keras.ops.average_pool(inputs, 2, data_format="channels_last")
        return self.activation(self.coefficient * sums + self.bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, channels = input_shape
        return (batch, *(size and size // 2 for size in sizes), channels)

    def get_config(self) -> dict[str, Any]:
        name = keras.activations.serialize(self.activation)
        return super().get_config() | {"activation": name}


@keras.saving.register_keras_serializable("errorflow")
class PartialConvolution(keras.layers.Layer):
    """φ(x ⋆ K + b) where each filter reads only some channels: [B, H, W, C] → [B, H', W', F].

    There is no padding and the stride is 1. Only the connections have weights.

    Args:
        connections: for each of the F filters, the channels that it reads.
        kernel_size: the height and width of every filter.
        activation: φ.
        kernel_initializer: the initializer of the connections' weights [k, k, number of
            connections].
    """

    def __init__(
        self,
        connections: Sequence[Sequence[int]],
        kernel_size: int,
        activation: Any = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.connections = tuple(map(tuple, connections))
        self.kernel_size = kernel_size
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        size, number = self.kernel_size, sum(map(len, self.connections))
        self.kernel = self.add_weight(
            shape=[size, size, number], initializer=self.kernel_initializer, name="kernel"
        )
        filters = len(self.connections)
        self.bias = self.add_weight(shape=[filters], initializer="zeros", name="bias")
        # place[c, f]: the number of the connection from channel c to filter f; the weight after the
        # last one is zero and stands for no connection
        place = np.full([input_shape[-1], filters], number)
        pairs = [(c, f) for f, channels in enumerate(self.connections) for c in channels]
        place[tuple(np.transpose(pairs))] = np.arange(number)
        self.place = place

    def call(self, inputs: Any) -> Any:
        kernel = tf.pad(tf.cast(self.kernel, inputs.dtype), [[0, 0], [0, 0], [0, 1]])
        dense = tf.gather(kernel, self.place, axis=-1)  # [k, k, C, F]
        sums = keras.ops.conv(inputs, dense, data_format="channels_last")
        return self.activation(sums + tf.cast(self.bias, inputs.dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, _ = input_shape
        smaller = (size and size - self.kernel_size + 1 for size in sizes)
        return (batch, *smaller, len(self.connections))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "connections": self.connections,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("errorflow")
class RadialBasis(keras.layers.Layer):
    """−‖x − w_k‖² for each class k: [B, D] → logits [B, K].

    The codes w are fixed: x is trained to come close to the code of its class.

    Args:
        codes: w, [K, D].
    """

    def __init__(self, codes: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.codes = np.asarray(codes, "float32")

    def call(self, inputs: Any) -> Any:
        codes = tf.cast(self.codes, inputs.dtype)
        return -tf.reduce_sum(tf.square(inputs[:, None] - codes), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], len(self.codes))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"codes": self.codes.tolist()}
