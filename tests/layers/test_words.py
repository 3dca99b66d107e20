"""Texts as words and characters inside a model, and a layer at each step by itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import objective
from errorflow.layers import LSTM
from errorflow.layers.text.characters import Characters
from errorflow.layers.text.each_step import EachStep
from errorflow.layers.text.sequences import Detokenizer, Reverse, WordDropout
from errorflow.layers.text.standardization import lower, separate_words

B, T, C, D, H = 2, 3, 4, 5, 2
# Characters of each word; the last word of the first example is padding: wholly masked.
LENGTHS = np.array([[4, 2, 0], [1, 3, 4]])
MASK = np.arange(C) < LENGTHS[..., None]  # [B, T, C]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 5.", "it ' s 5 ."),
        ("can’t—won't!?", "can ’ t — won ' t ! ?"),
        ("1,000.50 $x_y", "1 , 000 . 50 $ x _ y"),
        ("ÄRGER, Straße", "ärger , straße"),
        ("ΟΔΟΣ ΑΒ;", "οδος αβ ;"),  # the last Σ of a word has a form of its own
        ("ZOE\u0308 हिन्दी", "zoe\u0308 हिन्दी"),  # a mark is part of its letter
        ("20\u00a0000\u3000a\u2028b\vc\td", "20 000 a b c d"),
        ("  ", ""),
    ],
)
def test_signs_are_words_and_all_is_lower_case(text, words):
    given = separate_words(tf.constant([text]))[0].numpy().decode()
    assert given.split() == words.split()
    in_graph = [word.decode() for word in tf.strings.split([given])[0].numpy()]
    assert in_graph == words.split()  # to which the no-break space would be no blank


def test_lower_case_is_that_of_every_alphabet_and_keeps_signs():
    texts = ["ÅNGSTRÖM's", "ЖУК", "ΣΑΣ", "ẞ"]
    given = [text.decode() for text in lower(tf.constant(texts)).numpy()]
    assert given == [text.lower() for text in texts]


def test_characters_have_ids_and_words_are_cut():
    read = Characters(["a", "b", "ö"], longest=3)
    ids = read(tf.constant(["ab öaab  x", "B"]))
    assert ids.numpy().tolist() == [
        [[2, 3, 0], [4, 2, 2], [1, 0, 0]],
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
    ]
    assert read(tf.constant(["a b", "b"])).shape == (2, 2, 1)  # no wider than the longest word


def test_characters_inside_a_saved_model_give_the_same_ids(tmp_path):
    texts = keras.Input([], dtype="string")
    model = keras.Model(texts, Characters(["ß", "a"], longest=2, name="read")(texts))
    assert model.output_shape == (None, None, None)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_layer("read").get_config() == model.get_layer("read").get_config()
    assert again(tf.constant(["ßa? aß"])).numpy().tolist() == [[[2, 3], [3, 2]]]
    of_config = Characters.from_config(model.get_layer("read").get_config())
    assert (of_config.vocabulary, of_config.longest) == (["ß", "a"], 2)


def test_word_dropout_takes_its_share_of_words_and_nothing_else():
    drop = WordDropout(0.3, seed=1)
    ids = np.tile(np.arange(10, dtype="int32"), (500, 1))
    given = drop(ids, training=True).numpy()
    changed = given != ids
    assert set(given[changed]) == {1}
    assert not changed[:, :2].any()  # padding stays padding
    assert changed[:, 2:].mean() == pytest.approx(0.3, abs=0.03)  # 4 deviations of 4000 words
    assert (drop(ids, training=True).numpy() != given).any()
    np.testing.assert_array_equal(drop(ids), ids)
    np.testing.assert_array_equal(WordDropout(0.0)(ids, training=True), ids)
    same = WordDropout.from_config(drop.get_config())
    np.testing.assert_array_equal(same(ids, training=True), given)


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
    found = tape.gradient(e, [x, *[w.value for w in layer.trainable_weights]])
    return [y, *found]


@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_each_step_is_the_layer_at_each_step_with_its_gradients(words, each, mask):
    mask = None if mask is None else tf.constant(mask)

    def one_by_one(x):
        masks = [None] * T if mask is None else tf.unstack(mask, axis=1)
        steps = zip(tf.unstack(x, axis=1), masks, strict=True)
        return tf.stack([each.layer(step, mask=m) for step, m in steps], axis=1)

    given = gradients(lambda x: each(x, mask=mask), each, words)
    expected = gradients(one_by_one, each, words)
    assert len(given) == 2 + 6
    assert given[0].shape == (B, T, 2 * H)
    for ours, theirs in zip(given, expected, strict=True):
        assert np.any(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    if mask is not None:
        np.testing.assert_array_equal(given[0][0, 2], np.zeros(2 * H))
        np.testing.assert_array_equal(given[1][0, 2], np.zeros([C, D]))
        assert each.compute_mask(words, mask).numpy().tolist() == [[1, 1, 0], [1, 1, 1]]


def test_the_errors_of_the_layer_inside_are_recorded(words, each):
    """Steps count as examples: B·T words, of which each character step has those long enough."""
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


def test_each_step_takes_layers_that_know_no_mask_and_tells_them_of_training(words):
    mask = tf.constant(MASK)
    dense = EachStep(keras.layers.Dense(H))
    np.testing.assert_allclose(dense(words, mask=mask), dense.layer(words), rtol=1e-5)
    dropout = EachStep(keras.layers.Dropout(0.5))
    np.testing.assert_array_equal(dropout(words, mask=mask), words)
    assert 0.3 < np.mean(dropout(words, mask=mask, training=True) == 0) < 0.7


def test_reverse_leaves_padding_behind():
    x = tf.constant([[[1], [2], [3]], [[4], [5], [9]]])
    valid = tf.constant([[True, True, True], [True, True, False]])
    given = Reverse()(x, valid)
    assert given[:, :, 0].numpy().tolist() == [[3, 2, 1], [5, 4, 9]]


def test_spelling_puts_known_symbols_together():
    ids = tf.constant([[[4, 5, 0], [0, 0, 0]], [[5, 3, 4], [1, 4, 4]]])
    given = Detokenizer(["HH", "Ö"], "-", first=4)(ids)
    assert [[t.decode() for t in row] for row in given.numpy()] == [["HH-Ö", ""], ["Ö-HH", "HH-HH"]]
