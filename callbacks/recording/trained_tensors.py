"""Which tensors of a training step depend on weights that are trained."""

from typing import Any

import keras
import tensorflow as tf


class TrainedTensors:
    """Finds the tensors by which the error must pass on its way to weights that are trained.

    A tape also computes gradients that lead to frozen weights only; TensorFlow leaves them out of
    the graph, unless somebody reads them. Whoever records an error asks here first, so that the
    backward pass through a frozen part is not computed for the record alone.

    Args:
        model: a model, while a training step is traced.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._graphs: dict[Any, tuple[set[str], set[str]]] = {}  # names of operations: all, trained

    def includes(self, tensor: Any) -> bool:
        """Return whether a tensor depends on trained weights; True if that is not known.

        It is not known of an eager tensor, nor inside a loop of the graph.
        """
        if tf.executing_eagerly():
            return True
        seen, trained = self._graphs.setdefault(tensor.graph, (set(), set()))
        if tensor.op.name not in seen:
            self._visit(tensor.graph, seen, trained)
        return not trained or tensor.op.name in trained

    def _visit(self, graph, seen, trained):
        handles = {id(v.handle) for v in self._model.trainable_variables}
        trained |= {inside.op.name for outside, inside in graph.captures if id(outside) in handles}
        for operation in graph.get_operations():  # in the order in which they were added
            if operation.name not in seen:
                seen.add(operation.name)
                if any(source.op.name in trained for source in operation.inputs):
                    trained.add(operation.name)
