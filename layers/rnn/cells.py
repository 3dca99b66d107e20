"""The equations of each class of recurrent cell: those of Keras, and those that are registered."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from ..activations import derivative
from .base import VisibleCell
from .conv_lstm import StockCell as ConvLSTMCell
from .conv_lstm import conv_lstm_equations
from .equations import Equations, Weights
from .gru import ResetAfterEquations, ResetBeforeEquations
from .installed_cells import register_installed_cells
from .lstm import LSTMEquations
from .simple_rnn import SimpleRNNEquations


class _Reading(NamedTuple):
    """How to read a cell."""

    equations: Callable[[Any], Equations]
    weights: Callable[[Any], Weights]
    is_registered: bool = False


def standard_weights(cell: Any) -> Weights:
    """Return `cell.kernel`, `recurrent_kernel` and, if there is one, `bias`, in the compute dtype.

    A cell that is no Keras layer computes in the dtype of its kernel.
    """
    dtype = getattr(cell, "compute_dtype", None)
    weights = cell.kernel, cell.recurrent_kernel, getattr(cell, "bias", None)
    return Weights(*(None if w is None else tf.convert_to_tensor(w, dtype) for w in weights))


def register_cell(
    cell_class: type,
    equations: Callable[[Any], Equations],
    weights: Callable[[Any], Weights] = standard_weights,
) -> None:
    """Let `watch` show the error in every `keras.layers.RNN` over cells of this class.

    Example: the minimal cell of Keras' documentation is a simple RNN without bias or activation.

        from errorflow.layers import register_cell, watch
        from errorflow.layers.rnn.simple_rnn import SimpleRNNEquations

        class MinimalRNNCell(keras.Layer):
            def __init__(self, units, **kwargs):
                super().__init__(**kwargs)
                self.units = self.state_size = units

            def build(self, input_shape):
                self.kernel = self.add_weight(shape=(input_shape[-1], self.units))
                self.recurrent_kernel = self.add_weight(shape=(self.units, self.units))

            def call(self, inputs, states):
                h = inputs @ self.kernel + states[0] @ self.recurrent_kernel
                return h, [h]

        register_cell(MinimalRNNCell, lambda cell: SimpleRNNEquations(keras.activations.linear))
        model = watch(keras.Sequential([inputs, keras.layers.RNN(MinimalRNNCell(32))]))

    `errorflow.layers.rnn.equations` describes the equations that a new kind of cell needs; its
    output must be the first of its states. They run instead of the cell's `call`. So before a layer
    uses registered equations, they are compared with `call`, over three steps of random numbers:
    outputs, states, gradients, and the errors of each step. A class that inherits from `cell_class`
    is included if it changes nothing but its construction.

    A package can register its cells without being imported first: `watch` loads the entry points
    of the group `errorflow.cells` when it meets a cell that it does not know. Each refers to a
    function without arguments that calls `register_cell`, or to a module that does so.

    Args:
        cell_class: the class of the cell. If it is registered already, this replaces it.
        equations: a function that returns the equations of a cell.
        weights: a function that returns the kernels W [D, G] and R [H, G] and the bias b of a cell
            as tensors, in its compute dtype. By default `cell.kernel`, `cell.recurrent_kernel` and
            `cell.bias`. It may compute them from other variables: their gradients are right too.

    Raises:
        TypeError: `cell_class` is not a class.
    """
    if not isinstance(cell_class, type):
        raise TypeError(f"register_cell: expected a class of cells, got {cell_class!r}")
    _READINGS[cell_class] = _Reading(equations, weights, is_registered=True)


def _simple_rnn(cell):
    return SimpleRNNEquations(cell.activation)


def _lstm(cell):
    return LSTMEquations(cell.activation, cell.recurrent_activation)


def _gru(cell):
    equations = ResetAfterEquations if cell.reset_after else ResetBeforeEquations
    return equations(cell.activation, cell.recurrent_activation)


_READINGS: dict[type, _Reading] = {
    keras.layers.SimpleRNNCell: _Reading(_simple_rnn, standard_weights),
    keras.layers.LSTMCell: _Reading(_lstm, standard_weights),
    keras.layers.GRUCell: _Reading(_gru, standard_weights),
    ConvLSTMCell: _Reading(conv_lstm_equations, standard_weights),
    VisibleCell: _Reading(lambda cell: cell.equations, lambda cell: cell.tensors()),
}
# What a subclass of a cell may define without computing something else.
_CONSTRUCTION = {"__init__", "build", "get_config", "from_config", "get_initial_state"}


def cell_equations(cell: Any) -> Equations:
    """Return the equations of a cell, whose `why_invisible` is None."""
    return _reading(cell).equations(cell)


def cell_weights(cell: Any) -> Weights:
    """Return the weights of a cell, whose `why_invisible` is None; call it in the forward pass."""
    return _reading(cell).weights(cell)


def is_registered(cell: Any) -> bool:
    """Return whether the equations of a cell were registered by `register_cell`."""
    return _reading(cell).is_registered


def is_known(cell: Any) -> bool:
    """Return whether the class of a cell, or one that it inherits from, has equations."""
    return any(owner in _READINGS for owner in type(cell).__mro__)


def why_invisible(cell: Any) -> str | None:
    """Return why the error in a cell cannot be shown; None if it can."""
    kind = type(cell).__name__
    if not is_known(cell) or _own_methods(cell):
        register_installed_cells()
    if not is_known(cell):
        return (
            f"its cell {kind} has no equations here; they can be registered with "
            "errorflow.layers.register_cell"
        )
    own = _own_methods(cell)
    if own:
        return f"its cell {kind} has a `{own[0]}` of its own; see errorflow.layers.register_cell"
    if getattr(cell, "activity_regularizer", None) is not None:
        return f"its cell {kind} has an activity_regularizer; give it to the layer instead"
    return _unknown_activation(cell)


def _reading(cell):
    return next(_READINGS[owner] for owner in type(cell).__mro__ if owner in _READINGS)


def _own_methods(cell):
    """Return what a cell's class defines anew of the class whose equations it would have."""
    kinds = type(cell).__mro__
    known = [owner in _READINGS or issubclass(owner, VisibleCell) for owner in kinds].index(True)
    own = [name for owner in kinds[:known] for name in vars(owner) if name not in _CONSTRUCTION]
    return [name for name in own if hasattr(kinds[known], name) and not hasattr(object, name)]


def _unknown_activation(cell):
    if is_registered(cell):
        return None
    try:
        for name in ("activation", "recurrent_activation"):
            derivative(getattr(cell, name, keras.activations.tanh))
    except ValueError as error:
        return str(error)
    return None
