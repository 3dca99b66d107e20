"""Residual connections in a Keras model, around layers whose input and output have one shape."""

from typing import Any

import keras

from .facts import Facts, NotApplicable
from .hidden_layers import CONVOLUTIONS, NORMALIZATIONS, activation_name, hidden_layers
from .of_recurrent_layers import RECURRENT, Evidence
from .rewriting import rewritten

_BETWEEN = (*NORMALIZATIONS, keras.layers.Dropout, keras.layers.Activation)  # in a block of two


def shortcuts(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Add to the output of hidden layers their input.

    It is y = x + F(x) with one Dense or recurrent layer as F, or with two convolutions and what is
    between them (He et al. 2016).
    """
    hidden = {id(layer) for layer in hidden_layers(model)}
    connect = _Shortcuts(hidden)
    new = rewritten(model, lambda layer: None, connect)
    if connect.found:
        raise NotApplicable("the network has shortcuts already")
    if not connect.count:
        raise NotApplicable("no hidden layer has an input and an output of one shape")
    return new


class _Shortcuts:
    """Calls layers with a shortcut around them.

    Attributes:
        count: the number of shortcuts.
        found: the network has shortcuts of its own.
    """

    def __init__(self, hidden: set[int]):
        self._hidden = hidden
        self._opened: dict[int, tuple[Any, Any]] = {}  # a tensor in a block, and the block's input
        self.count, self.found = 0, False

    def __call__(self, layer, run, *args, **kwargs):
        outputs = run(*args, **kwargs)
        self.found |= _is_sum(layer)
        if id(layer) not in self._hidden:
            return outputs
        inner = _inner(layer)
        if _is_one_block(inner):
            return self._sum(layer, args[0], outputs)
        if isinstance(inner, CONVOLUTIONS):
            return self._convolution(layer, args[0], outputs)
        if isinstance(layer, _BETWEEN) or activation_name(layer):
            self._open(outputs, self._start(args[0]))
        return outputs

    def _convolution(self, layer, x, outputs):
        start = self._start(x)
        if start is not None and start.shape == outputs.shape:
            return self._sum(layer, start, outputs)
        self._open(outputs, x)
        return outputs

    def _start(self, tensor):
        _, start = self._opened.get(id(tensor), (None, None))
        return start

    def _open(self, tensor, start):
        if start is not None:
            self._opened[id(tensor)] = tensor, start  # the tensor keeps its id in use

    def _sum(self, layer, x, outputs):
        if x.shape != outputs.shape:
            return outputs
        self.count += 1
        name = f"{layer.name}_shortcut_{self.count}"
        return keras.layers.Add(name=name, dtype=layer.dtype_policy)([x, outputs])


def _inner(layer):
    return layer.layer if type(layer) is keras.layers.TimeDistributed else layer


def _is_one_block(layer):
    if isinstance(layer, keras.layers.Bidirectional):
        return _is_one_block(layer.forward_layer)
    if isinstance(layer, RECURRENT):
        return layer.return_sequences and not layer.return_state and not layer.go_backwards
    return isinstance(layer, keras.layers.Dense)


def _is_sum(layer):
    """Return whether a layer or operation adds tensors, or is a residual block."""
    name = type(layer).__name__
    return name == "Add" or name in ("ResidualBlock", "BottleneckBlock")
