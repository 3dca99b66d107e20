"""Layers with which a model answers an empty batch, where TensorFlow's operations fail.

In TensorFlow 2.21, a convolution of no images has a wrong shape, for example.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
class OneExampleAtLeast(keras.layers.Layer):
    """[B, …] → [max(B, 1), …]: an empty batch becomes one example of zeros or empty strings."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        shape = tf.shape(inputs)
        missing = tf.concat([tf.maximum(1 - shape[:1], 0), shape[1:]], axis=0)
        padded = tf.concat([inputs, tf.zeros(missing, inputs.dtype)], axis=0)
        padded.set_shape([None, *inputs.shape[1:]])
        return padded

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor([None, *inputs.shape[1:]], inputs.dtype)


@keras.saving.register_keras_serializable("errorflow")
class FirstExamples(keras.layers.Layer):
    """The first B examples, where B is the size of another batch: undoes `OneExampleAtLeast`.

    Call arguments:
        outputs: nested tensors [max(B, 1), …].
        batch: a tensor [B, …].
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def call(self, outputs: Any, batch: Any) -> Any:
        size = tf.shape(batch)[0]
        return tf.nest.map_structure(lambda tensor: tensor[:size], outputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def compute_output_spec(self, outputs: Any, batch: Any) -> Any:
        def spec(tensor):
            return keras.KerasTensor([batch.shape[0], *tensor.shape[1:]], tensor.dtype)

        return tf.nest.map_structure(spec, outputs)
