"""The loop over time of a stock Keras layer, cuDNN's on a GPU, with its errors made visible.

`fused_errors.py` explains how the errors are computed. The numbers are tested on CPU, where the
stock layer runs its ordinary loop. Nothing here has been run or timed on a GPU.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from .equations import Equations, Weights
from .error_record import Call, ErrorRecord
from .fused_errors import Pass, errors_of, probe_rows
from .matrix_products import swap_batch_and_time
from .padding import Padding
from .statistics import SquaredNorms, squares, summarise
from .unroll import differentiable_once

_STOCK = {
    keras.layers.SimpleRNNCell: keras.layers.SimpleRNN,
    keras.layers.LSTMCell: keras.layers.LSTM,
    keras.layers.GRUCell: keras.layers.GRU,
}


class FusedLoop:
    """A replacement of `unroll` in a layer: the same results, by the loop of a stock layer.

    Args:
        layer: the stock layer.

    Raises:
        ValueError: cuDNN does not support an option of the layer; the message names it.
    """

    def __init__(self, layer: keras.layers.RNN):
        cell = layer.cell
        _refuse_unfused_options(layer.name, cell)
        names = ("units", "activation", "recurrent_activation", "use_bias")
        options = {name: getattr(cell, name) for name in names if hasattr(cell, name)}
        if hasattr(layer, "use_cudnn"):
            options["use_cudnn"] = layer.use_cudnn
        self.stock = _STOCK[type(cell)](return_sequences=True, dtype=layer.dtype_policy, **options)
        self.stock.cell.built = True  # it has no weights of its own: they are lent for each call

    def __call__(
        self,
        equations: Equations,
        x: Any,
        initial: Any,
        weights: Weights,
        record: ErrorRecord,
        *,
        mask: Any,
        return_sequences: bool,
        backwards: bool,
        **_: Any,
    ) -> tuple[Any, Any]:
        """Return h [B, T, H] or None, and the last state; see `unroll`."""
        alignments = 1 if mask is None and not backwards else 2
        recorded = record.begin_call(tf.shape(x)[0], x.shape[1], alignments)
        padding = None if mask is None else Padding(mask)
        x = x if padding is None else padding.to_the_right(x)
        call = _Call(self, equations, record, recorded, padding, backwards)
        used = [w for w in weights if w is not None]
        hidden, *last = tf.custom_gradient(call.forward)(x, *initial, *used)
        if not return_sequences:
            hidden = None
        elif padding is not None:
            hidden = padding.back(hidden)
        return hidden, type(initial)(*last)

    def run(self, x: Any, initial: Any, weights: Weights, mask: Any) -> list[Any]:
        """Return h [B, T, H] and the last states, computed by the stock layer with these weights.

        Args:
            mask: [B, T] bool or None.
        """
        lent = weights._asdict()
        vars(self.stock.cell).update(lent)
        try:
            _, hidden, last = self.stock.inner_loop(x, [*initial], mask)
        finally:
            for name in lent:
                del vars(self.stock.cell)[name]
        return [hidden, *last]


class _Call:
    """One call of a `FusedLoop`; its backward pass writes the record."""

    def __init__(
        self,
        loop: FusedLoop,
        equations: Equations,
        record: ErrorRecord,
        recorded: Call,
        padding: Padding | None,
        backwards: bool,
    ):
        self.loop, self.equations = loop, equations
        self.record, self.recorded = record, recorded
        self.padding, self.backwards = padding, backwards

    def forward(self, *tensors: Any) -> tuple[list[Any], Callable]:
        """Return h and the last states, and their gradient: see `tf.custom_gradient`.

        Args:
            tensors: x, the fields of the initial state, and the weights that the cell has.
        """
        # An outer tape must not record the operations inside: the gradient below is complete.
        inputs = [tf.stop_gradient(t) for t in tensors]
        count = len(self.equations.state._fields)
        x, initial = inputs[0], self.equations.state(*inputs[1 : 1 + count])
        weights = Weights(*(*inputs[1 + count :], None)[:3])
        rows = probe_rows(self.equations, weights.recurrent_kernel)  # P
        zeros = tf.zeros_like(x[:, :, :1] * rows[:, 0])
        mask = None if self.padding is None else self.padding.valid[:, :, 0]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([zeros, *inputs])
            wide = weights._replace(kernel=tf.concat([weights.kernel, rows], 0))
            outputs = self.loop.run(tf.concat([x, zeros], 2), initial, wide, mask)

        def gradient(*arriving):
            errors = [tf.stop_gradient(e) for e in arriving]
            probes, *gradients = tape.gradient(outputs, [zeros, *inputs], errors)
            backward = Pass.of(x, outputs[0], initial, weights, probes, errors, self.padding)
            row = _record_row(errors_of(self.equations, backward), backward, self.padding)
            self.record.write([row], self.recorded, self.backwards)
            return [differentiable_once(g, [*arriving, *tensors]) for g in gradients]

        return outputs, gradient


def _refuse_unfused_options(name, cell):
    if type(cell) not in _STOCK:
        raise ValueError(f"watch: layer {name!r} is not one of Keras' own; use fused=False")
    for reason, applies in _unfused_options(cell).items():
        if applies:
            raise ValueError(
                f"watch: layer {name!r} has {reason}, which no fused kernel supports; "
                "use fused=False"
            )


def _unfused_options(cell) -> dict[str, bool]:
    gated = not isinstance(cell, keras.layers.SimpleRNNCell)
    return {
        f"activation {getattr(cell.activation, '__name__', cell.activation)!r}, not tanh": gated
        and cell.activation is not keras.activations.tanh,
        "a recurrent_activation that is not sigmoid": gated
        and cell.recurrent_activation is not keras.activations.sigmoid,
        "use_bias=False": gated and not cell.use_bias,
        "reset_after=False": not getattr(cell, "reset_after", True),
        "recurrent_dropout": cell.recurrent_dropout > 0,
    }


def _record_row(errors, backward, padding):
    arrays = *errors, backward.injected
    hidden, carried, cell, injected = (
        None if e is None else _squared_norms(e, padding) for e in arrays
    )
    mask = None if padding is None else swap_batch_and_time(padding.mask)
    hidden_next, cell_next = (None if e is None else _next_norms(e, mask) for e in (hidden, cell))
    norms = SquaredNorms(hidden, carried, injected, hidden_next, cell, cell_next)
    return summarise(norms, mask)


def _next_norms(norms, mask):
    """Shift norms [T, B] from step t+1 to step t; a masked step after t ends the sequence."""
    if mask is not None:
        norms = tf.where(mask[:, :, 0], norms, tf.zeros_like(norms))
    return tf.concat([norms[1:], tf.zeros_like(norms[:1])], axis=0)


def _squared_norms(errors, padding):
    """Return ‖e_t(b)‖², [T, B], in the order in which the layer reads."""
    flat = squares(tf.reshape(errors, [-1, errors.shape[-1]]))
    norms = tf.reshape(tf.reduce_sum(flat, -1), tf.shape(errors)[:2])
    return tf.transpose(norms if padding is None else padding.back(norms))
