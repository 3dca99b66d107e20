"""How long does inference with our recurrent layers take, relative to Keras, and would XLA help?

    python benchmarks/inference_speed.py

A layer reads a batch of padded sequences [B, T, D] with a mask and returns its last state [B, H].
The contestants are our layer, the layer of Keras with the same weights, and our layer with the
loop that XLA compiles in training. They take turns. The script prints the ratios of the median
processor times (below 1, ours is faster), and the time of the first call of each, in which
TensorFlow traces it and XLA compiles it.
"""

import argparse
import os
import statistics
import time

SHAPES = ((256, 10, 64, 128), (1280, 20, 16, 32), (64, 100, 64, 128))
CELLS = ("SimpleRNN", "GRU", "LSTM")
VALID = (1.0, 0.5, 0.25)  # the shares of valid steps


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="turns of each contestant")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    return parser.parse_args()


def batch(shape, valid):
    """Return sequences [B, T, D] and their mask [B, T]; lengths are uniform around the share."""
    import numpy as np
    import tensorflow as tf

    count, steps, width, _ = shape
    random = np.random.default_rng(0)
    shortest = max(1, round(steps * (2 * valid - 1)))
    lengths = random.integers(shortest, min(steps, 2 * valid * steps) + 1, count)
    x = random.standard_normal((count, steps, width), dtype="float32")
    return tf.constant(x), tf.constant(np.arange(steps) < lengths[:, None])


def contestants(cell, shape):
    """Return a function (sequences, mask) → last state per contestant, by its name."""
    import errorflow.layers
    import keras
    import tensorflow as tf
    from errorflow.layers.rnn.unroll import unroll

    def compiled(*arguments, training, **options):
        return unroll(*arguments, **options, compiled=True)

    _, _, width, units = shape
    own = getattr(errorflow.layers, cell)
    layers = {"ours": own(units), "keras": getattr(keras.layers, cell)(units), "xla": own(units)}
    layers["xla"].loop = compiled
    for layer in layers.values():
        layer.build((None, None, width))
        layer.set_weights(layers["ours"].get_weights())
    signature = [tf.TensorSpec([None, None, width]), tf.TensorSpec([None, None], tf.bool)]
    return {name: traced(layer, signature) for name, layer in layers.items()}


def traced(layer, signature):
    """Return inference with a layer as a function that is traced once."""
    import tensorflow as tf

    return tf.function(
        lambda x, mask: layer(x, mask=mask), input_signature=signature, autograph=False
    )


def seconds(function, *arguments):
    """Return the processor time of a call."""
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def main():
    args = options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for cell in args.cells:
        for shape in SHAPES:
            functions = contestants(cell, shape)
            first = {name: seconds(f, *batch(shape, 1.0)) for name, f in functions.items()}
            parts = []
            for valid in VALID:
                data = batch(shape, valid)
                times = {name: [] for name in functions}
                for _ in range(args.rounds):
                    for name, function in functions.items():
                        times[name].append(seconds(function, *data))
                median = {name: statistics.median(times[name]) for name in functions}
                ratios = [f"{median['ours'] / median[peer]:.2f}" for peer in ("keras", "xla")]
                parts.append(f"{valid:.0%} valid: ours/keras {ratios[0]}, ours/xla {ratios[1]}")
            calls = ", ".join(f"{name} {1e3 * s:.0f}" for name, s in first.items())
            print(f"{cell} {shape}: {'; '.join(parts)}; first call {calls} ms", flush=True)


if __name__ == "__main__":
    main()
