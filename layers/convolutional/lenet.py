"""The three layers that only LeNet-5 has (LeCun et al. 1998, section II.B)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
class Subsampling(keras.layers.Layer):
    """φ(a_c · Σ x + b_c), the sum over 2×2 pixels: [B, H, W, C] → [B, H/2, W/2, C].

    Each channel trains its own coefficient a and bias b.
    """

    def __init__(self, activation: Any = "tanh", **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        channels = [input_shape[-1]]
        quarter = keras.initializers.Constant(0.25)  # starts as the mean
        self.coefficient = self.add_weight(shape=channels, initializer=quarter, name="coefficient")
        self.bias = self.add_weight(shape=channels, initializer="zeros", name="bias")

    def call(self, inputs):
        sums = 4.0 * keras.ops.average_pool(inputs, 2)
        return self.activation(self.coefficient * sums + self.bias)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        return (batch, *(size and size // 2 for size in sizes), channels)

    def get_config(self):
        name = keras.activations.serialize(self.activation)
        return super().get_config() | {"activation": name}


@keras.saving.register_keras_serializable("errorflow")
class PartialConvolution(keras.layers.Layer):
    """φ(x ⋆ K + b) where each filter sees some channels only: [B, H, W, C] → [B, H', W', F].

    No padding, stride 1. There are weights for the connections and none else.

    Args:
        connections: for each of the F filters, the channels that it sees.
        kernel_size: of every filter.
        activation: φ.
        kernel_initializer: of the connections' weights [k, k, number of connections].
    """

    def __init__(
        self,
        connections: Sequence[Sequence[int]],
        kernel_size: int,
        activation: Any = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.connections = tuple(map(tuple, connections))
        self.kernel_size = kernel_size
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        size, number = self.kernel_size, sum(map(len, self.connections))
        self.kernel = self.add_weight(
            shape=[size, size, number], initializer=self.kernel_initializer, name="kernel"
        )
        filters = len(self.connections)
        self.bias = self.add_weight(shape=[filters], initializer="zeros", name="bias")
        # place[c, f]: which connection joins channel c to filter f; the one after the last is 0
        place = np.full([input_shape[-1], filters], number)
        pairs = [(c, f) for f, channels in enumerate(self.connections) for c in channels]
        place[tuple(np.transpose(pairs))] = np.arange(number)
        self.place = place

    def call(self, inputs):
        kernel = tf.pad(tf.cast(self.kernel, inputs.dtype), [[0, 0], [0, 0], [0, 1]])
        dense = tf.gather(kernel, self.place, axis=-1)  # [k, k, C, F]
        return self.activation(keras.ops.conv(inputs, dense) + tf.cast(self.bias, inputs.dtype))

    def compute_output_shape(self, input_shape):
        batch, *sizes, _ = input_shape
        smaller = (size and size - self.kernel_size + 1 for size in sizes)
        return (batch, *smaller, len(self.connections))

    def get_config(self):
        return super().get_config() | {
            "connections": self.connections,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("errorflow")
class RadialBasis(keras.layers.Layer):
    """−‖x − w_k‖² for each class k: [B, D] → logits [B, K].

    The codes w are fixed: each class is a point that x shall come near to.

    Args:
        codes: w, [K, D].
    """

    def __init__(self, codes: Any, **kwargs):
        super().__init__(**kwargs)
        self.codes = np.asarray(codes, "float32")

    def call(self, inputs):
        codes = tf.cast(self.codes, inputs.dtype)
        return -tf.reduce_sum(tf.square(inputs[:, None] - codes), axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.codes))

    def get_config(self):
        return super().get_config() | {"codes": self.codes.tolist()}
