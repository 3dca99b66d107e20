"""The error of one prediction at every step of recurrent layers, by stock Keras cells and a tape.

An independent reference for the findings: the cells run step by step, and a zero is added to each
state, so that the gradient of that zero is the error of the state.
"""

import keras
import numpy as np
import tensorflow as tf

CELLS = {
    "SimpleRNN": (keras.layers.SimpleRNNCell, ("activation", "use_bias")),
    "GRU": (
        keras.layers.GRUCell,
        ("activation", "use_bias", "recurrent_activation", "reset_after"),
    ),
}


def first_to_last(layers, head, x, y, mask=None):
    """Return, by the name of each layer, the share of the last step's error at the first one read.

    The error is that of the last prediction of each example, of the first one in layers that read
    backwards; of the only one if `head` returns one for each example. For an LSTM it is dE/dc_t.

    Args:
        layers: the recurrent layers from bottom to top; all return sequences. A `Bidirectional`
            counts as two.
        head: a function from the outputs of the last one, [B, T, H], to predictions.
        x, y: examples.
        mask: [B, T] bool, False at the padding behind the sequences.
    """
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    shares = {}
    for side in ("last", "first"):
        with tf.GradientTape(persistent=True) as tape:
            sequence, zeros = tf.constant(x), {}
            for layer in layers:
                sequence = _run(tape, layer, sequence, mask, zeros)
            loss = _loss(head(sequence), y, mask, side)
        for name, (of_layer, backwards) in zeros.items():
            if backwards == (side == "first"):
                errors = np.stack(tape.gradient(loss, of_layer, unconnected_gradients="zero"))
                shares[name] = _share(errors[::-1] if backwards else errors, mask, backwards)
        del tape
    return shares


def _loss(outputs, y, mask, side):
    squares = tf.reduce_sum((outputs - y) ** 2, axis=-1)
    if len(squares.shape) == 1:
        return tf.reduce_sum(squares)
    chosen = mask.sum(axis=1) - 1 if side == "last" else np.zeros(len(mask), int)
    return tf.reduce_sum(tf.gather(squares, chosen, batch_dims=1))


def _run(tape, layer, x, mask, zeros):
    if isinstance(layer, keras.layers.Bidirectional):
        parts = (layer.forward_layer, layer.backward_layer)
        prefix = f"{layer.name}/"
        return tf.concat([_scan(tape, p, x, mask, zeros, prefix) for p in parts], axis=-1)
    return _scan(tape, layer, x, mask, zeros, "")


def _scan(tape, layer, x, mask, zeros, prefix):
    kind, batch, units = type(layer).__name__, len(x), layer.units
    step = _lstm_step if kind == "LSTM" else _cell_step(layer, *CELLS[kind])
    states = [tf.zeros([batch, units])] * (2 if kind == "LSTM" else 1)
    outputs, added = {}, {}
    order = [*range(x.shape[1])]
    for t in order[::-1] if layer.go_backwards else order:
        added[t] = tf.zeros([batch, units])
        tape.watch(added[t])
        new = step(x[:, t], states, added[t], layer)
        valid = mask[:, t, None]
        states = [tf.where(valid, a, b) for a, b in zip(new, states, strict=True)]
        outputs[t] = states[0]
    zeros[prefix + layer.name] = [added[t] for t in order], layer.go_backwards
    return tf.stack([outputs[t] for t in order], axis=1)


def _cell_step(layer, cell_class, options):
    config = layer.cell.get_config()
    cell = cell_class(layer.units, **{name: config[name] for name in options})
    cell.build([None, layer.cell.kernel.shape[0]])
    cell.set_weights(layer.cell.get_weights())

    def step(x, states, zero, layer):
        return [cell(x, states)[1][0] + zero]

    return step


def _lstm_step(x, states, zero, layer):
    weights = [tf.constant(w) for w in layer.get_weights()]
    i, f, g, o = tf.split(x @ weights[0] + states[0] @ weights[1] + weights[2], 4, axis=1)
    cell = tf.sigmoid(f) * states[1] + tf.sigmoid(i) * tf.tanh(g) + zero
    return [tf.sigmoid(o) * tf.tanh(cell), cell]


def _share(errors, mask, backwards):
    """The error at the first step read over that at the last one; the product of the ratios."""
    squares = (errors.astype(np.float64) ** 2).sum(axis=2)  # [T, B], the last step read is last
    share, lengths = 1.0, mask.sum(axis=1)
    start = [len(squares) - n if backwards else 0 for n in lengths]
    each = [squares[s : s + n, b] for b, (s, n) in enumerate(zip(start, lengths, strict=True))]
    for back in range(1, max(lengths)):
        pairs = [(of[-back - 1], of[-back]) for of in each if len(of) > back]
        later = sum(b for _, b in pairs)
        share *= np.sqrt(sum(a for a, _ in pairs) / later) if later else 0.0
    return share
