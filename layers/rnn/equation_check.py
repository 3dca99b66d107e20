"""The equations that the author of a cell registered, compared with the cell's own `call`."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .cells import cell_equations, cell_weights
from .error_record import ErrorRecord
from .unroll import unroll

BATCH, STEPS = 2, 3
TOLERANCES = {"float64": 1e-7, "float32": 1e-3}  # relative; 0.05 in half precision


def check_equations(cell: Any) -> None:
    """Compare the equations registered for a built cell with its `call`, over three random steps.

    Raises:
        ValueError: outputs, states, their gradients or the errors at each step differ.
    """
    weights = cell_weights(cell)
    dtype = weights.kernel.dtype
    random = np.random.default_rng(0)

    def noise(*shape):
        return tf.constant(random.normal(size=shape), dtype)

    x = noise(BATCH, STEPS, weights.kernel.shape[0])
    sizes = keras.tree.flatten(cell.state_size)
    _check_states(cell, sizes)
    initial = [noise(BATCH, size) for size in sizes]
    into_last = [noise(BATCH, size) for size in sizes]
    into_each = noise(BATCH, STEPS, sizes[0])
    ours = _by_equations(cell, x, initial, [into_each, *into_last])
    theirs = _by_call(cell, x, initial, [into_each, *into_last])
    tolerance = TOLERANCES.get(dtype.name, 0.05)
    for name, expected in theirs.items():
        if not _close(ours[name], expected, tolerance):
            raise ValueError(
                f"watch: the equations registered for {type(cell).__name__} disagree with its "
                f"`call` in {name} (compared over {STEPS} steps of random numbers)"
            )


def _check_states(cell, sizes):
    fields = cell_equations(cell).state._fields
    if len(fields) != len(sizes) or len({*sizes}) != 1:
        raise ValueError(
            f"watch: the equations registered for {type(cell).__name__} have the states "
            f"{', '.join(fields)}, all of one size; the cell has states of sizes {sizes}"
        )


def _by_equations(cell, x, initial, errors):
    equations = cell_equations(cell)
    record = ErrorRecord(has_cell=len(initial) == 2)
    with tf.GradientTape() as tape:
        tape.watch([x, *initial])
        outputs, last = unroll(
            equations,
            x,
            equations.state(*initial),
            cell_weights(cell),
            record,
            mask=None,
            recurrent_dropout=None,
            return_sequences=True,
            backwards=False,
            compiled=False,
        )
        results = [outputs, *last]
    gradients = tape.gradient(results, [x, initial, _trainable(cell)], errors)
    return _named(results, gradients, record.latest()[0]["hidden"] / BATCH)


def _by_call(cell, x, initial, errors):
    """The same by automatic differentiation of the cell's `call`, step by step."""
    probes = [tf.zeros_like(initial[0]) for _ in range(STEPS)]
    with tf.GradientTape() as tape:
        tape.watch([x, *initial, *probes])
        states, outputs = initial, []
        for t in range(STEPS):
            output, states = cell(x[:, t], [*states])
            states = [states[0] + probes[t], *states[1:]]
            outputs.append(output + probes[t])
        results = [tf.stack(outputs, axis=1), *states]
    gradients = tape.gradient(results, [x, initial, _trainable(cell), probes], errors)
    hidden = [np.sqrt(np.mean(np.sum(np.square(e), -1))) for e in gradients.pop()]
    return _named(results, gradients, hidden)


def _trainable(cell):
    return [v.value for v in getattr(cell, "trainable_variables", ())]


def _named(results, gradients, hidden):
    return {
        "its outputs": results[:1],
        "its states": results[1:],
        "the gradient of its input": gradients[:1],
        "the gradients of its initial states": gradients[1],
        "the gradients of its weights": gradients[2],
        "the error at each step": [hidden],
    }


def _close(ours, theirs, tolerance):
    return len(ours) == len(theirs) and all(
        (a is None) == (b is None)
        and (a is None or np.shape(a) == np.shape(b))
        and (a is None or np.allclose(a, b, rtol=tolerance, atol=tolerance))
        for a, b in zip(ours, theirs, strict=True)
    )
