"""A layer applied to each time step separately."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import objective
from errorflow.layers import LSTM
from errorflow.layers.text.each_step import EachStep

B, T, C, D, H = 2, 3, 4, 5, 2
# Characters of each word; the last word of the first example is padding: wholly masked.
LENGTHS = np.array([[4, 2, 0], [1, 3, 4]])
MASK = np.arange(C) < LENGTHS[..., None]  # [B, T, C]


@pytest.fixture(scope="module")
def words():
    """x [B, T, C, D]"""
    return np.random.default_rng(0).normal(size=(B, T, C, D)).astype("float32")


@pytest.fixture(scope="module")
def each(words):
    """A Bidirectional LSTM at each step, without a bias that is zero."""
    keras.utils.set_random_seed(1)
    each = EachStep(keras.layers.Bidirectional(LSTM(H), name="both"), name="each")
    each.build(words.shape)
    random = np.random.default_rng(1)
    each.set_weights([random.normal(size=w.shape, scale=0.7) for w in each.get_weights()])
    return each


def gradients(call, layer, x):
    """Outputs, and dE/dx and dE/dW."""
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(x))
        y = call(x)
        e = objective(y)
    results = tape.gradient(e, [x, *[w.value for w in layer.trainable_weights]])
    return [y, *results]


@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_each_step_is_the_layer_at_each_step_with_its_gradients(words, each, mask):
    mask = None if mask is None else tf.constant(mask)

    def one_by_one(x):
        masks = [None] * T if mask is None else tf.unstack(mask, axis=1)
        steps = zip(tf.unstack(x, axis=1), masks, strict=True)
        return tf.stack([each.layer(step, mask=m) for step, m in steps], axis=1)

    result = gradients(lambda x: each(x, mask=mask), each, words)
    expected = gradients(one_by_one, each, words)
    assert len(result) == 2 + 6
    assert result[0].shape == (B, T, 2 * H)
    for ours, theirs in zip(result, expected, strict=True):
        assert np.any(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    if mask is not None:
        np.testing.assert_array_equal(result[0][0, 2], np.zeros(2 * H))
        np.testing.assert_array_equal(result[1][0, 2], np.zeros([C, D]))
        assert each.compute_mask(words, mask).numpy().tolist() == [[1, 1, 0], [1, 1, 1]]


def test_the_errors_of_the_layer_inside_are_recorded(words, each):
    """Words count as examples: of B·T words, a character step has those that are long enough."""
    inner = each.layer.forward_layer
    before = inner.error.count
    mask = tf.constant(MASK)
    with tf.GradientTape() as tape:
        e = tf.reduce_mean(tf.reduce_sum(each(words, mask=mask) ** 2, axis=2))
    tape.gradient(e, each.trainable_weights[0].value)
    assert inner.error.count == before + 1
    (row,) = inner.error.latest()
    assert row["valid"].tolist() == [(n <= LENGTHS).sum() for n in range(1, C + 1)]
    assert (row["hidden"] > 0).all()
    # δ of a word's last step is d(B·T·E)/dh = 2h.
    h = each(words, mask=mask).numpy()[..., :H].reshape(-1, H)[LENGTHS.ravel() > 0]
    rms = np.sqrt((4 * h**2).sum(axis=1).mean())
    assert row["hidden_from_end"][-1] == pytest.approx(rms, rel=1e-4)


@pytest.mark.parametrize(
    "make", [lambda: keras.layers.Bidirectional(LSTM(H)), lambda: keras.layers.Dense(H)]
)
def test_each_step_saves_and_loads(words, tmp_path, make):
    inputs = keras.Input([None, None, D])
    model = keras.Model(inputs, EachStep(make())(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.layers[1].layer, type(model.layers[1].layer))
    np.testing.assert_array_equal(again(words), model(words))


def test_each_step_passes_training_on_and_a_mask_to_layers_that_have_one(words):
    mask = tf.constant(MASK)
    dense = EachStep(keras.layers.Dense(H))
    np.testing.assert_allclose(dense(words, mask=mask), dense.layer(words), rtol=1e-5)
    dropout = EachStep(keras.layers.Dropout(0.5))
    np.testing.assert_array_equal(dropout(words, mask=mask), words)
    assert 0.3 < np.mean(dropout(words, mask=mask, training=True) == 0) < 0.7
