"""Serving models: the models in best.keras, which take raw inputs and return labels.

A serving model wraps the trained network, which is its layer "core". It takes strings or pixels,
does the preprocessing, and decodes the network's outputs.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from ...layers.empty_batch import FirstExamples, OneExampleAtLeast
from ..core.errors import UserError
from ..datasets.listing import printable
from .keras_file import check_keras_file


def make_serving_model(
    inputs: keras.KerasTensor,
    answer: Callable[[Any], dict[str, Any]],
    name: str = "serving_model",
) -> keras.Model:
    """Return a model from raw inputs [B, …] to outputs by name; B may be 0.

    Args:
        inputs: a `keras.Input`.
        answer: from the inputs to the outputs, for B of at least 1.
        name: name of the model.
    """
    outputs = answer(OneExampleAtLeast(name="one_example_at_least")(inputs))
    return keras.Model(inputs, FirstExamples(name="outputs")(outputs, inputs), name=name)


def label_outputs(probabilities: Any, labels: Sequence[str]) -> dict[str, Any]:
    """Probabilities [B, K] → {"probabilities": [B, K], "label": [B] strings, the likeliest}."""
    lookup = keras.layers.StringLookup(
        vocabulary=list(labels), num_oov_indices=0, invert=True, name="labels"
    )
    label = lookup(keras.ops.argmax(probabilities, axis=-1))
    return {"probabilities": probabilities, "label": label}


def load(path: Path) -> keras.Model:
    """Load a serving model from a .keras file, without running code that the file brings.

    Raises:
        UserError: the file is missing or damaged, or holds anything else than errorflow's networks
            do; see `check_keras_file`.
    """
    from ... import layers  # noqa: F401 - registers the layers that the file may name

    check_keras_file(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a layer raises for a configuration that it did not write
        reason = printable(str(error).strip().partition("\n")[0][:200]) or type(error).__name__
        raise UserError(f"{printable(path)}: Keras cannot load it ({reason})") from None


@functools.lru_cache(maxsize=4)
def traced(model: keras.Model) -> Callable[[Any], Any]:
    """Return a model as a `tf.function` that is traced once, for inputs of any size.

    Tracing a network of recurrent layers takes as long as predicting thousands of labels.
    """
    import tensorflow as tf

    signature = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), model.input
    )

    @tf.function(input_signature=[signature], autograph=False)
    def predict(inputs):
        return model(inputs, training=False)  # said, as the graph is not for export: see `TimeLoop`

    return predict


def labels_in(serving_model: keras.Model) -> list[str]:
    """Return the labels of a serving model, in the order of its probabilities."""
    return serving_model.get_layer("labels").get_vocabulary()
