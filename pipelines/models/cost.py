"""What a model costs: parameters and multiply-adds."""

import math
from typing import Any

import keras
import tensorflow as tf


def trained_parameters(model: keras.Model) -> int:
    """Numbers that training changes: without the moving statistics of batch normalisation."""
    return sum(math.prod(w.shape) for w in model.trainable_weights)


def multiply_adds(model: keras.Model) -> int:
    """Of convolutions and dense layers, for one example, as executed at inference.

    Read off the graph, so that what blocks do inside is counted too.
    """
    x = model.input
    run = tf.function(lambda x: model(x, training=False))
    graph: Any = run.get_concrete_function(tf.TensorSpec([1, *x.shape[1:]], x.dtype)).graph
    return sum(map(_products, graph.get_operations()))


def _products(op: Any) -> int:
    if op.type == "Conv2D":
        *window, channels, _ = op.inputs[1].shape
        return math.prod(op.outputs[0].shape) * math.prod(window) * channels
    if op.type == "MatMul":
        return math.prod(op.outputs[0].shape) * op.inputs[0].shape[-1]
    return 0
