"""The brightness normalisation of AlexNet and GoogLeNet (Krizhevsky et al. 2012)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
class LocalResponseNormalization(keras.layers.Layer):
    """y_c = x_c / (k + α Σ_{c'} x_{c'}²)^β, with the sum over the n channels around c.

    The brightness normalisation of Krizhevsky et al. 2012, section 3.3, with their constants by
    default. α is not divided by n (Caffe divides it). It is computed in float32.

    Raises:
        ValueError: n is not odd and positive.
    """

    def __init__(
        self, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if n < 1 or n % 2 == 0:
            raise ValueError(f"n, the number of channels in each sum, must be odd; got {n}")
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def call(self, inputs: Any) -> Any:
        x = tf.cast(inputs, tf.float32)
        y = tf.nn.local_response_normalization(x, self.n // 2, self.k, self.alpha, self.beta)
        return tf.cast(y, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        constants = {"n": self.n, "k": self.k, "alpha": self.alpha, "beta": self.beta}
        return super().get_config() | constants
