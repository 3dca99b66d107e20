"""Interventions in the backward pass: the error carried back at a step, cut or scaled."""

import contextlib
import gc
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from .base import RecurrentLayer
from .carried_scale import Intervention, active
from .in_place import records_error


@contextlib.contextmanager
def intervene(layer: Any, step: int | Sequence[int] | None, scale: float = 0.0) -> Iterator[None]:
    """Cut, or scale, the error that a recurrent layer carries back at a time step.

    Within the context, back-propagation through time in this layer computes

        δ_t = dE/dy_t + a_t · (the error that step t+1 sends back to h_t)

    with a_t = `scale` at the chosen steps and 1 elsewhere; in an LSTM the error sent back to c_t is
    multiplied as well. dE/dy_t, the error that enters at step t itself, and that of the last state
    are not. So `scale=0.0` cuts the connection between step t and all later steps: no error of a
    later step arrives at step t or before it *through this layer's recurrence*. The outputs of the
    forward pass and the loss stay what they are. At the last step nothing is carried back, and an
    intervention there has no effect.

        with intervene(layer, step=20):                 # one backward pass of your own
            with tf.GradientTape() as tape:
                loss = ...
        gradients = tape.gradient(loss, model.trainable_weights)

        with intervene(layer, step=20):                 # a whole training
            model.fit(x, y)

    The context acts on the calls of the layer that are made, or traced, within it, and on their
    backward passes whenever they run. `fit` and `train_on_batch` of every model that holds the
    layer trace their training step again, within it and after it, so enter and leave it outside of
    `fit`. A `tf.function` of your own must be traced within the context. Contexts may be nested;
    where two of them choose the same step of a layer, the factors are multiplied.

    `layer.error`, and so `ErrorFlow`, record the errors of this backward pass; `error_matrix` and
    `per_step_gradients` follow it as well. `horizon` does not: it is a property of the forward
    pass. A call with an intervention runs in errorflow's own loop, not in cuDNN's.

    Args:
        layer: a recurrent layer of errorflow, or one that `watch` has made visible: the object in
            the model that `watch` returned. Of a `Bidirectional`, its `forward_layer` or
            `backward_layer`; of a stack of cells, one of the cells.
        step: t, from 1 on: the step that reads x[:, t-1], also in a layer that runs backwards.
            Below 0 it counts from the end of each sequence: -1 is the last valid step that the
            layer reads, which with padding is a different time step in each example. Several steps
            as a sequence; None for all of them.
        scale: the factor, 0 to cut. It may be above 1, or below 0.

    Raises:
        TypeError: `layer` is not a recurrent layer, or `step` no integer.
        ValueError: `layer` does not show its error, or there is no such step; or `scale` is not
            finite.
    """
    _check(layer)
    if not math.isfinite(scale):
        raise ValueError(f"intervene: scale must be a finite number, got {scale}")
    _trace_again(layer)
    try:
        with active(Intervention(layer, _steps(step), float(scale))):
            yield
    finally:
        _trace_again(layer)


def _check(layer):
    if isinstance(layer, RecurrentLayer) or records_error(layer):
        return
    name = getattr(layer, "name", "")
    if isinstance(layer, keras.layers.Bidirectional):
        advice = "is a Bidirectional; choose its forward_layer or its backward_layer"
    elif not isinstance(layer, keras.layers.RNN):
        kind = type(layer).__name__
        raise TypeError(f"intervene: expected a recurrent layer, got {kind} {name!r}")
    elif any(map(records_error, getattr(layer.cell, "cells", ()))):
        advice = "has a stack of cells; choose one of layer.cell.cells"
    else:
        advice = "is hidden; call watch(model), and choose the layer of the model that it returns"
    raise ValueError(f"intervene: layer {name!r} {advice}")


def _steps(step):
    if step is None:
        return None
    try:
        steps = tuple(map(operator.index, step if isinstance(step, Sequence) else [step]))
    except TypeError:
        raise TypeError(f"intervene: step must be an integer or integers, got {step!r}") from None
    if 0 in steps:
        raise ValueError("intervene: there is no step 0; steps count from 1, or back from -1")
    return steps


def _trace_again(layer):
    """Let Keras trace the training step of every model that holds the layer, or cell, again."""
    for model in [o for o in gc.get_objects() if issubclass(type(o), keras.Model)]:
        if hasattr(model, "_layers") and any(part is layer for part in model._flatten_layers()):
            model.train_function = None
