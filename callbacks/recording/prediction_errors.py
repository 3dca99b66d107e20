"""Measures the error of one prediction alone, on a few examples, in every recurrent layer.

Where a loss enters at every time step, the real backward pass holds the sum of all errors. Only the
error of a single prediction shows how far back it reaches.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...layers.analysis.recorded_calls import is_recordable, separate_records
from ...layers.call_order import number_in_code, written_order
from ...layers.paths import walk
from ...layers.rnn.error_record import ErrorRecord
from .rows import Rows


def prediction_errors(
    model: keras.Model, x: Any, y: Any, sample_weight: Any = None
) -> dict[str, tuple[Rows, str]]:
    """Return the error of one prediction at every time step of every recurrent layer.

    The loss is that of `model.compute_loss`, at `training=False`. If an output has a loss at each
    step, only that of the last step of each example is taken, which counts (mask, sample weight);
    in layers that read backwards that of the first step, if it enters later in their reading order.
    The model, its states and its records are not changed.

    Args:
        model: a compiled model.
        x, y, sample_weight: a few examples, as `fit` takes them.

    Returns:
        By the names in `ErrorFlow.history`: one row of statistics, and which prediction it is of:
        "last" or "first"; "only" if every example has a single one; "all" if they cannot be
        separated, as with a `compute_loss` of the model's own.
    """
    parts = {name: part for name, part in walk(model) if is_recordable(part)}
    data = x, y, sample_weight
    rows, which = _backward_pass(model, parts, data, -1)
    if which != "one":
        return {name: (row, which) for name, row in rows.items()}
    measured = {name: (row, "last") for name, row in rows.items()}
    if backwards := backwards_parts(model):
        for name, row in _backward_pass(model, parts, data, 0)[0].items():
            prefer = name.partition(":")[0] in backwards
            if name not in measured or _end(row) + prefer > _end(measured[name][0]):
                measured[name] = row, "first"
    # A layer that is called for each prediction has calls that the last one does not reach.
    return {
        name: (row, which) if _end(row) >= 0 else (row, "all")
        for name, (row, which) in measured.items()
    }


def _end(row: Rows) -> int:
    """Return the last column, in reading order, that an error reaches; -1 if there is none."""
    (reached,) = np.nonzero(row.values[-len(row.statistics)][0] > 0)  # hidden, aligned at the end
    return int(reached.max(initial=-1))


def backwards_parts(model: keras.Model) -> set[str]:
    """Return the paths of the layers, and cells of a stack, that read x from its last step on."""
    found: set[str] = set()
    for name, part in walk(model):
        parent = name.rpartition("/")[0]
        if getattr(part, "go_backwards", False) or parent in found:
            found.add(name)
    return found


def _backward_pass(model, parts, data, side):
    """Return the rows of one backward pass of the last (-1) or first (0) predictions."""
    x, y, sample_weight = tf.nest.map_structure(_tensor, data)
    if fixed := _batch_size(model):  # as of a model with stateful layers
        x, y, sample_weight = tf.nest.map_structure(
            lambda part: None if part is None else _repeated(part, fixed), (x, y, sample_weight)
        )
    weights = [v.value for part in parts.values() for v in getattr(part, "cell", part).weights]
    tape = tf.GradientTape(watch_accessed_variables=False)
    with separate_records(model) as records:
        with tape:
            tape.watch([weight for weight in weights if weight.dtype.is_floating])
            outputs = model(x, training=False)
            chosen, which = _weights_of_one_step(model, y, outputs, sample_weight, side)
            loss = model.compute_loss(x, y, outputs, chosen, training=False)
            loss = _scaled(model.optimizer, loss)
        tape.gradient(loss, weights)
    orders = written_order(model)
    return {
        _name_of_call(name, orders.get(id(parts[name]), ()), running): _row(record)
        for name, of_calls in records.items()
        for running, record in enumerate(of_calls)
        if record.count
    }, which


def _scaled(optimizer, loss):
    """Scale the loss as in training, so that float16 does not underflow; ratios stay the same."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.scale_loss(loss)
    return loss


def _tensor(value):
    return None if value is None else tf.convert_to_tensor(value)


def _batch_size(model):
    """Return the batch size that a model was built for; None if it takes any."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    return inputs[0].shape[0] if inputs else None


def _repeated(part, size):
    """Repeat examples until there are `size` of them."""
    return tf.gather(part, np.arange(size) % len(part))


def _name_of_call(name, order, running):
    """Return the name of a call in `ErrorFlow.history`: "lstm", "lstm:1"."""
    number = number_in_code(running, order)
    return f"{name}:{number}" if number else name


def _row(record: ErrorRecord) -> Rows:
    (figures,) = record.latest()
    start, end = (
        np.stack([figures[name + suffix] for name in record.statistics])[:, None]
        for suffix in ("", "_from_end")
    )
    same = np.array_equal(start, end, equal_nan=True)
    values = start if same else np.concatenate([start, end])
    return Rows(np.array([0]), np.array([values.shape[-1]]), values, record.statistics)


def _weights_of_one_step(model, y, outputs, sample_weight, side):
    """Return sample weights that leave the loss of one step of each example, and "one".

    If there are no steps ("only"), or they cannot be separated ("all"), the weights stay as given.
    """
    losses = tf.nest.flatten(model.loss)
    flat_outputs, flat_y = tf.nest.flatten(outputs), tf.nest.flatten(y)
    if type(model).compute_loss is not keras.Model.compute_loss or not (
        len(losses) == len(flat_outputs) == len(flat_y)
    ):
        return sample_weight, "all"
    flat_weights = tf.nest.flatten(sample_weight) if sample_weight is not None else []
    flat_weights = flat_weights if len(flat_weights) == len(losses) else [None] * len(losses)
    each = [
        _of_output(*parts, side)
        for parts in zip(losses, flat_y, flat_outputs, flat_weights, strict=True)
    ]
    if not any(has_steps for _, has_steps in each):
        return sample_weight, "only"
    return tf.nest.pack_sequence_as(outputs, [weights for weights, _ in each]), "one"


def _of_output(loss, y, output, weights, side):
    """Return the weights of one output, and whether it has a loss at each step."""
    if loss is None:
        return tf.ones([]), False
    function = keras.losses.get(loss)
    function = function.call if isinstance(function, keras.losses.Loss) else function
    values: Any = tf.convert_to_tensor(function(y, output))  # [B, N] if there is one per step
    if values.shape.rank != 2:
        return (tf.ones(values.shape[:1]) if weights is None else weights), False
    counted = np.ones(tuple(values.shape), bool)
    mask = getattr(output, "_keras_mask", None)
    for part in (mask, weights):
        if part is not None and part.shape == values.shape:
            counted &= np.asarray(part) > 0
    steps = np.arange(values.shape[1])
    found = np.where(counted, steps, -1).max(1) if side else np.where(counted, steps, 9**9).min(1)
    return tf.constant(counted & (steps == found[:, None]), tf.float32), True
