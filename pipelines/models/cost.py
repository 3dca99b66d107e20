"""What a model costs: parameters and multiply-adds."""

import math

import keras
import tensorflow as tf


def trained_parameters(model: keras.Model) -> int:
    """Numbers that training changes: without the moving statistics of batch normalisation."""
    return sum(math.prod(w.shape) for w in model.trainable_weights)


def multiply_adds(model: keras.Model) -> int:
    """Of convolutions and dense layers, for one example, as executed at inference.

    Read off the graph, so that what blocks do inside is counted too.
    """
    inputs = [tf.TensorSpec([1, *x.shape[1:]], x.dtype) for x in model.inputs]
    run = tf.function(lambda *x: model(x if len(x) > 1 else x[0], training=False))
    graph = run.get_concrete_function(*inputs).graph
    return sum(map(_products, graph.get_operations()))


def _products(op: tf.Operation) -> int:
    if op.type == "Conv2D":
        *window, channels, _ = op.inputs[1].shape
        return math.prod(op.outputs[0].shape) * math.prod(window) * channels
    if op.type == "MatMul":
        return math.prod(op.outputs[0].shape) * op.inputs[0].shape[-1]
    return 0
