"""Stock recurrent layers that show their errors in place: the same object with another inner loop.

A layer keeps its class, Variables, configuration and name, so whatever holds it needs no change,
and files are those of the stock layer. Only three attributes of the object are added: `inner_loop`,
which hides the method of that name, and, as in errorflow's layers, `error` and `loop`. The cells
of a stack have the latter two instead of the layer, one record each. Two attributes are set until
`hide`: `use_cudnn` and `supports_jit`.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import tensorflow as tf

from .base import RecurrentLayer
from .cells import cell_equations, cell_weights, is_registered, why_invisible
from .equation_check import check_equations
from .error_record import ErrorRecord
from .inner_loop import Part, run
from .time_loop import Fused, TimeLoop

_INNER_LOOPS = {
    keras.layers.RNN.inner_loop,
    keras.layers.LSTM.inner_loop,
    keras.layers.GRU.inner_loop,
}


def records_error(part: Any) -> bool:
    """Return whether a layer, or a cell of a stack, records the error of its backward pass."""
    return isinstance(getattr(part, "error", None), ErrorRecord)


def is_visible(layer: keras.layers.RNN) -> bool:
    """Return whether a recurrent layer, or each cell of its stack, records its error once built."""
    return isinstance(layer, RecurrentLayer) or all(
        records_error(owner) for owner, _ in _owners(layer)
    )


def why_not_in_place(layer: keras.layers.RNN) -> str | None:
    """Return why a layer cannot be made visible; None if it can, or is visible."""
    if is_visible(layer):
        return None
    kind = f"{type(layer).__name__} around {type(layer.cell).__name__}"
    if type(layer).inner_loop not in _INNER_LOOPS:
        return f"{kind}: it has an inner loop of its own"
    for _, cell in _owners(layer):
        reason = why_invisible(cell)
        if reason is not None:
            return f"{kind}: {reason}"
    return None


def show(layer: keras.layers.RNN, fused: Fused) -> None:
    """Make a layer visible in place.

    Raises:
        ValueError: the equations that are registered for a cell are not those of its `call`; or,
            with `fused=True`, a cell has an option that cuDNN does not support.
    """
    owners = _owners(layer)
    inner_loop = _InnerLoop(layer)
    inner_loop.check()
    loops = []
    for _, cell in owners:
        loop = TimeLoop(fused)
        options = cell_equations(cell), getattr(cell, "recurrent_dropout", 0)
        loop.check(layer.name, *options)
        loops.append((loop, loop.allows_xla(*options)))
    for (owner, cell), (loop, _) in zip(owners, loops, strict=True):
        owner.error = ErrorRecord(has_cell=len(cell_equations(cell).state._fields) == 2)
        owner.loop = loop
    layer.inner_loop = inner_loop
    layer.supports_jit = all(allows_xla for _, allows_xla in loops)
    if hasattr(layer, "use_cudnn"):
        layer.use_cudnn = False  # a Bidirectional would otherwise pass by the loop on a GPU


def hide(layer: keras.layers.RNN) -> None:
    """Undo `show`."""
    for name, value in layer.inner_loop.options_before.items():
        setattr(layer, name, value)
    del layer.inner_loop
    for owner, _ in _owners(layer):
        del owner.error, owner.loop


def is_shown_in_place(layer: keras.layers.RNN) -> bool:
    """Return whether `show` made the layer visible."""
    return isinstance(layer.inner_loop, _InnerLoop)


def _owners(layer):
    """Return (owner of error and loop, cell) for the cell of a layer, or for each of its stack."""
    if _is_stack(layer.cell):
        return [(cell, cell) for cell in layer.cell.cells]
    return [(layer, layer.cell)]


def _is_stack(cell):
    return type(cell) is keras.layers.StackedRNNCells


class _InnerLoop:
    """The inner loop of a visible layer.

    Attributes:
        options_before: the attributes of the layer that `show` sets and `hide` restores.
    """

    def __init__(self, layer: keras.layers.RNN):
        self._layer = layer
        names = [name for name in ("use_cudnn", "supports_jit") if hasattr(layer, name)]
        self.options_before = {name: getattr(layer, name) for name in names}
        self._unchecked = [cell for _, cell in _owners(layer) if is_registered(cell)]

    def check(self) -> None:
        """Check the equations that were registered, of cells that are built; see `show`."""
        for cell in [cell for cell in self._unchecked if getattr(cell, "built", True)]:
            if tf.executing_eagerly():
                check_equations(cell)
            else:  # while a graph is traced; another thread computes eagerly
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(check_equations, cell).result()
            self._unchecked.remove(cell)

    def __call__(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool | None = None
    ) -> tuple[Any, Any, list[Any]]:
        """Return the last output, all outputs and the last states."""
        layer = self._layer
        self.check()
        parts = [
            Part(owner, cell, cell_equations(cell), cell_weights(cell))
            for owner, cell in _owners(layer)
        ]
        if not _is_stack(layer.cell):
            output, outputs, (last,) = run(layer, parts, sequences, [initial_state], mask, training)
            return output, outputs, [*last]
        states = [s if tf.nest.is_nested(s) else [s] for s in initial_state]
        output, outputs, last = run(layer, parts, sequences, states, mask, training)
        # A state has the structure in which it was given, as in the loop of Keras.
        return output, outputs, tf.nest.pack_sequence_as([*initial_state], tf.nest.flatten(last))
