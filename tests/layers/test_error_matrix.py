"""‖δ_i^(k)‖ from one batched reverse scan, against one backward pass for each loss."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from cases import GRU, LSTM, MASKS, RECURRENT, SIMPLE_RNN, B, D, H, T, built, each_masked, problem
from errorflow.layers import error_matrix, watch
from errorflow.layers.paths import walk

LONG = 12  # steps: more losses than fit into one scan


def matrix_by_autodiff(case, p, targets, read, counted):
    """One tape for each loss, through an unrolled loop with probes. read, counted: [B, T]"""
    rows = []
    for i in range(T):

        def loss(outputs, _, i=i):
            squared = tf.reduce_mean((outputs[:, i] - targets[:, i]) ** 2, axis=1)  # [B]
            return tf.reduce_mean(squared * counted[:, i])

        errors = reference.errors(loss, case.step, p.x, p.states, p.weights, read)
        norms = np.linalg.norm(errors.hidden, axis=-1)  # [T, B]
        both = (read & (counted[:, [i]] > 0)).T
        with np.errstate(invalid="ignore"):
            rows.append(np.sqrt((norms**2 * both).sum(1) / both.sum(1)))
    return np.stack(rows)


def model_of(case, p, silent=False):
    """Inputs: x, a mask, initial states. `silent`: no mask is output, so that all losses count."""
    dtype = p.x.dtype.name
    layer = built(case, p, return_sequences=True, name="layer", dtype=dtype)
    x, mask = keras.Input((T, D), dtype=dtype), keras.Input((T,), dtype="bool")
    states = [keras.Input((H,), dtype=dtype) for _ in p.states]
    outputs = layer(x, mask=mask, initial_state=states)
    model = keras.Model([x, mask, *states], 1.0 * outputs if silent else outputs)
    model.compile(loss="mse")
    return model


@each_masked(RECURRENT, "right")
def test_matrix_is_that_of_one_backward_pass_per_loss(case, mask):
    p, read, silent = problem(case, "float64"), MASKS[mask], mask == "holes"
    targets = np.random.randn(B, T, H)
    matrix = error_matrix(model_of(case, p, silent), [p.x, read, *p.states], targets, "layer")
    counted = np.ones([B, T]) if silent else read.astype(float)
    expected = matrix_by_autodiff(case, p, targets, read, counted)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5, atol=1e-12)
    assert not np.nan_to_num(matrix[np.triu_indices(T, 1)]).any()


def test_the_error_decays_as_the_weight_does():
    layer = keras.layers.SimpleRNN(1, activation="linear", use_bias=False, return_sequences=True)
    model = keras.Sequential([keras.Input((LONG, 1)), layer])
    model.set_weights([np.ones([1, 1]), np.full([1, 1], 0.5)])
    model.compile(loss=lambda target, y: tf.reduce_sum(y, -1))
    matrix = error_matrix(model, np.random.randn(B, LONG, 1), np.zeros([B, LONG, 1]))
    i, k = np.indices([LONG, LONG])
    np.testing.assert_allclose(matrix, np.where(k <= i, 0.5 ** (i - k), 0.0), rtol=1e-6)


def recurrent(case, units, **options):
    layer = getattr(keras.layers, case.name)
    return layer(units, **{"return_sequences": True, **options})


def stacked(case, x):
    x = recurrent(case, 4, name="low")(x)
    x = keras.layers.LayerNormalization()(keras.layers.Dense(5)(x))
    x = recurrent(case, H, name="high")(keras.layers.Dropout(0.5)(x))
    return keras.layers.TimeDistributed(keras.layers.Dense(2))(x)


def both_ways(case, x):
    x = keras.layers.Bidirectional(recurrent(case, 4, name="low"), name="first")(x)
    x = keras.layers.Bidirectional(recurrent(case, H, name="high"), name="second")(x)
    return keras.layers.Dense(2)(x)


def attention(case, x):
    x = recurrent(case, H, name="low")(x)
    return keras.layers.Dense(2)(keras.layers.Attention()([x, x]))


def past_a_shortcut(case, x):
    x = recurrent(case, 4, name="low")(x)
    high = recurrent(case, 4, name="high", go_backwards=True)(x)
    return keras.layers.Dense(2)(x + high)


def many_to_one(case, x):
    x = recurrent(case, 4, name="low")(x)
    x = recurrent(case, H, name="high", return_sequences=False)(x)
    return keras.layers.Dense(2)(x)


def encoder_decoder(case, x):
    y = recurrent(case, 4, name="low", return_sequences=False)(x)
    _, *state = recurrent(case, H, name="encoder", return_state=True)(x)
    decoder = recurrent(case, H, name="decoder")
    y = decoder(keras.layers.RepeatVector(3)(y), initial_state=state)
    return keras.layers.Dense(2)(y)


def one_pass_per_loss(model, x, y):
    """The rows from the errors that the layers record, one backward pass for each loss.

    {layer: [N, T]} for the mean square error of each output step.
    """
    watched, rows = watch(model), {}
    recurrent_layers = [part for _, part in walk(watched) if hasattr(part, "error")]
    steps = y.shape[1] if y.ndim == 3 else 1
    for i in range(steps):
        with tf.GradientTape() as tape:
            outputs = watched(x, training=False)
            e = tf.reduce_mean((outputs[:, i] - y[:, i] if y.ndim == 3 else outputs - y) ** 2)
        tape.gradient(e, watched.trainable_weights, unconnected_gradients="zero")
        for layer in recurrent_layers:
            rows.setdefault(layer.name, []).append(layer.error.hidden)
    return {name: np.stack(part) for name, part in rows.items()}


@pytest.mark.parametrize(
    ("architecture", "case"),
    [
        (stacked, LSTM),
        (both_ways, SIMPLE_RNN),
        (attention, GRU),
        (past_a_shortcut, SIMPLE_RNN),
        (many_to_one, LSTM),
        (encoder_decoder, GRU),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_errors_reach_every_layer_by_every_way(architecture, case):
    inputs = keras.Input((LONG, D))
    model = keras.Model(inputs, architecture(case, inputs))
    model.compile(loss="mse")
    x = np.random.randn(B, LONG, D).astype("float32")
    y = np.random.randn(B, *model.output_shape[1:]).astype("float32")
    expected = one_pass_per_loss(model, x, y)
    for name, rows in expected.items():
        matrix = error_matrix(model, x, y, name)
        assert matrix.shape == rows.shape
        np.testing.assert_allclose(matrix, rows, rtol=1e-4, atol=1e-7 * rows.max())


def test_the_analysis_records_nothing():
    model = keras.Sequential([keras.Input((T, D)), LSTM.make(return_sequences=True, name="layer")])
    model.compile(loss="mse")
    error_matrix(model, np.zeros([B, T, D]), np.ones([B, T, H]))
    assert model.get_layer("layer").error.count == 0


def compiled(outputs, loss="mse"):
    def make():
        x = keras.Input((T, D))
        model = keras.Model(x, outputs(x))
        if loss is not None:
            model.compile(loss=loss)
        return model

    return make


def twice(x):
    layer = keras.layers.GRU(D, return_sequences=True, name="shared")
    return layer(layer(x))


def gru(x):
    return keras.layers.GRU(H, return_sequences=True, name="gru")(x)


@pytest.mark.parametrize(
    ("make", "layer", "message"),
    [
        (compiled(gru, loss=None), None, "compile it first"),
        (compiled(gru), "lstm", "no recurrent layer 'lstm'; there are: gru"),
        (compiled(twice), "shared", "called 2 times"),
        (compiled(lambda x: [gru(x), x], ["mse", "mse"]), None, "several outputs"),
        (compiled(gru, lambda y, p: tf.reduce_mean(p)), None, "values of shape \\(\\)"),
    ],
)
def test_models_without_an_error_matrix_are_refused(make, layer, message):
    with pytest.raises(ValueError, match=message):
        model = make()
        error_matrix(
            model, np.zeros([B, T, D]), np.zeros([B, T, model.outputs[0].shape[-1]]), layer
        )
