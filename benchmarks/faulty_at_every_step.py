"""Small trainings in which errors enter the recurrent layers at many steps; see `faulty_trainings`.

The layers return sequences. How far back the error of one prediction reaches is compared with
`exact_errors`.
"""

import keras
import numpy as np
from errorflow.callbacks import ErrorFlow
from errorflow.layers import GRU, LSTM, Chrono, SimpleRNN
from exact_errors import first_to_last
from faulty_trainings import NO_FAULT, STEPS, UNITS, expects, gate


def at_every_step(random, layers, head=None, steps=None, optimizer="adam", differ=False):
    """Train; return the kinds of the findings, and "wrong number" if a share is not exact.

    Args:
        layers: the recurrent layers, from bottom to top.
        head: Keras layers behind them; None: a prediction at every step.
        differ: the sequences differ in length.
    """
    steps = int(random.integers(30, 60)) if steps is None else int(steps)
    x = random.normal(size=(STEPS * 8, steps, 3)).astype("float32")
    lengths = random.integers(steps // 2, steps, len(x)) if differ else np.full(len(x), steps)
    mask = np.arange(steps) < lengths[:, None]
    x *= mask[:, :, None]
    y = np.sin(x[:, :3].sum(axis=(1, 2)))[:, None].astype("float32")
    y = y if head else np.repeat(y[:, None], steps, axis=1)
    head = head or keras.layers.Dense(1, name="head")
    inputs = sequence = keras.Input((steps, 3))
    sequence = keras.layers.Masking()(sequence) if differ else sequence
    for layer in layers:
        sequence = layer(sequence)
    network = keras.Model(inputs, head(sequence))
    network.compile(optimizer, "mse")
    flow = ErrorFlow(probe=(x, y))
    network.fit(x, y, batch_size=8, verbose=0, callbacks=[flow])
    findings = {f.layer: f for f in flow.findings()}
    exact = first_to_last(layers, head, x[:4], y[:4], mask[:4])
    one_for_all = len(y.shape) == 2  # then the training itself is judged, not the probe
    tolerance = 2.0 if one_for_all else 0.02
    wrong = [
        name
        for name, share in exact.items()
        if not np.isclose(findings[name].evidence["first_to_last"], share, tolerance, 1e-30)
    ]
    kinds = {f.kind for f in findings.values()} - {*NO_FAULT}
    return kinds | ({"wrong number"} if wrong else set())


@expects("vanishing")
def rnn_of_small_weights_at_every_step(random):
    small = keras.initializers.Orthogonal(random.uniform(0.3, 0.7))
    layer = SimpleRNN(UNITS, recurrent_initializer=small, return_sequences=True)
    return at_every_step(random, [layer], differ=True)


@expects("vanishing")
def gru_at_every_step(random):
    return at_every_step(random, [GRU(UNITS, return_sequences=True)], differ=True)


@expects("vanishing")
def lstm_that_forgets_at_every_step(random):
    forgets = gate(1, -3.0)
    layer = LSTM(UNITS, bias_initializer=forgets, unit_forget_bias=False, return_sequences=True)
    return at_every_step(random, [layer])


@expects("vanishing")
def bidirectional_gru_at_every_step(random):
    layer = GRU(UNITS, return_sequences=True)
    return at_every_step(random, [keras.layers.Bidirectional(layer)])


@expects("vanishing")
def stacked_grus_at_every_step(random):
    layers = [GRU(UNITS, return_sequences=True) for _ in range(2)]
    return at_every_step(random, layers, steps=random.integers(50, 60))


@expects()
def lstm_at_every_step(random):
    return at_every_step(random, [keeping_lstm(60)], differ=True)


@expects()
def stacked_lstms_at_every_step(random):
    return at_every_step(random, [keeping_lstm(60), keeping_lstm(60)])


@expects()
def bidirectional_lstm_at_every_step(random):
    return at_every_step(random, [keras.layers.Bidirectional(keeping_lstm(60))], differ=True)


@expects()
def pooled_gru(random):
    return at_every_step(random, [GRU(UNITS, return_sequences=True)], pooled())


@expects()
def gru_under_attention(random):
    return at_every_step(random, [GRU(UNITS, return_sequences=True)], attended())


@expects()
def rnn_of_identity_at_every_step(random):
    layer = SimpleRNN(
        UNITS, activation="relu", recurrent_initializer="identity", return_sequences=True
    )
    return at_every_step(random, [layer], optimizer=keras.optimizers.Adam(1e-4))


def keeping_lstm(steps):
    chrono = Chrono(steps)
    return LSTM(UNITS, bias_initializer=chrono, unit_forget_bias=False, return_sequences=True)


def pooled():
    """The mean over the steps, then a single prediction."""
    pool, dense = keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1, name="head")
    return lambda sequence: dense(pool(sequence))


def attended():
    """Attention of the last step to all steps, then a single prediction."""
    attention, dense = keras.layers.Attention(), keras.layers.Dense(1, name="head")
    return lambda sequence: dense(attention([sequence[:, -1:], sequence]))[:, 0]
