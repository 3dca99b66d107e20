"""How long does the full error matrix take, compared with one tape gradient per loss step?

    python benchmarks/error_matrix.py

Both compute ‖dE_i/dh_k‖ for all T losses of an LSTM that has an output at each step. The peer is a
persistent tape over the compiled forward pass of `keras.layers.LSTMCell` in a loop, with a zero
added to each h_t, and T calls of `tape.gradient`. Both take turns. The script prints the median and
the extremes of (tape gradients) / (error_matrix), the time of our first call, which compiles, and
the largest difference between the two matrices.
"""

import argparse
import os
import statistics

import turns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHAPES = ((32, 100, 32, 64), (64, 100, 64, 128))  # B, T, D, H


def contestants(batch, steps, width, units):
    """Return two functions, the peer and ours, that compute the same matrix [T, T]."""
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.layers import error_matrix

    lstm = keras.layers.LSTM(units, return_sequences=True)
    model = keras.Sequential([keras.Input((steps, width)), lstm])
    model.compile(loss="mse")
    random = np.random.default_rng(0)
    x = tf.constant(random.standard_normal((batch, steps, width)), tf.float32)
    y = tf.constant(random.standard_normal((batch, steps, units)), tf.float32)
    x_by_step = tf.transpose(x, [1, 0, 2])

    @tf.function(autograph=False)
    def losses(probes):  # [T, B, H] → [T]
        def step(states, inputs):
            x_t, probe = inputs
            h, (_, c) = lstm.cell(x_t, list(states))
            return h + probe, c

        start = (tf.zeros([batch, units]), tf.zeros([batch, units]))
        h, _ = tf.scan(step, (x_by_step, probes), start)
        return tf.reduce_mean((h - tf.transpose(y, [1, 0, 2])) ** 2, axis=[1, 2])

    def tape_gradients():
        probes = tf.zeros([steps, batch, units])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(probes)
            losses_by_step = tf.unstack(losses(probes))
        rows = [tf.reduce_sum(tape.gradient(e, probes) ** 2, axis=[1, 2]) for e in losses_by_step]
        return np.sqrt(batch * np.stack(rows))

    return tape_gradients, lambda: error_matrix(model, x, y)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    rounds = parser.parse_args().rounds
    for shape in SHAPES:
        peer, ours = contestants(*shape)
        (_, expected), (compiling, matrix) = turns.seconds(peer), turns.seconds(ours)
        difference = abs(matrix - expected).max() / expected.max()
        times = [(turns.seconds(peer)[0], turns.seconds(ours)[0]) for _ in range(rounds)]
        ratios = [a / b for a, b in times]
        slow, fast = (1000 * statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"B,T,D,H = {','.join(map(str, shape))}: {statistics.median(ratios):.1f} times faster"
            f" ({min(ratios):.1f} to {max(ratios):.1f}); {fast:.0f} ms, the peer {slow:.0f} ms;"
            f" first call {compiling:.1f} s; largest difference {difference:.0e} of the largest"
            " entry"
        )


if __name__ == "__main__":
    main()
