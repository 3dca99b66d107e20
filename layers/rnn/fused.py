"""The loop through time of a stock Keras layer, cuDNN's on a GPU, made to show its errors.

How the errors come out of it is in `taps.py`. The numbers are tested on CPU, where the stock layer
runs its ordinary loop. Nothing here has been run or timed on a GPU.
"""

from typing import Any

import keras
import tensorflow as tf

from .fused_errors import Pass, errors_of, tapping_rows
from .statistics import squares, summarise
from .unroll import differentiable_once, swap_batch_and_time

_STOCK = {
    keras.layers.SimpleRNNCell: keras.layers.SimpleRNN,
    keras.layers.LSTMCell: keras.layers.LSTM,
    keras.layers.GRUCell: keras.layers.GRU,
}


class FusedLoop:
    """Takes the place of `unroll` in a layer: the same results, by the loop of a stock layer.

    Args:
        layer: the stock layer.

    Raises:
        ValueError: cuDNN cannot do what the layer does (the message says which option).
    """

    def __init__(self, layer):
        cell = layer.cell
        _refuse_what_no_kernel_does(layer.name, cell)
        options = ("units", "activation", "recurrent_activation", "use_bias")
        given = {name: getattr(cell, name) for name in options if hasattr(cell, name)}
        if hasattr(layer, "use_cudnn"):
            given["use_cudnn"] = layer.use_cudnn
        self.stock = _STOCK[type(cell)](return_sequences=True, dtype=layer.dtype_policy, **given)
        self.stock.cell.built = True  # it has no weights of its own: they are lent for each call

    def __call__(
        self, cell, x, states, weights, record, *, mask, return_sequences, backwards, **_
    ) -> tuple[Any, tuple]:
        record.make_room(x.shape[1])
        padding = None if mask is None else Padding(mask)
        x = x if padding is None else padding.to_the_right(x)
        hidden, *last = self._visible(cell, x, states, weights, record, padding, backwards)
        if not return_sequences:
            hidden = None
        elif padding is not None:
            hidden = padding.back(hidden)
        return hidden, tuple(last)

    def _visible(self, cell, x, states, weights, record, padding, backwards):
        """→ h [B, T, H] and the last states; the backward pass writes the record."""
        used = [w for w in weights if w is not None]

        @tf.custom_gradient
        def run(*tensors):
            # An outer tape must not record what is inside: this gradient is all there is.
            inputs = [tf.stop_gradient(t) for t in tensors]
            x, first, given = inputs[0], inputs[1 : -len(used)], inputs[-len(used) :]
            weights: Any = (*given, None)[:3]
            kernel, recurrent, bias = weights
            rows = tapping_rows(cell, recurrent)  # P
            zeros = tf.zeros_like(x[:, :, :1] * rows[:, 0])
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([zeros, *inputs])
                wide = tf.concat([x, zeros], 2), tf.concat([kernel, rows], 0)
                outputs = self._lend(*wide, first, recurrent, bias, padding)

            def gradient(*arriving):
                errors = [tf.stop_gradient(e) for e in arriving]
                taps, *gradients = tape.gradient(outputs, [zeros, *inputs], errors)
                seen = Pass.of(x, outputs[0], first, weights, taps, errors, padding)
                record.write([_row(errors_of(cell, seen), padding)], backwards)
                return [differentiable_once(g, [*arriving, *tensors]) for g in gradients]

            return outputs, gradient

        return run(x, *states, *used)

    def _lend(self, x, kernel, first, recurrent, bias, padding):
        """→ [h [B, T, H], *last states], computed by the stock layer with these weights"""
        mask = None if padding is None else padding.valid[:, :, 0]
        lent = {"kernel": kernel, "recurrent_kernel": recurrent, "bias": bias}
        vars(self.stock.cell).update(lent)
        try:
            _, hidden, last = self.stock.inner_loop(x, list(first), mask)
        finally:
            for name in lent:
                del vars(self.stock.cell)[name]
        return [hidden, *last]


def _refuse_what_no_kernel_does(name, cell):
    gated = not isinstance(cell, keras.layers.SimpleRNNCell)
    if type(cell) not in _STOCK:
        raise ValueError(f"watch: layer {name!r} is not one of Keras' own; use fused=False")
    reasons = {
        f"activation {getattr(cell.activation, '__name__', cell.activation)!r}, not tanh": gated
        and cell.activation is not keras.activations.tanh,
        "a recurrent_activation that is not sigmoid": gated
        and cell.recurrent_activation is not keras.activations.sigmoid,
        "use_bias=False": gated and not cell.use_bias,
        "reset_after=False": not getattr(cell, "reset_after", True),
        "recurrent_dropout": cell.recurrent_dropout > 0,
    }
    for reason, applies in reasons.items():
        if applies:
            raise ValueError(
                f"watch: layer {name!r} has {reason}: no fused kernel does this; use fused=False"
            )


class Padding:
    """Where the valid steps of each example are: one block, moved to the start of the sequence.

    cuDNN reads right-padded sequences only. Read from the end, they are left-padded.
    """

    def __init__(self, mask):
        """mask: [B, T, 1] bool"""
        self.mask = mask
        count = tf.cast(mask[:, :, 0], tf.int32)
        self.first = tf.argmax(count, axis=1, output_type=tf.int32)[:, None]  # [B, 1]
        self.last = tf.reduce_sum(count, axis=1)[:, None] - 1  # of the block as moved
        self.steps = tf.range(tf.shape(mask)[1])[None]  # [1, T]
        self.valid = (self.steps <= self.last)[:, :, None]

    def to_the_right(self, x):
        """Move the block to the start: what is padding stands right of it. x: [B, T, ·]"""
        source = tf.minimum(self.steps + self.first, self.steps[0, -1])
        inside = (self.steps >= self.first) & (self.steps <= self.first + self.last)
        one_block = tf.reduce_all(inside == self.mask[:, :, 0])
        message = "watch(fused=True): a mask must leave one block of steps in each sequence"
        with tf.control_dependencies(
            [tf.debugging.Assert(one_block & tf.reduce_all(self.last >= 0), [message])]
        ):
            return tf.gather(x, source, batch_dims=1)

    def back(self, moved):
        """Where it was. A masked step behind the block repeats its last step."""
        source = tf.clip_by_value(self.steps - self.first, 0, self.last)
        return tf.gather(moved, source, batch_dims=1)


def _row(errors, padding):
    """The record's row."""
    hidden, carried, cell = (None if e is None else _norms(e, padding) for e in errors)
    mask = None if padding is None else swap_batch_and_time(padding.mask)
    return summarise(hidden, carried, cell, mask)


def _norms(errors, padding):
    """‖e_t(b)‖², [T, B] in the order in which the layer reads"""
    flat = squares(tf.reshape(errors, [-1, errors.shape[-1]]))
    norms = tf.reshape(tf.reduce_sum(flat, -1), tf.shape(errors)[:2])
    return tf.transpose(norms if padding is None else padding.back(norms))
