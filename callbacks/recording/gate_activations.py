"""What the gates of a model's LSTMs and GRUs do with one batch."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ...layers.analysis.per_step_gradients import Call, cut_open
from ...layers.paths import walk

GATES = ("input", "forget", "output", "update", "reset")  # what else a cell saves is no gate
CLOSED, OPEN = 0.1, 0.9  # below, above


class Gate(NamedTuple):
    """What one gate did with a batch; only steps that are not masked count."""

    units: np.ndarray  # [T, H], its mean over the examples; NaN where no example has that step
    closed: np.ndarray  # [T], the share of its values below 0.1
    open: np.ndarray  # [T], above 0.9
    totals: dict[str, float]  # "mean", "closed" and "open" over all steps

    @property
    def steps(self) -> dict[str, np.ndarray]:
        """Each [T]: its mean over examples and units, and what of it is closed and open."""
        return {"": self.units.mean(axis=1), "_closed": self.closed, "_open": self.open}


class Seen(NamedTuple):
    """One call of a recurrent layer."""

    gates: dict[str, Gate]  # in the order of x
    backwards: bool  # x was read from its last step to its first


def look(model, inputs, layers: Sequence[str] | None = None) -> dict[str, Seen]:
    """The gates of each call of a model's LSTMs and GRUs, by the names of `Gates.history`."""
    with _untouched(model), cut_open(model) as (_, calls):
        model(inputs, training=False)
    calls = [call for call in calls if {*GATES} & {*call.cell.saved_names}]
    # A model that is built by its first call is called by Keras with symbols before.
    calls = [call for call in calls if not tf.is_symbolic_tensor(call.sequence.x)]
    calls = [call for call in calls if layers is None or call.name in layers]
    return {name: _seen(group) for name, group in _grouped(calls, _folded(model)).items()}


@contextlib.contextmanager
def _untouched(model) -> Iterator[None]:
    """Within, states are zero; behind, they and the random seeds are what they were before."""
    states = _states(model)
    kept = [(v, tf.identity(v.value)) for v in (*model.non_trainable_variables, *states)]
    try:
        _clear(states)
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
        known = {id(state) for state in states}
        _clear(s for s in _states(model) if id(s) not in known)  # of layers built by this call


def _states(model):
    """The variables of stateful layers, which Keras does not count among the model's."""
    recurrent = [part for _, part in walk(model) if isinstance(part, keras.layers.RNN)]
    return tf.nest.flatten([part.states or () for part in recurrent])


def _clear(states):
    for state in states:
        state.assign(tf.zeros_like(state.value))


def _folded(model) -> set[str]:
    """The paths of all that is inside a TimeDistributed."""
    outer = [part for _, part in walk(model) if isinstance(part, keras.layers.TimeDistributed)]
    inside = {id(part) for wrapper in outer for _, part in walk(wrapper)}
    return {name for name, part in walk(model) if id(part) in inside}


def _grouped(calls: Sequence[Call], folded: set[str]) -> dict[str, list[Call]]:
    """Each call by itself; but what TimeDistributed cut into many calls is one again."""
    groups: dict[tuple[str, int], list[Call]] = {}
    for place, call in enumerate(calls):
        one = len(call.sequence.x) if call.name in folded else place
        groups.setdefault((call.name, one), []).append(call)
    named, met = {}, Counter()
    for (name, _), group in groups.items():
        named[f"{name}:{met[name]}" if met[name] else name] = group
        met[name] += 1
    return named


def _seen(group: Sequence[Call]) -> Seen:
    """Calls of one layer and length, as one batch."""
    cell, backwards = group[0].cell, group[0].backwards
    order = slice(None, None, -1 if backwards else 1)
    valid = np.concatenate([_valid(call) for call in group], axis=1)[order]
    gates = {}
    for place, name in enumerate(cell.saved_names):
        if name in GATES:
            values = [call.sequence.saved[place].numpy() for call in group]
            gates[name] = measure(np.concatenate(values, axis=1)[order], valid)
    return Seen(gates, backwards)


def _valid(call):
    """[T, B] bool"""
    if call.mask is None:
        return np.ones(call.sequence.x.shape[:2], bool)
    return call.mask.numpy()[:, :, 0]


def measure(values: np.ndarray, valid: np.ndarray) -> Gate:
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


def steps(seen: Seen) -> dict[str, np.ndarray]:
    """What is known of each time step, each [T]: "forget", "forget_closed", "forget_open", …"""
    return {
        f"{name}{figure}": table
        for name, gate in seen.gates.items()
        for figure, table in gate.steps.items()
    }
