"""A layer applied to each time step separately."""

import inspect
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
class EachStep(keras.layers.Wrapper):
    """Apply a layer to each time step: [B, T, …] → the layer on [B·T, …] → [B, T, …].

    Like `keras.layers.TimeDistributed`, but without its loop over time steps: to the layer, steps
    are further examples.
    """

    def __init__(self, layer: keras.Layer, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:  # a layer that was loaded from a file is built already
            self.layer.build((None, *input_shape[2:]))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        shape = _sizes(inputs, 0)[:2]

        def fold(tensor):
            return tf.reshape(tensor, [shape[0] * shape[1], *_sizes(tensor, 2)])  # may be 0: no -1

        options = {"mask": fold(mask)} if mask is not None and _takes_mask(self.layer) else {}
        outputs = self.layer(fold(inputs), training=training, **options)
        return tf.reshape(outputs, [*shape, *_sizes(outputs, 1)])

    def compute_output_spec(
        self, inputs: Any, training: bool | None = None, mask: Any = None
    ) -> keras.KerasTensor:
        inside = self.layer.compute_output_shape((None, *inputs.shape[2:]))
        return keras.KerasTensor([*inputs.shape[:2], *inside[1:]], self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else keras.ops.any(mask, axis=2)


def _takes_mask(layer):
    return "mask" in inspect.signature(layer.call).parameters


def _sizes(tensor, first):
    """Return the sizes of the axes from `first` on, as integers where they are known."""
    dynamic = tf.shape(tensor)
    return [size or dynamic[first + i] for i, size in enumerate(tensor.shape[first:])]
