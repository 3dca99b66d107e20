"""The hidden chain rule: the contribution of each time step to each weight's gradient."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ..rnn.equations import StepOps, Weights
from ..rnn.matrix_products import outer_per_step, swap_batch_and_time
from ..rnn.scan import backward_scan
from ..rnn.watch import made_visible
from .recorded_calls import record_calls
from .results import AnalysisResult, number

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure

ZERO = tf.UnconnectedGradients.ZERO


class PerStepGradients(AnalysisResult, dict[str, dict[str, np.ndarray]]):
    """The terms of dE/dW = Σ_k dE/dh_k · ∂h_k/∂W^(k), `{layer: {weight: [T, *shape]}}`.

    It is a dict; a notebook shows it as a sentence and a figure.
    """

    def norms(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the norm of each term over all entries of the weight, {layer: {weight: [T]}}."""
        return {
            layer: {n: _norms(g) for n, g in by_weight.items()} for layer, by_weight in self.items()
        }

    def plot(self) -> "ResultFigure":
        """Return the norm of each weight's terms as curves over the time steps."""
        from . import pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        return pictures.curves(self.norms(), "time step k", "norm of the contribution to dE/dW")

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each layer, weight and time step.

        layer      category  its path
        weight     category  kernel, recurrent_kernel or bias
        time_step  int       k, from 1
        norm       float     ‖dE/dh_k · ∂h_k/∂W^(k)‖ over all entries of W
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        parts = [
            pd.DataFrame(
                {"layer": layer, "weight": name, "time_step": range(1, len(n) + 1), "norm": n}
            )
            for layer, by_weight in self.norms().items()
            for name, n in by_weight.items()
        ]
        return pd.concat(parts, ignore_index=True).astype(
            {"layer": "category", "weight": "category"}
        )

    def _text(self) -> str:
        return ". ".join(f"{layer}: {_of_layer(norms)}" for layer, norms in self.norms().items())


def _norms(gradients: np.ndarray) -> np.ndarray:
    """Return the norm of each entry along the first axis, float64."""
    return np.sqrt((gradients.reshape(len(gradients), -1).astype(float) ** 2).sum(axis=1))


def _of_layer(norms: Mapping[str, np.ndarray]) -> str:
    """Return what is to be said of the terms of one layer, all of its weights together."""
    total = np.sqrt(np.sum([of_weight**2 for of_weight in norms.values()], axis=0))
    finite = np.flatnonzero(np.isfinite(total))
    if not len(finite):
        return "no contribution to dE/dW is a finite number"
    if not total[finite].any():
        return "no time step contributes to dE/dW: every contribution is 0"
    largest, first = int(finite[np.argmax(total[finite])]), int(finite[0])
    text = f"time step {largest + 1:,} contributes most to dE/dW (norm {number(total[largest])})"
    if first != largest:
        share = number(total[first] / total[largest])
        text += f"; time step {first + 1:,} contributes {share} times as much"
    return text


def per_step_gradients(model: keras.Model, x: Any, y: Any) -> PerStepGradients:
    """Return the contribution of each time step to the gradient of each recurrent weight.

    A recurrent layer uses the same W at every step. With W^(k) the copy used at step k,

        dE/dW = Σ_k dE/dh_k · ∂h_k/∂W^(k)

    and this returns the terms of the sum. They add up to the tape's gradient of the compiled loss
    at `training=False` (no dropout), without weight regularizers, which act on no step.

    Args:
        model: a compiled model with recurrent layers of errorflow or Keras.
        x, y: a batch.

    Returns:
        A dict with a figure and a sentence, which a notebook shows:
        {layer: {"kernel": [T, D, G], "recurrent_kernel": [T, H, G], "bias": [T, …]}}. Entry k
        belongs to the step that read x[:, k], also in a layer that runs backwards. A layer inside
        another one is named by its path, "bidirectional/forward_lstm". If a layer is called twice,
        the contributions of both calls are added.

    Raises:
        ValueError, TypeError: the model is not compiled, or cannot be watched (see `watch`).
    """
    if isinstance(model, keras.Model) and not model.compiled:
        raise ValueError(f"model {model.name!r} has no loss yet: compile it first")
    with made_visible(model) as visible, record_calls(visible) as (tape, calls):
        loss = visible.compute_loss(x, y, visible(x, training=False), training=False)
    outputs = [call.outputs for call in calls]
    errors: Any = tape.gradient(loss, outputs, unconnected_gradients=ZERO)
    result: dict[str, dict[str, np.ndarray]] = {}
    for place in reversed(range(len(calls))):
        call = calls[place]
        gradients, input_errors = _contributions(call, errors[place])
        result[call.name] = _added(result.get(call.name, {}), gradients)
        further = tape.gradient(
            [*call.inputs], outputs[:place], input_errors, unconnected_gradients=ZERO
        )
        errors = tf.nest.map_structure(tf.add, errors[:place], further)
    return PerStepGradients(reversed(result.items()))


def _contributions(call, errors):
    """Return {weight: [T, *shape]} in the order of x, and the errors of `call.inputs`."""
    injected, last = call.split(errors)
    backward = _backward(call.equations, call.sequence.x.shape[-1], last.hidden.shape[-1])
    gradients, errors = backward(
        call.sequence, injected, last, call.weights, call.mask, call.factors
    )
    order = slice(None, None, -1 if call.backwards else 1)
    named = zip(Weights._fields, gradients, call.weights, strict=True)
    return {name: g.numpy()[order] for name, g, weight in named if weight is not None}, errors


@functools.cache
def _backward(equations, inputs, units):
    """Return a function that computes weight gradients per step and the errors of its inputs.

    `inputs` and `units` key the cache, as in `programs`.
    """

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def backward(sequence, injected, last, weights, mask, factors):
        injected = None if injected is None else swap_batch_and_time(injected)
        ops = StepOps(linear=equations.linear)
        scan = backward_scan(
            equations, sequence, injected, last, weights, mask, ops, factors=factors
        )
        errors = scan.preactivation_errors
        gradients = equations.weight_gradients(sequence, errors, ops, outer_per_step)
        dx = equations.linear.input_errors(equations.input_errors(errors), weights.kernel)
        return gradients, [swap_batch_and_time(dx), *scan.initial_errors]

    return backward


def _added(total, gradients):
    """Return the sums of arrays [T, …] by name; T may differ from call to call."""
    return {name: _sum(total.get(name, new[:0]), new) for name, new in gradients.items()}


def _sum(a, b):
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    result = longer.copy()
    result[: len(shorter)] += shorter
    return result
