"""What a recurrent layer of Keras does between `call` and the loop over time, for visible cells."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from .carried_scale import carried_scale
from .equations import Equations, Weights
from .over_time import over_map


class Part(NamedTuple):
    """One cell of a recurrent layer, as its loop sees it.

    Attributes:
        owner: the object that has the cell's `error`, an `ErrorRecord`, and its `loop`: the layer,
            or the cell itself if it is one of a stack.
        cell: the Keras cell, for its dropout masks.
        weights: those of the cell, in the compute dtype. Keras' autocast scope ends with the
            forward pass, so they are read there.
    """

    owner: Any
    cell: Any
    equations: Equations
    weights: Weights


def run(
    layer: Any, parts: Sequence[Part], sequences: Any, states: Any, mask: Any, training: bool | None
) -> tuple[Any, Any, list[Any]]:
    """Return what `inner_loop` of a `keras.layers.RNN` returns, through the visible loops.

    A stack of cells is run cell after cell: each reads the whole sequence of the one below. It is
    the same as all cells at each step, because no cell reads from one above.

    Args:
        layer: the layer, for its options.
        parts: its cell, or the cells of its stack from the bottom to the top.
        sequences: [B, T, D]; of a ConvLSTM [B, T, *map, D], or [B, T, D, *map] if its data format
            is channels_first.
        states: the initial state of each part, a list of [B, H].
        mask: [B, T] or [B, T, 1], or None.

    Returns:
        The last output, all outputs (the last one alone without `return_sequences`), and the last
        state of each part.
    """
    if getattr(layer.cell, "data_format", None) == "channels_first":
        return _with_channels_last(layer, parts, sequences, states, mask, training)
    return _run(layer, parts, sequences, states, mask, training)


def _with_channels_last(layer, parts, sequences, states, mask, training):
    layer._maybe_reset_dropout_masks(layer.cell)  # `RNN` drew them for channels_first
    (state,), move = states, keras.ops.moveaxis
    state = [move(s, 1, -1) for s in state]
    last, outputs, (state,) = _run(layer, parts, move(sequences, 2, -1), [state], mask, training)
    state = type(state)(*(move(s, -1, 1) for s in state))
    return move(last, -1, 1), move(outputs, -1, 2), [state]


def _run(layer, parts, sequences, states, mask, training):
    mask = _bool_mask(mask)
    if layer.go_backwards:
        sequences = tf.reverse(sequences, [1])
        mask = None if mask is None else tf.reverse(mask, [1])
    hidden, last = sequences, []
    for place, (part, initial) in enumerate(zip(parts, states, strict=True), start=1):
        x = _dropped(part.cell, hidden, training)
        dropout = _recurrent_dropout(part.cell, initial, training)
        hidden, state = part.owner.loop(
            part.equations,
            _cast(x, part),
            part.equations.state(*(_cast(s, part) for s in initial)),
            part.weights,
            part.owner.error,
            mask=mask,
            recurrent_dropout=None if dropout is None else _cast(dropout, part),
            return_sequences=layer.return_sequences or place < len(parts),
            backwards=layer.go_backwards,
            training=training,
            carried_scale=carried_scale(part.owner, x.shape[1]),
        )
        last.append(state)
    outputs = last[-1].hidden[:, None] if hidden is None else hidden
    if mask is not None:
        outputs = _silence(outputs, mask, layer.zero_output_for_mask)
    return outputs[:, -1], outputs, last


def _bool_mask(mask):
    if mask is None:
        return None
    mask = tf.cast(mask, tf.bool)
    return tf.expand_dims(mask, 2) if len(mask.shape) == 2 else mask


def _cast(tensor, part):
    return tf.cast(tensor, part.weights.kernel.dtype)


def _dropped(cell, sequences, training):
    """Apply the cell's dropout mask of its input, the same at every step."""
    if not training or not getattr(cell, "dropout", 0):
        return sequences
    return sequences * _one_mask(cell.get_dropout_mask(sequences[:, 0]))[:, None]


def _recurrent_dropout(cell, initial, training):
    if not training or not getattr(cell, "recurrent_dropout", 0):
        return None
    return _one_mask(cell.get_recurrent_dropout_mask(initial[0]))


def _one_mask(mask):
    """Return one mask for all gates; stock cells may draw one for each."""
    return mask[0] if isinstance(mask, list | tuple) else mask


def _silence(outputs, mask, zero_output_for_mask):
    """Return Keras' outputs at masked steps: zero at all of them, or before the first valid step.

    After it, without `zero_output_for_mask`, a masked step repeats the output before it, as the
    scan does. outputs: [B, T, H], or the last step alone, [B, 1, H]; mask: [B, T, 1].
    """
    if not zero_output_for_mask:
        mask = tf.math.cumsum(tf.cast(mask, tf.int32), axis=1) > 0
    shown = over_map(mask if outputs.shape[1] != 1 else mask[:, -1:], outputs)
    return tf.where(shown, outputs, tf.zeros_like(outputs))
