"""Remedies for the recurrent layers of a Keras model: other cells, and other initial weights."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from ... import layers as errorflow_layers
from ...layers.paths import walk
from ...layers.rnn.base import RecurrentLayer
from ...layers.rnn.rewriting import equivalent
from . import strength
from .facts import Facts, NotApplicable
from .rewriting import Change, copied, rewritten

SIMPLE = (keras.layers.SimpleRNN, errorflow_layers.SimpleRNN)
LSTMS = (keras.layers.LSTM, errorflow_layers.LSTM)
GRUS = (keras.layers.GRU, errorflow_layers.GRU)
RECURRENT = (*SIMPLE, *LSTMS, *GRUS)
CONV_LSTMS = tuple(
    getattr(package, f"ConvLSTM{n}D")
    for package in (keras.layers, errorflow_layers)
    for n in (1, 2, 3)
)

Evidence = Mapping[str, Any]

# Of the options of a SimpleRNN, those that another cell does not take over.
_OF_THE_CELL = {
    "activation", "kernel_initializer", "recurrent_initializer", "bias_initializer",
}  # fmt: skip
_CLOSE = 1e-2  # to an orthogonal matrix


def recurrent_parts(model: keras.Model, kinds: tuple[type, ...] = RECURRENT) -> list[Any]:
    """Return the recurrent layers of these classes, also in nested models and wrappers."""
    return [layer for _, layer in walk(model) if type(layer) in kinds]


def lstm(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Put LSTMs in place of SimpleRNNs, with the options of these."""
    _require(model, SIMPLE, "the network has no SimpleRNN")
    calls = None if all(_is_a_chain(part) for part in _models(model)) else _WithCellStates()
    return rewritten(model, _cells(dict(zip(SIMPLE, LSTMS, strict=True))), calls)


