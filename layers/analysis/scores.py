"""The score that `saliency` and `grad_cam` explain, and its gradient at places of a model."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ..paths import walk
from .recorded_calls import errors_unrecorded, restored_states

Target = int | Sequence[int] | np.ndarray | Callable[[Any], Any] | None


class Output(NamedTuple):
    """What a layer returned in one call, the first of several tensors, as a tape sees it."""

    path: str
    layer: keras.Layer
    value: Any


class Pass(NamedTuple):
    """One forward pass of a model on a batch of B examples.

    Attributes:
        tape: a tape that watches the inputs and the outputs of the recorded layers.
        inputs: the inputs that are numbers and not indices, by name.
        outputs: the outputs of the recorded layers, in the order of their calls.
        score: the score of each example, [B].
        classes: the index of its class, [B]; None if a function computed the score.
    """

    tape: tf.GradientTape
    inputs: dict[str, Any]
    outputs: list[Output]
    score: Any
    classes: np.ndarray | None

    def gradient(self, place: Any) -> np.ndarray:
        """Return dy/d(place), in float32 or wider; 0 where the score does not depend on it."""
        gradient = self.tape.gradient(
            self.score, place, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return at_least_float32(gradient)


def run(
    model: keras.Model, x: Any, target: Target, function: str, record: Callable[[Any], bool]
) -> Pass:
    """Run a model at `training=False` and compute the score of each example.

    Args:
        model: a model.
        x: a batch.
        target: see `saliency`.
        function: the name of the public function, for error messages.
        record: whether the outputs of a layer are recorded.

    Raises:
        ValueError: there is no such class, or the outputs have no classes.
        TypeError: `target` is none of what `saliency` takes.
    """
    x = _tensors(model, x)
    inputs = {name: value for name, value in _named(model, x).items() if value.dtype.is_floating}
    tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
    with (
        restored_states(model),
        errors_unrecorded(model),
        tape,
        _recorded(model, tape, record) as outputs,
    ):
        tape.watch([*inputs.values()])
        scores = keras.tree.map_structure(_before_softmax, model(x, training=False))
        score, classes = _chosen(scores, target, len(keras.tree.flatten(x)[0]), function)
    return Pass(tape, inputs, outputs, score, classes)


def at_least_float32(values: Any) -> np.ndarray:
    """Return values as an array; float16 and bfloat16 become float32."""
    values = tf.convert_to_tensor(values)
    return (values if values.dtype.size > 2 else tf.cast(values, tf.float32)).numpy()


def _tensors(model, x):
    """The inputs as tensors, pixels of integers as the floats that the model takes."""
    if isinstance(x, Mapping):
        kinds = {tensor.name: tensor.dtype for tensor in _symbolic_inputs(model)}
        return {name: _tensor(value, kinds.get(name)) for name, value in x.items()}
    if isinstance(x, list | tuple):
        kinds = [tensor.dtype for tensor in _symbolic_inputs(model)] or [None] * len(x)
        return [_tensor(value, kind) for value, kind in zip(x, kinds, strict=True)]
    return _tensor(x, next((tensor.dtype for tensor in _symbolic_inputs(model)), None))


def _tensor(value, kind):
    value = tf.convert_to_tensor(value)
    return value if kind is None or value.dtype == kind else tf.cast(value, kind)


def _symbolic_inputs(model):
    """The inputs of a functional or sequential model; none for others."""
    return getattr(model, "inputs", None) or []


def _named(model, x):
    if isinstance(x, Mapping):
        return dict(x)
    tensors = keras.tree.flatten(x)
    names = [tensor.name for tensor in _symbolic_inputs(model)]
    is_named = not any(name.startswith("keras_tensor") for name in names)  # by Keras itself
    if not is_named or len(names) != len(tensors):
        names = ["x"] if len(tensors) == 1 else [f"x[{i}]" for i in range(len(tensors))]
    return dict(zip(names, tensors, strict=True))


@contextlib.contextmanager
def _recorded(
    model: keras.Model, tape: tf.GradientTape, record: Callable[[Any], bool]
) -> Iterator[list[Output]]:
    """Within the context, record the (first) outputs of layers, and let the tape watch them."""
    outputs: list[Output] = []

    def call(path: str, layer: keras.Layer, original: Callable, *args: Any, **options: Any) -> Any:
        returned = original(*args, **options)
        value: Any = next(iter(keras.tree.flatten(returned)), None)
        if tf.is_tensor(value) and not tf.is_symbolic_tensor(value) and value.dtype.is_floating:
            tape.watch(value)
            outputs.append(Output(path, layer, value))
        return returned

    layers = [(path, layer) for path, layer in walk(model) if record(layer)]
    with contextlib.ExitStack() as stack:
        for path, layer in layers:
            stack.enter_context(_replaced_call(layer, functools.partial(call, path, layer)))
        yield outputs


@contextlib.contextmanager
def _replaced_call(layer: Any, function: Callable) -> Iterator[None]:
    """Within the context, a layer calls a function with its own `call` as first argument."""
    own = vars(layer).get("call")  # of this object: somebody else has replaced it, too
    layer.call = functools.partial(function, layer.call)
    try:
        yield
    finally:
        if own is None:
            del layer.call
        else:
            layer.call = own


def _before_softmax(output):
    """What Keras' softmax or sigmoid was applied to; other outputs are returned as they are."""
    return getattr(output, "_keras_logits", output)


def _chosen(scores, target, batch, function):
    """The score of each example [B], and the index of its class [B] or None."""
    if callable(target):
        returned: Any = target(scores)
        score = tf.convert_to_tensor(returned)
        if score.shape != (batch,):
            raise ValueError(
                f"{function}: the function `target` must return one score for each of {batch}"
                f" examples, not {_shape(score)}"
            )
        return score, None
    outputs = keras.tree.flatten(scores)
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise ValueError(
            f"{function}: outputs of {', '.join(map(_shape, outputs))} are not one score for each"
            " class, [B, K]; let `target` be a function from the outputs to one score per example"
        )
    classes = _classes(outputs[0], target, function)
    return tf.gather(outputs[0], classes, batch_dims=1), classes


def _classes(scores, target, function):
    batch, count = scores.shape
    if target is None:
        return scores.numpy().argmax(axis=1)
    classes = np.asarray(target)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"{function}: `target` must be an index, not {target!r}")
    if classes.shape not in ((), (batch,)):
        raise ValueError(
            f"{function}: `target` must be one index or one for each of {batch} examples, not"
            f" {[*classes.shape]}"
        )
    if (classes < 0).any() or (classes >= count).any():
        raise ValueError(f"{function}: `target` must be from 0 to {count - 1}, not {target!r}")
    return np.broadcast_to(classes, [batch])


def _shape(tensor):
    return f"shape [{', '.join(map(str, tensor.shape))}]"
