"""Shows the first batch that a model is trained on to a function, and trains on it all the same."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def show_first_batch(model: keras.Model, to: Callable[[Any], None]) -> None:
    """Call a function with the first batch of the next execution of training steps.

    The model then trains on this batch and those that follow, in their order, each once. It does
    so from copies of the batches of this one execution, of the same shapes and types, so that
    nothing is traced again. Batches that are distributed over devices, or are not dense tensors,
    are not shown, nor those of a model whose `train_step` is its own.

    Args:
        model: a model in `fit`, whose train function is made.
        to: a function of the batch, as `train_step` gets it.
    """
    if type(model).train_step is not keras.Model.train_step:
        return
    if not isinstance(model.train_function, _FirstExecution):
        model.train_function = _FirstExecution(model)
    model.train_function.readers.append(to)


def end_showing(model: keras.Model) -> None:
    """Give the model its train function back, if no training step has been made."""
    if isinstance(model.train_function, _FirstExecution):
        model.train_function.end()


class _FirstExecution:
    """A train function that stands in for the model's own until it is called once."""

    def __init__(self, model):
        self.readers: list[Callable[[Any], None]] = []
        self._model, self._own = model, model.train_function
        vars(self).update(vars(self._own))  # as `trace_train_step_in` marks it

    def __call__(self, iterator):
        self.end()
        return self._own(self._shown(iterator) if _is_plain(iterator) else iterator)

    def end(self):
        self._model.train_function = self._own

    def _shown(self, iterator):
        batches = [*itertools.islice(iterator, self._model.steps_per_execution)]
        for read in self.readers if batches else ():
            read(batches[0])
        again = functools.partial(_each_once, batches)
        spec = iterator.element_spec
        return iter(tf.data.Dataset.from_generator(again, output_signature=spec))


def _each_once(batches):
    """Yield the batches and forget them: TensorFlow keeps a generator as long as the process."""
    while batches:
        yield batches.pop(0)


def _is_plain(iterator):
    return isinstance(iterator, tf.data.Iterator) and all(
        isinstance(part, tf.TensorSpec) for part in tf.nest.flatten(iterator.element_spec)
    )
