"""Which tensors of a training step depend on weights that are trained."""

from typing import Any

import keras
import tensorflow as tf


class TrainedTensors:
    """Finds the tensors by which the error must pass on its way to weights that are trained.

    A tape also computes gradients that lead to frozen weights only; TensorFlow leaves them out of
    the graph, unless somebody reads them. Whoever records an error asks here first, so that the
    backward pass through a frozen part is not computed for nobody else.

    Args:
        model: a model, while a training step is traced.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._seen: set[str] = set()  # names of operations
        self._trained: set[str] = set()

    def includes(self, tensor: Any) -> bool:
        """Return whether a tensor depends on trained weights; True if it has no graph (eagerly)."""
        if tf.executing_eagerly():
            return True
        if tensor.op.name not in self._seen:
            self._visit(tensor.graph)
        return tensor.op.name in self._trained

    def _visit(self, graph):
        handles = {id(v.handle) for v in self._model.trainable_variables}
        captured = {inside.op.name for outside, inside in graph.captures if id(outside) in handles}
        self._trained |= captured
        for operation in graph.get_operations():  # in the order in which they were added
            name = operation.name
            if name not in self._seen:
                self._seen.add(name)
                if any(source.op.name in self._trained for source in operation.inputs):
                    self._trained.add(name)