def gru(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Put GRUs in place of SimpleRNNs, with the options of these."""
    _require(model, SIMPLE, "the network has no SimpleRNN")
    return rewritten(model, _cells(dict(zip(SIMPLE, GRUS, strict=True))))


def forget_bias(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Let the forget gates of LSTMs start open."""
    lstms = _require(model, LSTMS, "the network has no LSTM")
    lstms = [layer for layer in lstms if getattr(layer.cell, "forget_gate", True)]
    if not lstms:
        raise NotApplicable("the LSTM of 1997 has no forget gate")
    bias = strength.forget_bias(min(map(_forget_bias_of, lstms)), facts)
    options = {"use_bias": True, "unit_forget_bias": False}
    if bias == strength.OPEN:
        options = {"use_bias": True, "unit_forget_bias": True, "bias_initializer": "zeros"}
    else:
        options["bias_initializer"] = errorflow_layers.ForgetBias(bias)
    return rewritten(model, _with_options(lstms, options, {"bias"}))


def chrono(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Give the gates of LSTMs and GRUs the biases of Chrono initialisation."""
    gated = _require(model, LSTMS + GRUS, "the network has no LSTM or GRU")
    steps = facts.time_steps
    if steps is None or steps <= 3:
        raise NotApplicable("the length of the sequences is unknown, or too short")
    if any(isinstance(layer.cell.bias_initializer, errorflow_layers.Chrono) for layer in gated):
        raise NotApplicable("the network has Chrono initialisation already")

    def rule(layer):
        if type(layer) not in LSTMS + GRUS:
            return None
        cell = "gru" if type(layer) in GRUS else "lstm"
        options = {"bias_initializer": errorflow_layers.Chrono(steps, _variant(layer, cell))}
        options |= {"unit_forget_bias": False} if cell == "lstm" else {}
        return Change(copied(layer, use_bias=True, **options), frozenset({"bias"}))

    return rewritten(model, rule)


def orthogonal(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Draw orthogonal recurrent kernels."""
    recurrent = _require(model, RECURRENT, "the network has no SimpleRNN, LSTM or GRU")
    others = [layer for layer in recurrent if not _is_orthogonal(layer.cell.recurrent_kernel)]
    if not others:
        raise NotApplicable("the recurrent kernels are orthogonal already")
    options = {"recurrent_initializer": "orthogonal"}
    return rewritten(model, _with_options(others, options, {"recurrent_kernel"}))


def identity(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Let SimpleRNNs start from the identity, with ReLU."""
    simple = _require(model, SIMPLE, "the network has no SimpleRNN")
    options = {"recurrent_initializer": "identity", "activation": "relu"}
    return rewritten(model, _with_options(simple, options, {"recurrent_kernel"}))


def reverse(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Let encoders read their input from the last step to the first.

    An encoder is a recurrent layer that returns its last output or its last states alone, outside a
    `Bidirectional`.
    """
    two_ways = [part for _, part in walk(model) if isinstance(part, keras.layers.Bidirectional)]
    inside = {id(part) for layer in two_ways for _, part in walk(layer)}
    encoders = [
        layer
        for layer in recurrent_parts(model)
        if not layer.return_sequences and id(layer) not in inside
    ]
    if not encoders:
        raise NotApplicable("no recurrent layer reads a sequence into one vector, in one direction")
    if any(layer.stateful for layer in encoders):
        raise NotApplicable("a stateful layer reads a sequence in several batches")

    def rule(layer):
        if all(layer is not encoder for encoder in encoders):
            return None
        return Change(copied(layer, go_backwards=not layer.go_backwards))

    return rewritten(model, rule)


def truncate(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Cut the error after half of the time steps; Keras' layers become errorflow's."""
    kinds = (*RECURRENT, *CONV_LSTMS)
    recurrent = _require(model, kinds, "the network has no SimpleRNN, LSTM, GRU or ConvLSTM")
    present = [k for layer in recurrent if (k := getattr(layer, "truncate", None)) is not None]
    is_cut = len(present) == len(recurrent)
    steps = strength.truncation(max(present) if is_cut else None, facts)

    def rule(layer):
        if type(layer) not in kinds:
            return None
        if isinstance(layer, RecurrentLayer):
            return Change(copied(layer, truncate=steps))
        return Change(equivalent(layer, truncate=steps))

    return rewritten(model, rule)


def _require(model, kinds, reason):
    parts = recurrent_parts(model, kinds)
    if not parts:
        raise NotApplicable(reason)
    if not all(part.built for part in parts):
        raise NotApplicable("the model is not built yet")
    return parts


def _with_options(layers, options: Mapping[str, Any], fresh: set[str]) -> Callable:
    """Return the rule that these layers get other options, and new weights of these names."""
    chosen = {id(layer) for layer in layers}

    def rule(layer):
        if id(layer) not in chosen:
            return None
        return Change(copied(layer, **options), frozenset(fresh))

    return rule


def _cells(classes: Mapping[type, type]) -> Callable:
    """Return the rule that puts layers of other classes in place of these ones."""

    def rule(layer):
        if type(layer) not in classes:
            return None
        config = {k: v for k, v in layer.get_config().items() if k not in _OF_THE_CELL}
        return Change(classes[type(layer)].from_config(config), fresh=None)

    return rule


def _models(model) -> Iterator[keras.Model]:
    yield model
    yield from (part for _, part in walk(model) if isinstance(part, keras.Model))


def _is_a_chain(model):
    return isinstance(model, keras.Sequential)


class _WithCellStates:
    """Calls LSTMs where a SimpleRNN returned its state, or started from one.

    The model sees h alone; c goes with it to the layer that starts from this h.
    """

    def __init__(self):
        self._cells: dict[int, tuple[Any, Any]] = {}  # h, which keeps its id in use, and c

    def __call__(self, layer, run, *args, **kwargs):
        if isinstance(layer, keras.layers.Bidirectional):
            has_states = getattr(layer, "return_state", False) or "initial_state" in kwargs
            if has_states and type(layer.forward_layer) in SIMPLE:
                raise NotApplicable("a Bidirectional hands over the states of a SimpleRNN")
        if type(layer) not in SIMPLE:
            return run(*args, **kwargs)
        first, *others = args
        state = others[0] if others else kwargs.get("initial_state")
        if state is not None:
            kwargs = {**kwargs, "initial_state": self._both(state)}
        outputs = run(first, **kwargs)
        if not layer.return_state:
            return outputs
        output, hidden, cell = outputs
        self._cells[id(hidden)] = hidden, cell
        return output, hidden

    def _both(self, state):
        hidden = state[0] if isinstance(state, list | tuple) else state
        if id(hidden) not in self._cells:
            raise NotApplicable("a SimpleRNN starts from a state that no SimpleRNN returns")
        return [*self._cells[id(hidden)]]


def _forget_bias_of(layer):
    """Return the mean bias of the forget gates of an LSTM."""
    if layer.cell.bias is None:
        return 0.0
    bias = keras.ops.convert_to_numpy(layer.cell.bias)
    return float(bias[layer.units : 2 * layer.units].mean())


def _variant(layer, cell):
    return "lstm97" if cell == "lstm" and not getattr(layer.cell, "forget_gate", True) else cell


def _is_orthogonal(kernel):
    """Return whether the rows of a kernel [H, G·H], or those of each gate, are orthonormal."""
    rows = keras.ops.convert_to_numpy(kernel).astype(np.float64)
    product = rows @ rows.T
    gates = rows.shape[1] // rows.shape[0]
    return any(np.allclose(product, n * np.eye(len(rows)), atol=n * _CLOSE) for n in (1, gates))
