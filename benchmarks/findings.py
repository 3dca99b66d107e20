"""Is what is there found, and nothing else? Small trainings built to have it, and healthy ones.

    python benchmarks/findings.py                     # 4 runs of each kind, seeds 100 to 103
    python benchmarks/findings.py --first 0 --runs 3  # those the thresholds were settled on

Each run draws its sizes, initial weights and data by its seed. Printed is, for each kind of run,
how many there were, of how many the right thing was said and nothing else, and what was wrong.
"""

import argparse
import collections
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients
from errorflow.layers import GRU, LSTM, Chrono, SimpleRNN

STEPS = 160  # of training
SILENT = ("healthy", "too little", "undecided", "range")  # no trouble
UNITS = 16
RUNS = []  # (what is to be found, or nothing; a training)


def has(*kinds):
    """Registers a training in which these are to be found, and nothing else."""

    def register(build):
        RUNS.append((frozenset(kinds), build))
        return build

    return register


def fit(network, x, y, optimizer="adam", batch=8, joined=None):
    """The kinds of all findings of a training."""
    network.compile(optimizer, "mse")
    inside = [layer for layer in network.layers if isinstance(layer, keras.layers.RNN)]
    watchers = [LayerGradients()]
    if inside:
        watchers.append(ErrorFlow(joined=joined))
    if any(isinstance(layer, LSTM | GRU) for layer in inside):
        watchers.append(Gates([part[:16] for part in x] if isinstance(x, list) else x[:16]))
    network.fit(x, y, batch_size=batch, verbose=0, callbacks=watchers)
    return {one.kind for watcher in watchers for one in watcher.findings()} - {*SILENT}


# Over time: asked for is what the first steps of some noise were.


def over_time(random, layer, steps, optimizer="adam"):
    network = [keras.Input((steps, 3)), layer, keras.layers.Dense(1, name="head")]
    return fit(keras.Sequential(network), *series(random, steps), optimizer)


def series(random, steps):
    x = random.normal(size=(STEPS * 8, steps, 3)).astype("float32")
    return x, np.sin(x[:, :3].sum(axis=(1, 2)))[:, None].astype("float32")


@has("vanishing")
def rnn_of_sigmoids(random):
    return over_time(random, SimpleRNN(UNITS, activation="sigmoid"), random.integers(30, 60))


@has("vanishing")
def rnn_of_small_weights(random):
    small = keras.initializers.Orthogonal(random.uniform(0.3, 0.7))
    return over_time(random, SimpleRNN(UNITS, recurrent_initializer=small), random.integers(30, 60))


@has("vanishing")
def gru_of_small_weights(random):
    layer = GRU(UNITS, recurrent_initializer=keras.initializers.Orthogonal(0.1), use_bias=False)
    return over_time(random, layer, random.integers(30, 60))


@has("exploding")
def rnn_of_large_weights(random):
    large = keras.initializers.Orthogonal(random.uniform(1.25, 1.5))
    layer = SimpleRNN(UNITS, activation="linear", recurrent_initializer=large)
    return over_time(random, layer, random.integers(40, 60), keras.optimizers.SGD(1e-30))


@has()
def rnn_of_identity(random):
    layer = SimpleRNN(UNITS, activation="relu", recurrent_initializer="identity")
    slow = keras.optimizers.Adam(1e-4)
    return over_time(random, layer, random.integers(10, 40), slow)


@has()
def rnn_on_few_steps(random):
    return over_time(random, SimpleRNN(UNITS), random.integers(4, 8))


@has()
def lstm(random):
    return over_time(random, LSTM(UNITS), random.integers(5, 20))


@has()
def gru(random):
    return over_time(random, GRU(UNITS), random.integers(4, 8))


@has()
def lstm_that_begins_with_long_memories(random):
    steps = int(random.integers(20, 60))
    layer = LSTM(UNITS, bias_initializer=Chrono(steps), unit_forget_bias=False)
    return over_time(random, layer, steps)


@has("saturated")
def lstm_that_lets_nothing_out(random):
    layer = LSTM(UNITS, bias_initializer=gate(3, -6.0), unit_forget_bias=False)
    return over_time(random, layer, random.integers(5, 10))


@has("saturated")
def gru_that_never_looks_back(random):
    return over_time(random, GRU(UNITS, bias_initializer=gate(1, -6.0)), random.integers(3, 5))


def gate(place, value):
    """The bias of the gate at this place is `value`, that of an LSTM's forget gate 1."""

    def bias(shape, dtype=None):
        values = np.zeros(shape, "float32")
        values[..., UNITS : 2 * UNITS] = 1.0 if shape[-1] == 4 * UNITS else 0.0
        values[..., place * UNITS : (place + 1) * UNITS] = value
        return values

    return bias


