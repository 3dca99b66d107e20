"""The cost of a model: trained parameters and multiply-adds."""

import math
from typing import Any

import keras
import tensorflow as tf


def trained_parameters(model: keras.Model) -> int:
    """The number of trained parameters, without the moving statistics of batch normalisation."""
    return sum(math.prod(w.shape) for w in model.trainable_weights)


def multiply_adds(model: keras.Model) -> int:
    """The multiply-adds of convolutions and dense layers for one example at inference.

    Counted on the graph, so that operations inside composite layers count too.
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
