"""Text inside a model: standardization, characters, symbols and sequences of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers.text.characters import Characters
from errorflow.layers.text.sequences import Detokenizer, Reverse, WordDropout
from errorflow.layers.text.standardization import lower, separate_words, strip_and_lower


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
    result = separate_words(tf.constant([text]))[0].numpy().decode()
    assert result.split() == words.split()
    in_graph = [word.decode() for word in tf.strings.split([result])[0].numpy()]
    assert in_graph == words.split()  # which does not split at a no-break space


def test_lower_case_is_that_of_every_alphabet_and_keeps_signs():
    texts = ["ÅNGSTRÖM's", "ЖУК", "ΣΑΣ", "ẞ"]
    result = [text.decode() for text in lower(tf.constant(texts)).numpy()]
    assert result == [text.lower() for text in texts]


def test_what_is_no_character_is_replaced_and_ends_no_text():
    texts = tf.constant([b"A\0B C", b"\xffA\xc3", b"\0"])
    assert lower(texts).numpy().tolist() == [
        t.encode() for t in ("a\ufffdb c", "\ufffda\ufffd", "\ufffd")
    ]
    assert separate_words(texts)[0].numpy().split() == [b"a", b"b", b"c"]


def test_margins_are_stripped_of_whitespace_and_control_characters():
    texts = ["\u00a0\t Å B\u3000\n", "\0\x1b", "\u0301"]
    result = [text.decode() for text in strip_and_lower(tf.constant(texts)).numpy()]
    assert result == ["å b", "", "\u0301"]


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


def test_word_dropout_replaces_its_share_of_words_and_nothing_else():
    drop = WordDropout(0.3, seed=1)
    ids = np.tile(np.arange(10, dtype="int32"), (500, 1))
    result = drop(ids, training=True).numpy()
    changed = result != ids
    assert set(result[changed]) == {1}
    assert not changed[:, :2].any()  # padding stays padding
    assert changed[:, 2:].mean() == pytest.approx(0.3, abs=0.03)  # 4 deviations of 4000 words
    assert (drop(ids, training=True).numpy() != result).any()
    np.testing.assert_array_equal(drop(ids), ids)
    np.testing.assert_array_equal(WordDropout(0.0)(ids, training=True), ids)
    same = WordDropout.from_config(drop.get_config())
    np.testing.assert_array_equal(same(ids, training=True), result)


def test_reverse_leaves_the_padding_at_the_end():
    x = tf.constant([[[1], [2], [3]], [[4], [5], [9]]])
    valid = tf.constant([[True, True, True], [True, True, False]])
    result = Reverse()(x, valid)
    assert result[:, :, 0].numpy().tolist() == [[3, 2, 1], [5, 4, 9]]


def test_a_detokenizer_joins_known_symbols():
    ids = tf.constant([[[4, 5, 0], [0, 0, 0]], [[5, 3, 4], [1, 4, 4]]])
    result = Detokenizer(["HH", "Ö"], "-", first=4)(ids)
    texts = [[text.decode() for text in row] for row in result.numpy()]
    assert texts == [["HH-Ö", ""], ["Ö-HH", "HH-HH"]]
