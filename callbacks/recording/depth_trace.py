"""One training step while it is traced: the layers that are called, and the errors they receive."""

import collections
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from .depth_layers import DepthLayers
from .depth_taps import FIGURES, Column, Tap, figures_of, has_error
from .layer_calls import Arguments
from .trained_tensors import TrainedTensors
from .training_steps import TracedStep


class DepthTrace:
    """Places taps behind the outputs of layers, and before each of several readers of a tensor.

    A tap is an identity whose backward pass measures the error. It changes neither the outputs nor
    the gradients.

    Args:
        step: the training step.
        layers: the layers whose outputs are recorded.
        trained: the tensors whose error the training step needs; no other is recorded.
        is_due: whether the step is recorded: True, or a bool scalar in the graph.
    """

    def __init__(self, step: TracedStep, layers: DepthLayers, trained: TrainedTensors, is_due: Any):
        self._step, self._layers, self._trained, self._is_due = step, layers, trained, is_due
        self._graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        self._calls: collections.Counter[str] = collections.Counter()
        self._taps: list[Tap] = []
        self._readings: collections.Counter[tuple[int, str]] = collections.Counter()
        # By the `id` of a tensor: itself, its tap, the operation that returned it or may read it.
        self._sources: dict[int, tuple[Any, Tap, Any]] = {}

    # What `observed_layer_calls` and `observed_paths` call

    def reads(self, operation: keras.Operation, args: Any, kwargs: Any) -> Arguments:
        if not self._layers.is_reader(operation):
            return args, kwargs
        replaced: dict[int, Any] = {}  # an operation may read a tensor twice

        def replace(x):
            if id(x) not in replaced:
                replaced[id(x)] = self._before(operation, x)
            return replaced[id(x)]

        return keras.tree.map_structure(replace, (args, kwargs))

    def _before(self, reader, x):
        _, whole, source = self._sources.get(id(x), (None, None, None))
        name = source and self._layers.reads_fork(reader, source)
        if whole is None or not name:
            return x
        count = self._readings[id(whole), name]
        self._readings[id(whole), name] += 1
        tap = Tap(whole.path, whole.call, f"{name}:{count}" if count else name, whole)
        return self._tap([x], tap, reader)[0]

    def returns(self, operation: keras.Operation, outputs: Any) -> Any:
        path = self._layers.path(operation)
        if path is None:
            return outputs
        flat = tf.nest.flatten(outputs)
        places = [place for place, x in enumerate(flat) if has_error(x)]
        is_inner = self._layers.names is None and isinstance(operation, keras.Model)
        if is_inner and all(id(flat[place]) in self._sources for place in places):
            for place in places:  # what its last layer returns is recorded already
                x, tap, _ = self._sources[id(flat[place])]
                self._sources[id(x)] = x, tap, operation
            return outputs
        if not places:
            return outputs
        tap = Tap(path, self._calls[path])
        self._calls[path] += 1
        tapped = self._tap([flat[place] for place in places], tap, operation)
        for place, x in zip(places, tapped, strict=True):
            flat[place] = x
        return tf.nest.pack_sequence_as(outputs, flat)

    def fork(self, layer: Any, x: Any, paths: Sequence[str]) -> Sequence[Any]:
        try:
            return self._fork(layer, x, paths)
        except Exception as error:  # what observes must not limit what is observed
            warnings.warn(f"DepthFlow cannot measure {layer.name} by path: {error}", stacklevel=2)
            return [x] * len(paths)

    def _fork(self, layer, x, paths):
        path = self._layers.path(layer)
        if path is None or not has_error(x):
            return [x] * len(paths)
        call = self._calls[path]  # the number of the call that is running
        _, whole, operation = self._sources.get(id(x), (None, None, None))
        if whole is not None and whole.label and operation is layer:
            (x,) = whole.tensors
            whole.is_sum = True
        elif whole is None or whole.label or not self._layers.is_only(layer, operation):
            whole = Tap(path, call, "input")
            whole.is_sum = True
            self._taps.append(whole)
        return [self._tap([x], Tap(path, call, label, whole), layer)[0] for label in paths]

    # Taps

    def _tap(self, tensors, tap, operation):
        """Return the same tensors, whose error is measured.

        operation: the one that returns them; of a path, the one that reads them.
        """
        self._taps.append(tap)
        tap.tensors = tensors

        @tf.custom_gradient
        def identity(*tensors):
            def measured(*errors):
                if not any(map(self._trained.includes, tap.tensors)):
                    return errors
                if self._is_elsewhere():
                    tap.row = _no_figures()
                elif tap.is_sum:
                    tap.errors.append(errors)
                else:
                    self._measure(tap, errors, () if tap.label else tensors, operation)
                return errors

            return tensors, measured

        tapped: Any = identity(*tensors)
        for before, after in zip(tensors, tapped, strict=True):
            mask = getattr(before, "_keras_mask", None)
            if mask is not None:
                after._keras_mask = mask
            self._sources[id(after)] = after, tap, operation
        return tapped

    def _is_elsewhere(self):
        """Whether the backward pass stands in a function or loop whose rows cannot be read.

        XLA may compile it, which cannot be seen there, and it does not know all operations.
        """
        return self._graph not in (None, tf.compat.v1.get_default_graph())

    def _measure(self, tap, errors, outputs, operation):
        def figures():
            return figures_of(errors, outputs, operation)

        try:
            is_due = self._is_due
            tap.row = figures() if is_due is True else tf.cond(is_due, figures, _no_figures)
            if tap.whole is not None and tap.whole.is_sum:
                tap.whole.errors.append(errors)
        except Exception as error:  # what observes must not limit what is observed
            warnings.warn(f"DepthFlow cannot measure {tap.path}: {error}", stacklevel=2)

    def _measure_sums(self):
        """Measure the errors that are sums over paths; those that are sums of sums come last."""
        for tap in reversed(self._taps):
            if tap.is_sum and tap.errors:
                parts = [tf.convert_to_tensor(part) for (part,) in tap.errors]
                self._measure(tap, [tf.add_n(parts)], (), None)

    # Rows

    def columns(self) -> list[tuple[Column, Tap]]:
        """Return every column of the step, with its tap.

        A call that no error reaches has a column only if no call of the layer is reached, so that
        the columns of frozen layers keep their place. This leaves out the calls with which Keras
        builds a model, and the first one of a layer that is computed again in the backward pass.
        """
        self._measure_sums()
        calls: dict[str, list[int]] = collections.defaultdict(list)
        for tap in self._taps:
            if tap.row is not None and tap.call not in calls[tap.path]:
                calls[tap.path].append(tap.call)
        named = {tap: self._name(tap, sorted(calls[tap.path]) or [0]) for tap in self._taps}
        return [
            (Column(name, bool(tap.label), (tap.whole and named[tap.whole]) or ""), tap)
            for tap, name in named.items()
            if name is not None
        ]

    def _name(self, tap, calls):
        if tap.call not in calls:
            return None
        number = self._layers.number_in_code(tap.path, calls.index(tap.call), len(calls))
        name = f"{tap.path}:{number}" if number else tap.path
        return f"{name} ({tap.label})" if tap.label else name

    def rows(self, taps: Sequence[Tap]) -> Any:
        """Return the rows of taps that the backward pass has met, [n, FIGURES] float64."""
        rows = tf.stack([tap.row for tap in taps])
        scale = self._step.loss_scale()
        factor = 1.0 if scale is None else tf.cast(scale, tf.float64) ** -2
        examples, sums, outputs = rows[:, :1], rows[:, 1:3], rows[:, 3:]
        batch = self._step.examples
        batch = examples if batch is None else tf.ones_like(examples) * tf.cast(batch, tf.float64)
        number = tf.ones_like(examples) * tf.cast(self._step.number, tf.float64)
        is_sum = tf.ones_like(examples) * float(self._step.is_sum)
        return tf.concat([number, is_sum, batch, examples, sums * factor, outputs], axis=1)


def _no_figures():
    return tf.zeros([len(FIGURES) - 3], tf.float64)
