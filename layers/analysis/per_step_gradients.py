"""A model's forward pass cut at its recurrent layers, so that each can be looked into by itself."""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ..paths import walk
from ..rnn.base import RecurrentLayer
from ..rnn.unroll import (
    Sequence,
    backward_scan,
    identity,
    outer_per_step,
    product,
    programs,
    swap_batch_and_time,
)
from ..rnn.watch import watch

ZERO = tf.UnconnectedGradients.ZERO
WEIGHTS = ("kernel", "recurrent_kernel", "bias")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a recurrent layer: what came in, what it kept, what went out."""

    name: str  # of the layer
    cell: Any  # the equations
    weights: tuple  # kernel, recurrent kernel, bias or None
    inputs: tuple  # x [B, T, D] in the order in which it was read, then the initial states
    sequence: Sequence
    mask: Any  # [T, B, 1] bool or None
    backwards: bool  # x was read from its last step to its first
    outputs: tuple  # h [B, T, H] where the layer returns sequences, then the last states
    returns_sequences: bool


@contextlib.contextmanager
def cut_open(model):
    """Within, the outputs of each recurrent call are new variables to the tape.

    So the tape knows what lies between the recurrent layers, and nothing of what they do inside.
    No error is recorded, no state carried over.

    Yields:
        (tape, calls): a persistent tape; the calls as they come, in order.
    """
    layers = {name: part for name, part in walk(model) if isinstance(part, RecurrentLayer)}
    kept = [(state, state.numpy()) for part in layers.values() for state in part.states or ()]
    loops = [vars(part).get("loop") for part in layers.values()]
    calls = []
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        try:
            for name, part in layers.items():
                part.loop = functools.partial(_cut, tape, calls, name)
            yield tape, calls
        finally:
            for part, loop in zip(layers.values(), loops, strict=True):
                del part.loop
                if loop is not None:
                    part.loop = loop
            for state, value in kept:
                state.assign(value)


def _cut(
    tape, calls, name, cell, x, states, weights, record, *, mask, return_sequences, backwards, **_
):
    """Stands in for `unroll` during a look: the same outputs, and what it takes to go back."""
    with tape.stop_recording():
        forward = programs(cell, False, x.shape[-1], states[0].shape[-1]).forward
        hidden, last, sequence = forward(x, states, weights, mask, None, return_sequences)
        mask = None if mask is None else swap_batch_and_time(mask)
    outputs = (hidden, *last) if return_sequences else last
    tape.watch(outputs)
    calls.append(
        Call(
            name,
            cell,
            weights,
            (x, *states),
            sequence,
            mask,
            backwards,
            outputs,
            return_sequences,
        )
    )
    return hidden, last


def place_of(calls, layer: str | None, asker: str) -> int:
    """The index of the one call of a layer, given by its path or name; None: of the last call."""
    names = [call.name for call in calls]
    places = [n for n, name in enumerate(names) if layer in (name, name.rpartition("/")[2])]
    if layer is None and calls:
        return len(calls) - 1
    if not places:
        there = ", ".join(sorted({*names})) or "none"
        raise ValueError(f"{asker}: no recurrent layer {layer!r}; there are: {there}")
    if len(places) > 1:
        raise ValueError(f"{asker}: layer {layer!r} is called {len(places)} times, not once")
    return places[0]


def per_step_gradients(model, x, y) -> dict[str, dict[str, np.ndarray]]:
    """The hidden chain rule in numbers: what each time step contributes to each weight's gradient.

    A recurrent layer uses the same W at every step. With W^(k) the copy used at step k,

        dE/dW = Σ_k dE/dh_k · ∂h_k/∂W^(k)

    and this returns the terms of the sum. They add up to the tape's gradient of the compiled loss
    at `training=False` (no dropout), without weight regularizers: these act on no step.

    Args:
        model: a compiled model with recurrent layers, ours or those of Keras.
        x, y: a batch.

    Returns:
        {layer: {"kernel": [T, D, G], "recurrent_kernel": [T, H, G], "bias": [T, …]}}. Entry k is of
        the step that read x[:, k], whichever way the layer runs. A layer in a layer is named by its
        path, "bidirectional/forward_lstm". Of a layer called twice, the contributions of both calls
        are added.

    Raises:
        ValueError, TypeError: the model is not compiled, or cannot be watched (see `watch`).
    """
    model = watch(model)
    if not model.compiled:
        raise ValueError(f"model {model.name!r} has no loss yet: compile it first")
    with cut_open(model) as (tape, calls):
        loss = model.compute_loss(x, y, model(x, training=False), training=False)
    errors = tape.gradient(loss, [call.outputs for call in calls], unconnected_gradients=ZERO)
    result = {}
    for place in reversed(range(len(calls))):
        call = calls[place]
        gradients, back = _contributions(call, errors[place])
        _add(result.setdefault(call.name, {}), gradients)
        below = [earlier.outputs for earlier in calls[:place]]
        further = tape.gradient([*call.inputs], below, back, unconnected_gradients=ZERO)
        errors = tf.nest.map_structure(tf.add, errors[:place], further)
    return dict(reversed(result.items()))


def _contributions(call, errors):
    """→ ({weight: [T, *shape]} in the order of x, the errors of `call.inputs`)"""
    injected, last = (errors[0], errors[1:]) if call.returns_sequences else (None, errors)
    back = _back(call.cell, call.sequence.x.shape[-1], last[0].shape[-1])
    gradients, errors = back(call.sequence, injected, last, call.weights, call.mask)
    arrays = [g.numpy()[:: -1 if call.backwards else 1] for g in gradients]
    used = [name for name, w in zip(WEIGHTS, call.weights, strict=True) if w is not None]
    return dict(zip(used, arrays, strict=False)), errors


@functools.cache
def _back(cell, width, units):
    """→ a function to (weight gradients per step [T, *shape], the errors of x and first states)

    One for each size of x_t and h_t, as `programs` has it.
    """

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def back(sequence, injected, last, weights, mask):
        injected = None if injected is None else swap_batch_and_time(injected)
        local, initial, _ = backward_scan(
            cell, sequence, injected, last, weights, mask, identity, identity
        )
        gradients = cell.weight_gradients(sequence, local, identity, outer_per_step)
        dx = product(cell.input_errors(local), tf.transpose(weights[0]))
        return gradients, [swap_batch_and_time(dx), *initial]

    return back


def _add(total, gradients):
    """Add arrays [T, …] by name, in place; T may differ from call to call."""
    for name, new in gradients.items():
        old = total.get(name, new[:0])
        longer, shorter = (new, old) if len(new) > len(old) else (old, new)
        total[name] = longer.copy()
        total[name][: len(shorter)] += shorter
