"""The gates of a model's LSTMs and GRUs for one batch."""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ...layers.analysis.recorded_calls import Call, is_recordable, record_calls
from ...layers.call_order import number_in_code, written_order
from ...layers.paths import walk
from ...layers.rnn.cells import cell_equations

GATES = (
    "input",
    "forget",
    "output",
    "update",
    "reset",
)  # other residuals are not gates
CLOSED, OPEN = 0.1, 0.9  # below, above


class Gate(NamedTuple):
    """The activations of one gate for a batch; masked steps are left out.

    Attributes:
        units: [T, H], the mean over the examples; NaN where no example has that step.
        closed: [T], the share of values below 0.1.
        open: [T], the share of values above 0.9.
        totals: "mean", "closed" and "open" over all steps.
    """

    units: np.ndarray
    closed: np.ndarray
    open: np.ndarray
    totals: Mapping[str, float]

    @property
    def steps(self) -> dict[str, np.ndarray]:
        """The mean over examples and units, and the shares of closed and open values, each [T]."""
        return {"": self.units.mean(axis=1), "_closed": self.closed, "_open": self.open}


class GateActivations(NamedTuple):
    """The gates of one call of a recurrent layer.

    Attributes:
        gates: by name; time steps are those of the input.
        backwards: the layer reads its input from the last step to the first.
    """

    gates: Mapping[str, Gate]
    backwards: bool


def has_gates(part: Any) -> bool:
    """Return whether a layer, or a cell of a stack, is an LSTM or GRU whose calls are recorded."""
    if not is_recordable(part):
        return False
    return _are_gated(cell_equations(getattr(part, "cell", part)))


def _are_gated(equations):
    return bool({*GATES} & {*equations.residuals._fields})


def gate_activations(
    model: keras.Model, inputs: Any, layers: Sequence[str] | None = None
) -> dict[str, GateActivations]:
    """Return the gates of each call of a model's LSTMs and GRUs, by path.

    Calls the model once with `training=False`, and restores the states that the call changes.

    Args:
        model: any Keras model.
        inputs: a batch, as the model takes it.
        layers: paths of the layers to return; None: all.
    """
    with _restored(model), record_calls(model) as (_, calls):
        model(inputs, training=False)
    calls = [call for call in calls if _are_gated(call.equations)]
    # The first call of a model that is not built yet is preceded by one with symbolic tensors.
    calls = [call for call in calls if not call.symbolic]
    calls = [call for call in calls if layers is None or call.name in layers]
    orders = written_order(model)
    order_of = {name: orders.get(id(layer), ()) for name, layer in walk(model)}
    groups = _grouped(calls, _inside_time_distributed(model), order_of)
    return {name: _activations(group) for name, group in groups.items()}


@contextlib.contextmanager
def _restored(model) -> Iterator[None]:
    """Set states to zero; afterwards restore them, and the state of random seed generators."""
    states = _states(model)
    values = [(v, tf.identity(v.value)) for v in (*model.non_trainable_variables, *states)]
    try:
        _clear(states)
        yield
    finally:
        for variable, value in values:
            variable.assign(value)
        restored = {id(state) for state in states}
        _clear(s for s in _states(model) if id(s) not in restored)  # of layers built by this call


def _states(model):
    """The states of stateful layers; Keras does not count them among the model's variables."""
    recurrent = [layer for _, layer in walk(model) if isinstance(layer, keras.layers.RNN)]
    return tf.nest.flatten([layer.states or () for layer in recurrent])


def _clear(states):
    for state in states:
        state.assign(tf.zeros_like(state.value))


def _inside_time_distributed(model) -> set[str]:
    """The paths of all layers inside a TimeDistributed."""
    wrappers = [part for _, part in walk(model) if isinstance(part, keras.layers.TimeDistributed)]
    inside = {id(part) for wrapper in wrappers for _, part in walk(wrapper)}
    return {name for name, part in walk(model) if id(part) in inside}


def _grouped(
    calls: Sequence[Call], distributed: set[str], order_of: Mapping[str, Sequence[int]]
) -> dict[str, list[Call]]:
    """One group per call, except that the calls of a TimeDistributed form one group.

    order_of: the entry of each layer in `layers.call_order.written_order`, by its path.
    """
    groups: dict[tuple[str, int], list[Call]] = {}
    for place, call in enumerate(calls):
        key = len(call.sequence.x) if call.name in distributed else place
        groups.setdefault((call.name, key), []).append(call)
    named, counts = {}, Counter()
    for (name, _), group in groups.items():
        number = number_in_code(counts[name], order_of.get(name, ()))
        named[name, number] = group
        counts[name] += 1
    return {
        f"{name}:{number}" if number else name: named[name, number]
        for name in counts
        for number in sorted(number for of_name, number in named if of_name == name)
    }


def _activations(group: Sequence[Call]) -> GateActivations:
    """The calls of one layer as one batch."""
    backwards = group[0].backwards
    order = slice(None, None, -1 if backwards else 1)
    valid = np.concatenate([_valid(call) for call in group], axis=1)[order]
    gates = {}
    for name in group[0].equations.residuals._fields:
        if name in GATES:
            values = [_places(getattr(call.sequence.residuals, name).numpy()) for call in group]
            gates[name] = _gate(np.concatenate(values, axis=1)[order], valid)
    return GateActivations(gates, backwards)


def _places(values):
    """[T, B, *map, H] → [T, B·N, H]: in a ConvLSTM, each of the N places of the map counts."""
    return values.reshape(len(values), -1, values.shape[-1])


def _valid(call):
    """[T, B] bool; [T, B·N] of a ConvLSTM"""
    places = math.prod(call.sequence.states.hidden.shape[2:-1])
    if call.mask is None:
        steps, batch = call.sequence.x.shape[:2]
        return np.ones([steps, batch * places], bool)
    return np.repeat(call.mask.numpy()[:, :, 0], places, axis=1)


def _gate(values: np.ndarray, valid: np.ndarray) -> Gate:
    """values: of one gate, [T, B, H]; valid: [T, B] bool."""
    values = values.astype(np.float32)
    figures = {"mean": values, "closed": values < CLOSED, "open": values > OPEN}
    counts = valid.sum(axis=1)[:, None]  # [T, 1]
    with np.errstate(invalid="ignore"):
        units = {
            name: (np.where(valid[:, :, None], figure, 0).sum(axis=1) / counts).astype(np.float32)
            for name, figure in figures.items()
        }
        totals = {
            name: float((unit * counts).sum(where=counts > 0) / (counts.sum() * unit.shape[1]))
            for name, unit in units.items()
        }
    return Gate(units["mean"], units["closed"].mean(axis=1), units["open"].mean(axis=1), totals)


def steps(activations: GateActivations) -> dict[str, np.ndarray]:
    """Return the figures of each time step, each [T]: "forget", "forget_closed", "forget_open"…"""
    return {
        f"{name}{figure}": table
        for name, gate in activations.gates.items()
        for figure, table in gate.steps.items()
    }
