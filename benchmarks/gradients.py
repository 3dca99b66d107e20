"""How much do our gradients differ from those of stock Keras layers?

    python benchmarks/gradients.py

The script prints the largest difference over all outputs, states and gradients (of the weights, the
input and the initial states), relative to the largest entry of each: in float64 to stock cells that
are unrolled step by step and differentiated by TensorFlow (`keras.layers.RNN(unroll=True)`), in
float32 to keras.layers. Our layers are compiled, as in training. An error is injected at every step
and at the last states. Weights, biases and initial states are random.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, STEPS, WIDTH, UNITS = 6, 17, 5, 8
CASES = {
    "SimpleRNN": ("SimpleRNN", {}),
    "GRU": ("GRU", {}),
    "GRU, reset before": ("GRU", {"reset_after": False}),
    "LSTM": ("LSTM", {}),
}


def inputs(states, masked, dtype):
    """Return x, initial states, mask, and the errors injected at outputs and last states."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    normal = lambda *shape: tf.constant(random.standard_normal(shape), dtype)  # noqa: E731
    mask = tf.constant(random.random((BATCH, STEPS)) > 0.3) if masked else None
    initial = [normal(BATCH, UNITS) for _ in range(states)]
    errors = [normal(BATCH, STEPS, UNITS), *(normal(BATCH, UNITS) for _ in range(states))]
    return normal(BATCH, STEPS, WIDTH), initial, mask, errors


def outputs_and_gradients(layer, x, initial, mask, errors, training):
    """Return outputs, last states and all gradients in one flat list."""
    import tensorflow as tf

    weights = [w.value for w in layer.trainable_variables]

    @tf.function
    def run(x, initial):
        with tf.GradientTape() as tape:
            tape.watch([x, initial])
            results = layer(x, initial_state=initial, mask=mask, training=training)
            loss = tf.add_n([tf.reduce_sum(e * r) for e, r in zip(errors, results, strict=True)])
        return results, tape.gradient(loss, [x, initial, weights])

    return tf.nest.flatten(run(x, initial))


def difference(cell, options, masked, dtype):
    """Return the largest relative difference between our layer and the stock one."""
    import errorflow.layers
    import keras
    import numpy as np
    import tensorflow as tf

    common = {"return_sequences": True, "return_state": True, "dtype": dtype}
    ours = getattr(errorflow.layers, cell)(UNITS, **common, **options)
    if dtype == "float64":
        stock = getattr(keras.layers, f"{cell}Cell")(UNITS, dtype=dtype, **options)
        peer = keras.layers.RNN(stock, unroll=True, **common)
    else:
        peer = getattr(keras.layers, cell)(UNITS, **common, **options)
    data = inputs(2 if cell == "LSTM" else 1, masked, dtype)
    random = np.random.default_rng(1)
    for layer in (ours, peer):
        layer.build(data[0].shape)
    weights = [0.5 * random.standard_normal(w.shape) for w in ours.weights]
    ours.set_weights(weights), peer.set_weights(weights)
    pairs = zip(
        outputs_and_gradients(ours, *data, training=True),
        outputs_and_gradients(peer, *data, training=False),
        strict=True,
    )
    return max(float(tf.reduce_max(abs(a - b)) / tf.reduce_max(abs(b))) for a, b in pairs)


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print(f"{'':18}  {'float64, unrolled':>22}  {'float32, keras.layers':>22}")
    print(f"{'':18}  {'':>10}  {'masked':>10}  {'':>10}  {'masked':>10}")
    for name, (cell, options) in CASES.items():
        differences = [
            difference(cell, options, masked, dtype)
            for dtype in ("float64", "float32")
            for masked in (False, True)
        ]
        print(f"{name:18}  " + "  ".join(f"{value:10.1e}" for value in differences), flush=True)


if __name__ == "__main__":
    main()
