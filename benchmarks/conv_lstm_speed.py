"""How long does a training step of our ConvLSTM2D take, relative to Keras'?

    python benchmarks/conv_lstm_speed.py

One model per library, with and without `jit_compile`: the layer over [B, T, N, N, D] with H filters
and a map at every step, mean squared error, plain SGD, trained by `model.fit` in turns of a few
steps. The script prints the median steps in ms; the first step of each turn is not counted.
"""

import argparse
import os

import turns

SHAPES = ((4, 6, 16, 8, 16), (8, 8, 32, 16, 32))  # B, T, N, D, H
TURN = 4  # steps before the next contestant


def fit_turns(layer, shape, jit):
    """Return a function that trains TURN steps in `fit` and returns their seconds."""
    import keras
    import numpy as np
    import tensorflow as tf

    batch, steps, size, channels, filters = shape
    random = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((steps, size, size, channels)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit)
    x = random.standard_normal((batch, steps, size, size, channels), dtype="float32")
    y = random.standard_normal((batch, steps, size, size, filters), dtype="float32")
    return turns.fit_turn(model, tf.data.Dataset.from_tensors((x, y)).cache().repeat(TURN))


def contestants(shape):
    """Return a function per library and mode that trains TURN steps, by its name."""
    import errorflow.layers
    import keras

    return {
        f"{name}{' jit' if jit else ''}": fit_turns(
            library.ConvLSTM2D(shape[-1], 3, padding="same", return_sequences=True), shape, jit
        )
        for name, library in {"ours": errorflow.layers, "keras": keras.layers}.items()
        for jit in (False, True)
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument(
        "--shapes", type=int, nargs="+", choices=range(len(SHAPES)), default=range(len(SHAPES))
    )
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for index in args.shapes:
        result = turns.race(contestants(SHAPES[index]), args.rounds)
        steps = "  ".join(f"{name} {step:.1f} ms" for name, (step, _) in result.items())
        print(",".join(map(str, SHAPES[index])), steps, flush=True)


if __name__ == "__main__":
    main()