def over_both(random, recurrent, steps, **options):
    """An encoder, and a decoder of 4 steps that is asked for what the encoder saw first."""
    source, target = keras.Input((steps, 3)), keras.Input((4, 3))
    encode = recurrent(UNITS, return_state=True, name="encoder", **options)
    _, *states = encode(source)
    decode = recurrent(UNITS, return_sequences=True, name="decoder")
    h = decode(target, initial_state=states if len(states) > 1 else states[0])
    network = keras.Model([source, target], keras.layers.Dense(1, name="head")(h))
    x, y = series(random, steps)
    shown = random.normal(size=(len(x), 4, 3)).astype("float32")
    y = np.tile(y[:, None], [1, 4, 1])
    return fit(network, [x, shown], y, joined={"both": ("encoder", "decoder")})


@has("does not cross", "vanishing")  # in the encoder itself
def encoder_of_sigmoids(random):
    return over_both(random, SimpleRNN, int(random.integers(30, 50)), activation="sigmoid")


@has()
def encoder_that_remembers(random):
    return over_both(random, LSTM, int(random.integers(3, 8)))


# Over depth: asked for is a wave over the sum of eight numbers.


def over_depth(random, hidden, optimizer="adam", batch=8):
    x = random.normal(size=(STEPS * batch, 8)).astype("float32")
    y = np.sin(x.sum(axis=1))[:, None].astype("float32")
    network = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1, name="head")])
    return fit(network, x, y, optimizer, batch)


def plain(count, activation="relu", **options):
    options = {"kernel_initializer": "he_normal"} | options
    return [keras.layers.Dense(UNITS, activation, **options) for _ in range(count)]


@has("starving")
def depth_of_sigmoids(random):
    sigmoids = plain(random.integers(12, 20), "sigmoid", kernel_initializer="glorot_uniform")
    return over_depth(random, sigmoids)


@has("starving")
def depth_of_small_weights(random):
    small = keras.initializers.Orthogonal(random.uniform(0.2, 0.4))
    layers = plain(random.integers(16, 24), "tanh", kernel_initializer=small)
    return over_depth(random, layers, keras.optimizers.SGD(1e-3))


@has("exploding over depth")
def depth_of_large_weights(random):
    large = keras.initializers.Orthogonal(random.uniform(3, 5))
    layers = plain(random.integers(30, 40), "tanh", kernel_initializer=large)
    return over_depth(random, layers, keras.optimizers.SGD(1e-30))


@has("clipped")
def limit_below_the_usual_norm(random):
    return over_depth(random, plain(2), keras.optimizers.SGD(1e-3, global_clipnorm=1e-2))


@has("dead units")
def most_units_dead(random):
    return over_depth(random, [*plain(1), *plain(1, bias_initializer=some_dead(random)), *plain(1)])


def some_dead(random):
    dead = random.permutation(UNITS) < random.integers(10, 15)
    return lambda shape, dtype=None: np.where(dead, -99.0, 0.0).astype("float32")


@has("no gradient")
def whole_layer_dead(random):
    dead = keras.initializers.Constant(-99)
    return over_depth(random, [*plain(1), *plain(1, bias_initializer=dead), *plain(1, "tanh")])


@has("not finite")
def learning_rate_without_measure(random):
    rate = 10 ** random.uniform(4, 8)
    return over_depth(random, plain(2, "linear"), keras.optimizers.SGD(rate))


@has("not finite")
def root_of_zero(random):
    root = keras.layers.Lambda(lambda x: keras.ops.sqrt(keras.ops.relu(x)))
    return over_depth(random, [*plain(1, "linear"), root, *plain(1)])


@has()
def shallow(random):
    return over_depth(random, plain(random.integers(1, 4)))


@has()
def deep(random):
    return over_depth(random, plain(random.integers(6, 12)))


@has()
def one_example_at_a_time(random):
    return over_depth(random, plain(2), keras.optimizers.SGD(1e-2), batch=1)


@has()
def limit_above_the_usual_norm(random):
    return over_depth(random, plain(2), keras.optimizers.SGD(1e-3, global_clipnorm=100.0))


@has()
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--runs", type=int, default=4, help="of each training")
    args = parser.parse_args()
    lines, wrong = collections.defaultdict(collections.Counter), []
    for expected, build in RUNS:
        for seed in range(args.first, args.first + args.runs):
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed)
            said = build(np.random.default_rng(seed))
            line = lines[", ".join(sorted(expected)) or "nothing"]
            line["runs"] += 1
            line["right"] += said == expected
            line.update(f"also {kind}" for kind in said - expected)
            line.update(f"not {kind}" for kind in expected - said)
            if said != expected:
                wrong.append(
                    f"{build.__name__}, seed {seed}: {', '.join(sorted(said)) or 'nothing'}"
                )
            if sys.stderr.isatty():
                print(f"\r\033[K{build.__name__} {seed}", end="", file=sys.stderr)
    print(f"{'built to have':28} runs right  wrong")
    for name, line in lines.items():
        other = ", ".join(f"{key} {n}" for key, n in line.items() if key not in ("runs", "right"))
        print(f"{name:28} {line['runs']:4} {line['right']:5}  {other}")
    print(*wrong, sep="\n")


if __name__ == "__main__":
    main()
