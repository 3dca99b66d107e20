"""Small trainings that are built to have one known fault, or none; `findings.py` runs them.

A training is a function of a NumPy generator, from which it draws its sizes, initial weights and
data. It returns the kinds of the findings that name a fault.
"""

import keras
import numpy as np
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients
from errorflow.layers import GRU, LSTM, Chrono, SimpleRNN

STEPS = 160  # training steps per run
NO_FAULT = ("healthy", "too little", "range")
UNITS = 16
TRAININGS = []  # (the kinds of findings that are expected, a function that trains)


def expects(*kinds):
    """Register a training whose findings must be of these kinds, and no others."""

    def register(build):
        TRAININGS.append((frozenset(kinds), build))
        return build

    return register


def fit(network, x, y, optimizer="adam", batch=8, joined=None):
    """Train, and return the kinds of all findings that name a fault."""
    network.compile(optimizer, "mse")
    recurrent = [layer for layer in network.layers if isinstance(layer, keras.layers.RNN)]
    recorders = [LayerGradients()]
    if recurrent:
        recorders.append(ErrorFlow(joined=joined, probe=(x, y)))
    if any(isinstance(layer, LSTM | GRU) for layer in recurrent):
        recorders.append(Gates([part[:16] for part in x] if isinstance(x, list) else x[:16]))
    network.fit(x, y, batch_size=batch, verbose=0, callbacks=recorders)
    findings = [finding for recorder in recorders for finding in recorder.findings()]
    return {finding.kind for finding in findings} - {*NO_FAULT}


# Over time: the target depends on the first steps of a sequence of noise.


def over_time(random, layer, steps, optimizer="adam"):
    network = [keras.Input((steps, 3)), layer, keras.layers.Dense(1, name="head")]
    return fit(keras.Sequential(network), *series(random, steps), optimizer)


def series(random, steps):
    x = random.normal(size=(STEPS * 8, steps, 3)).astype("float32")
    return x, np.sin(x[:, :3].sum(axis=(1, 2)))[:, None].astype("float32")


@expects("vanishing")
def rnn_of_sigmoids(random):
    return over_time(random, SimpleRNN(UNITS, activation="sigmoid"), random.integers(30, 60))


@expects("vanishing")
def rnn_of_small_weights(random):
    small = keras.initializers.Orthogonal(random.uniform(0.3, 0.7))
    return over_time(random, SimpleRNN(UNITS, recurrent_initializer=small), random.integers(30, 60))


@expects("vanishing")
def gru_of_small_weights(random):
    layer = GRU(UNITS, recurrent_initializer=keras.initializers.Orthogonal(0.1), use_bias=False)
    return over_time(random, layer, random.integers(30, 60))


@expects("exploding")
def rnn_of_large_weights(random):
    large = keras.initializers.Orthogonal(random.uniform(1.25, 1.5))
    layer = SimpleRNN(UNITS, activation="linear", recurrent_initializer=large)
    return over_time(random, layer, random.integers(40, 60), keras.optimizers.SGD(1e-30))


@expects()
def rnn_of_identity(random):
    layer = SimpleRNN(UNITS, activation="relu", recurrent_initializer="identity")
    slow = keras.optimizers.Adam(1e-4)
    return over_time(random, layer, random.integers(10, 40), slow)


@expects()
def rnn_on_few_steps(random):
    return over_time(random, SimpleRNN(UNITS), random.integers(4, 8))


@expects()
def lstm(random):
    return over_time(random, LSTM(UNITS), random.integers(5, 20))


@expects()
def gru(random):
    return over_time(random, GRU(UNITS), random.integers(4, 8))


@expects()
def lstm_with_chrono_initialisation(random):
    steps = int(random.integers(20, 60))
    layer = LSTM(UNITS, bias_initializer=Chrono(steps), unit_forget_bias=False)
    return over_time(random, layer, steps)


@expects("saturated")
def lstm_with_closed_output_gate(random):
    layer = LSTM(UNITS, bias_initializer=gate(3, -6.0), unit_forget_bias=False)
    return over_time(random, layer, random.integers(5, 10))


@expects("saturated")
def gru_with_closed_reset_gate(random):
    return over_time(random, GRU(UNITS, bias_initializer=gate(1, -6.0)), random.integers(3, 5))


def gate(place, value):
    """Return a bias initializer: `value` for one gate, 1 for the forget gate of an LSTM."""

    def bias(shape, dtype=None):
        values = np.zeros(shape, "float32")
        values[..., UNITS : 2 * UNITS] = 1.0 if shape[-1] == 4 * UNITS else 0.0
        values[..., place * UNITS : (place + 1) * UNITS] = value
        return values

    return bias


