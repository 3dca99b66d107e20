"""Stock recurrent models, and what is compared between the loops of their visible layers."""

import keras
import numpy as np
import tensorflow as tf
from cases import MASKS, B, D, H, T


def model_of(name, mask=None, steps=T, **options):
    """A stock layer with all outputs and states, above a layer that needs dE/dx."""
    x = keras.Input((steps, D))
    y = keras.layers.Dense(D, name="below")(x)
    recurrent = getattr(keras.layers, name)(H, return_state=True, name="recurrent", **options)
    states = [keras.Input((H,)) for _ in range(2 if name == "LSTM" else 1)]
    mask_input = keras.Input((steps,), dtype="bool")
    outputs = recurrent(y, mask=mask_input if mask else None, initial_state=states)
    model = keras.Model([x, mask_input, *states], [1.0 * o for o in outputs])
    model.set_weights([w + 0.2 * np.random.randn(*w.shape) for w in model.get_weights()])
    valid = np.ones([B, steps], bool) if mask is None else MASKS[mask]
    arrays = [np.random.randn(B, *s.shape[1:]).astype("float32") for s in [x, *states]]
    return model, [arrays[0], valid, *arrays[1:]]


def results_of(model, inputs, training=False, traced=False):
    """Outputs, gradients and the latest row of the record."""

    def compute(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = model([*inputs], training=training)
            waves = [tf.sin(tf.cast(o, tf.float32) * (n + 1.0)) for n, o in enumerate(outputs)]
            e = tf.add_n([tf.reduce_sum(wave) for wave in waves]) / B
        weights = [w.value for w in model.trainable_weights]
        return outputs, tape.gradient(e, [inputs[0], *inputs[2:], *weights])

    compute = tf.function(compute, autograph=False) if traced else compute
    outputs, gradients = compute(*map(tf.constant, inputs))
    (record,) = model.get_layer("recurrent").error.latest()
    return outputs, gradients, record


def assert_same(fused, ours, tolerance=2e-6):
    for a, b in zip(fused[0] + fused[1], ours[0] + ours[1], strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * max(1.0, np.abs(b).max()))
    assert fused[2].keys() == ours[2].keys()
    for name, figure in ours[2].items():
        np.testing.assert_allclose(fused[2][name], figure, rtol=1e-4, atol=tolerance, err_msg=name)
