"""How long does the Lyapunov spectrum take, compared with a plain loop over the time steps?

    python benchmarks/lyapunov.py

Both compute exponents of an LSTM (H = 64, T = 100, B = 8) along the states that random inputs drive
it through. The peer walks forward once, with Jacobians by `tf.GradientTape.batch_jacobian` of
`keras.layers.LSTMCell` in a function that TensorFlow compiles, and QR decompositions by NumPy from
random directions on. Ours walks back and forward twice, so that its first directions are those of
the data. Both take turns. The script prints the median and the extremes of (plain loop) / (ours),
and how far λ_1 of each is from its limit, averaged over the examples.
"""

import argparse
import os
import statistics

import turns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, STEPS, WIDTH, UNITS = 8, 100, 64, 64
EXPONENTS = (8, 2 * UNITS)
SWEEPS = 20  # back and forward, for the limit


def problem():
    """Return the model, the inputs, and a function that returns all Jacobians [T, B, S, S]."""
    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    lstm = keras.layers.LSTM(UNITS)
    model = keras.Sequential([keras.Input((STEPS, WIDTH)), lstm])
    x = np.random.default_rng(0).standard_normal((BATCH, STEPS, WIDTH), dtype="float32")

    @tf.function(autograph=False)
    def of_step(x_t, state):
        with tf.GradientTape() as tape:
            tape.watch(state)
            _, after = lstm.cell(x_t, tf.split(state, 2, axis=1))
            after = tf.concat(after, axis=1)
        return after, tape.batch_jacobian(after, state)

    def jacobians():
        state, matrices = tf.zeros([BATCH, 2 * UNITS]), []
        for t in range(STEPS):
            state, matrix = of_step(tf.constant(x[:, t]), state)
            matrices.append(matrix.numpy().astype(np.float64))
        return np.stack(matrices)

    return model, x, jacobians


def walk(matrices, directions):
    """Return the directions [B, S, k] after all steps, and the exponents of each example [B, k]."""
    import numpy as np

    logarithms = 0.0
    for matrix in matrices:
        directions, r = np.linalg.qr(matrix @ directions)
        logarithms = logarithms + np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
    return directions, logarithms / len(matrices)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    rounds = parser.parse_args().rounds
    import numpy as np
    from errorflow.layers import lyapunov

    model, x, jacobians = problem()
    random = np.random.default_rng(1).normal(size=(BATCH, 2 * UNITS, 2 * UNITS))
    matrices, directions = jacobians(), np.linalg.qr(random)[0][:, :, :8]
    for _ in range(SWEEPS):
        directions, _ = walk(np.swapaxes(matrices, 2, 3)[::-1], directions)
        directions, limit = walk(matrices, directions)
    limit = limit[:, 0].mean()
    for count in EXPONENTS:
        start = np.linalg.qr(random[:, :, :count])[0]
        contestants = {
            "plain loop": lambda start=start: walk(jacobians(), start)[1].mean(axis=0),
            "lyapunov": lambda count=count: lyapunov(model, x, exponents=count).exponents,
        }
        values = {name: function()[0] for name, function in contestants.items()}  # and compile
        times = [[turns.seconds(f)[0] for f in contestants.values()] for _ in range(rounds)]
        ratios = [plain / ours for plain, ours in times]
        ours = statistics.median(seconds for _, seconds in times)
        print(
            f"{count} exponents of {2 * UNITS}: {statistics.median(ratios):.1f} times as fast"
            f" ({min(ratios):.1f} to {max(ratios):.1f}), {ours:.2f} s; λ_1 {limit:.4f}, off by "
            + ", ".join(f"{value - limit:.4f} ({name})" for name, value in values.items())
        )


if __name__ == "__main__":
    main()