def over_both(random, recurrent, steps, **options):
    """A decoder of 4 steps whose target depends on the first steps of its encoder."""
    source, target = keras.Input((steps, 3)), keras.Input((4, 3))
    encode = recurrent(UNITS, return_state=True, name="encoder", **options)
    _, *states = encode(source)
    decode = recurrent(UNITS, return_sequences=True, name="decoder")
    h = decode(target, initial_state=states if len(states) > 1 else states[0])
    network = keras.Model([source, target], keras.layers.Dense(1, name="head")(h))
    x, y = series(random, steps)
    decoder_inputs = random.normal(size=(len(x), 4, 3)).astype("float32")
    y = np.tile(y[:, None], [1, 4, 1])
    return fit(network, [x, decoder_inputs], y, joined={"both": ("encoder", "decoder")})


@expects("does not cross", "vanishing")  # in the encoder itself
def encoder_of_sigmoids(random):
    return over_both(random, SimpleRNN, int(random.integers(30, 50)), activation="sigmoid")


@expects()
def lstm_encoder(random):
    return over_both(random, LSTM, int(random.integers(3, 8)))


# Over depth: the target is the sine of the sum of eight numbers.


def over_depth(random, hidden, optimizer="adam", batch=8):
    x = random.normal(size=(STEPS * batch, 8)).astype("float32")
    y = np.sin(x.sum(axis=1))[:, None].astype("float32")
    network = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1, name="head")])
    return fit(network, x, y, optimizer, batch)


def plain(count, activation="relu", **options):
    options = {"kernel_initializer": "he_normal"} | options
    return [keras.layers.Dense(UNITS, activation, **options) for _ in range(count)]


@expects("starving")
def depth_of_sigmoids(random):
    sigmoids = plain(random.integers(12, 20), "sigmoid", kernel_initializer="glorot_uniform")
    return over_depth(random, sigmoids)


@expects("starving")
def depth_of_small_weights(random):
    small = keras.initializers.Orthogonal(random.uniform(0.2, 0.4))
    layers = plain(random.integers(16, 24), "tanh", kernel_initializer=small)
    return over_depth(random, layers, keras.optimizers.SGD(1e-3))


@expects("exploding over depth")
def depth_of_large_weights(random):
    large = keras.initializers.Orthogonal(random.uniform(3, 5))
    layers = plain(random.integers(30, 40), "tanh", kernel_initializer=large)
    return over_depth(random, layers, keras.optimizers.SGD(1e-30))


@expects("clipped")
def limit_below_the_usual_norm(random):
    return over_depth(random, plain(2), keras.optimizers.SGD(1e-3, global_clipnorm=1e-2))


@expects("dead units")
def most_units_dead(random):
    return over_depth(random, [*plain(1), *plain(1, bias_initializer=some_dead(random)), *plain(1)])


def some_dead(random):
    dead = random.permutation(UNITS) < random.integers(10, 15)
    return lambda shape, dtype=None: np.where(dead, -99.0, 0.0).astype("float32")


@expects("no gradient")
def whole_layer_dead(random):
    dead = keras.initializers.Constant(-99)
    return over_depth(random, [*plain(1), *plain(1, bias_initializer=dead), *plain(1, "tanh")])


@expects("not finite")
def much_too_large_learning_rate(random):
    rate = 10 ** random.uniform(4, 8)
    return over_depth(random, plain(2, "linear"), keras.optimizers.SGD(rate))


@expects("not finite")
def root_of_zero(random):
    root = keras.layers.Lambda(lambda x: keras.ops.sqrt(keras.ops.relu(x)))
    return over_depth(random, [*plain(1, "linear"), root, *plain(1)])


@expects()
def shallow(random):
    return over_depth(random, plain(random.integers(1, 4)))


@expects()
def deep(random):
    return over_depth(random, plain(random.integers(6, 12)))


@expects()
def one_example_at_a_time(random):
    return over_depth(random, plain(2), keras.optimizers.SGD(1e-2), batch=1)


@expects()
def limit_above_the_usual_norm(random):
    return over_depth(random, plain(2), keras.optimizers.SGD(1e-3, global_clipnorm=100.0))


@expects()
def convolutions_with_shortcuts(random):
    x = inputs = keras.Input((8, 8, 2))
    for _ in range(random.integers(3, 8)):
        y = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
        y = keras.layers.ReLU()(keras.layers.BatchNormalization()(y))
        x = y if x is inputs else keras.layers.Add()([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    pixels = random.normal(size=(STEPS * 8, 8, 8, 2)).astype("float32")
    brighter = pixels[:, :4].mean(axis=(1, 2, 3)) - pixels[:, 4:].mean(axis=(1, 2, 3))
    return fit(keras.Model(inputs, keras.layers.Dense(1)(x)), pixels, 5 * brighter[:, None])
