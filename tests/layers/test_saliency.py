"""dy/dx against a plain tape on the model without its softmax, and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import GRU, LSTM, saliency
from errorflow.layers.analysis.saliency import Saliency, saliencies
from errorflow.layers.text.each_step import EachStep

RANDOM = np.random.default_rng(0)


def images_model(activation="softmax", dtype="float32"):
    keras.utils.set_random_seed(0)
    inside = keras.Sequential(
        [
            keras.Input((6, 5, 3), dtype=dtype),
            keras.layers.Conv2D(4, 3, activation="tanh", dtype=dtype),
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.Flatten(dtype=dtype),
        ],
        name="inside",
    )
    pixels = keras.Input((6, 5, 3), dtype=dtype, name="pixels")
    dense = keras.layers.Dense(3, activation, dtype=dtype)
    return keras.Model(pixels, dense(inside(pixels)))


def plain_gradient(model, x, classes):
    """dz_c/dx by a tape, one example at a time; the model has no softmax."""
    rows = []
    for row, chosen in zip(x, classes, strict=True):
        example = tf.convert_to_tensor(row[None])
        with tf.GradientTape() as tape:
            tape.watch(example)
            score = model(example, training=False)[0, chosen]
        rows.append(tape.gradient(score, example)[0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize("last", ["softmax", "sigmoid", "layer"])
def test_the_gradient_is_that_of_the_score_before_the_softmax(last):
    """Of a softmax or sigmoid in a dense layer, or as a layer of its own, in nested models."""
    bare = images_model(None)
    model = images_model(None if last == "layer" else last)
    if last == "layer":
        model = keras.Model(model.input, keras.layers.Softmax()(model.output))
    model.set_weights(bare.get_weights())
    x = RANDOM.normal(size=(4, 6, 5, 3)).astype("float32")
    result = saliency(model, x)
    scores = bare(x, training=False).numpy()
    np.testing.assert_array_equal(result.classes, scores.argmax(axis=1))
    np.testing.assert_allclose(result.scores, scores.max(axis=1), rtol=1e-5)
    expected = plain_gradient(bare, x, result.classes)
    np.testing.assert_allclose(result.gradient, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(result.values, np.abs(result.gradient).max(axis=-1))
    for target in (2, [2, 0, 1, 2]):
        chosen = np.broadcast_to(target, [4])
        gradient = saliency(model, x, target).gradient
        np.testing.assert_allclose(gradient, plain_gradient(bare, x, chosen), rtol=1e-4, atol=1e-6)


def test_the_gradient_is_the_limit_of_differences_in_float64():
    model = images_model(dtype="float64")
    x, step = RANDOM.normal(size=(1, 6, 5, 3)), 1e-6
    log_odds = keras.Model(model.input, model.output)

    def score(pixels):  # log p_1 − log p_0 = z_1 − z_0
        p = log_odds(pixels, training=False).numpy()[0]
        return np.log(p[1] / p[0])

    result = saliency(model, x, lambda z: z[:, 1] - z[:, 0])
    assert result.gradient.dtype == np.float64 and result.classes is None
    for place in [(0, 0, 0, 0), (0, 3, 2, 1), (0, 5, 4, 2)]:
        change = np.zeros_like(x)
        change[place] = step
        difference = (score(x + change) - score(x - change)) / (2 * step)
        np.testing.assert_allclose(result.gradient[place], difference, rtol=1e-6)


def text_model(recurrent, twice=False):
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding = keras.layers.Embedding(9, 4, mask_zero=True, name="embedding")
    x = recurrent(5)(embedding(ids))
    if twice:
        x = keras.layers.Concatenate()([x, recurrent(3)(embedding(ids))])
    return keras.Model(ids, keras.layers.Dense(3, "softmax")(x))


@pytest.mark.parametrize("recurrent", [LSTM, GRU, keras.layers.LSTM])
def test_symbols_have_the_norm_of_the_gradient_at_their_vectors(recurrent):
    """The reference reads the vectors as its input; the padding has no gradient."""
    model = text_model(recurrent)
    ids = np.array([[3, 1, 2, 5], [4, 8, 0, 0]])
    _, embedding, layer, dense = [part for part in model.layers if part.weights or part.name]
    result = saliency(model, ids, [0, 2])
    vectors = tf.convert_to_tensor(embedding.embeddings.numpy()[ids])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        h = layer(vectors, mask=tf.constant(ids != 0), training=False)
        z = h @ dense.kernel + dense.bias
        score = z[0, 0] + z[1, 2]
    expected = tape.gradient(score, vectors).numpy()
    np.testing.assert_allclose(result.gradient, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(result.values, np.linalg.norm(expected, axis=-1), rtol=1e-4)
    assert (result.values[1, 2:] == 0).all() and (result.values[0] > 0).all()
    assert result.layer == "embedding" and result.axes == ("step",)


def test_a_series_has_a_value_for_each_step_and_feature():
    model = keras.Sequential([keras.Input((7, 2)), LSTM(3), keras.layers.Dense(1)])
    x = RANDOM.normal(size=(3, 7, 2)).astype("float32")
    result = saliency(model, x)
    np.testing.assert_allclose(
        result.values, np.abs(plain_gradient(model, x, [0, 0, 0])), rtol=1e-4, atol=1e-7
    )
    assert result.layer == "x"  # the input has no name
    assert [*result.to_frame().columns] == ["example", "step", "feature", "gradient"]


def test_every_input_has_its_own_gradient():
    """Words and the characters of each, and numbers beside them."""
    words = keras.Input((None,), dtype="int32", name="words")
    signs = keras.Input((None, None), dtype="int32", name="signs")
    extra = keras.Input((2,), name="extra")
    of_words = keras.layers.Embedding(5, 3, name="of_words")(words)
    of_signs = keras.layers.Embedding(6, 2, name="of_signs")(signs)
    spelled = EachStep(LSTM(2), name="each")(of_signs)
    x = LSTM(3)(keras.layers.Concatenate()([of_words, spelled]))
    y = keras.layers.Dense(2)(keras.layers.Concatenate()([x, extra]))
    model = keras.Model({"words": words, "signs": signs, "extra": extra}, y)
    inputs = {
        "words": np.array([[1, 2, 3]]),
        "signs": np.array([[[1, 2], [3, 0], [4, 5]]]),
        "extra": np.array([[1.0, 2.0]]),
    }
    found = saliencies(model, inputs, 1)
    shapes = {name: one.values.shape for name, one in found.items()}
    assert shapes == {"extra": (1, 2), "of_words": (1, 3), "of_signs": (1, 3, 2)}
    kernel = model.layers[-1].kernel.numpy()
    np.testing.assert_allclose(found["extra"].gradient[0], kernel[3:, 1], rtol=1e-6)
    one = saliency(model, inputs, 1, input="of_signs")
    np.testing.assert_array_equal(one.values, found["of_signs"].values)
    with pytest.raises(ValueError, match="choose one `input` of this model: extra, of_"):
        saliency(model, inputs)
    with pytest.raises(ValueError, match="no input 'x'; there are: extra, of_"):
        saliency(model, inputs, input="x")


def test_integers_are_pixels_and_half_precision_gives_float32():
    keras.config.set_dtype_policy("mixed_float16")
    convolution, flat = keras.layers.Conv2D(2, 3), keras.layers.Flatten()
    last = keras.layers.Dense(2, "softmax", dtype="float32")
    model = keras.Sequential([keras.Input((4, 4, 1)), convolution, flat, last])
    result = saliency(model, RANDOM.integers(0, 255, (2, 4, 4, 1), np.uint8))
    assert result.values.shape == (2, 4, 4) and result.values.dtype == np.float32
    assert np.isfinite(result.values).all() and result.values.any()


def test_layers_are_left_as_they_were_also_after_an_error():
    model = text_model(LSTM)
    embedding = model.get_layer("embedding")
    own = embedding.call
    embedding.call = lambda ids: 2 * own(ids)  # somebody's own
    replaced = embedding.call
    with pytest.raises(ValueError, match="must be from 0 to 2"):
        saliency(model, np.array([[1, 2]]), 9)
    assert embedding.call is replaced
    doubled = saliency(model, np.array([[1, 2]]), 0)
    np.testing.assert_allclose(doubled.x, 2 * own(np.array([[1, 2]])))
    del embedding.call
    saliency(model, np.array([[1, 2]]), 0)
    assert "call" not in vars(embedding)


def test_the_states_of_stateful_layers_stay_as_they_were():
    model = keras.Sequential(
        [keras.Input(batch_shape=(1, 3, 2)), LSTM(4, stateful=True), keras.layers.Dense(2)]
    )
    x = np.ones([1, 3, 2], "float32")
    first, second = saliency(model, x), saliency(model, x)
    np.testing.assert_array_equal(first.gradient, second.gradient)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (3, ValueError, "saliency: `target` must be from 0 to 2, not 3"),
        (-1, ValueError, "`target` must be from 0 to 2, not -1"),
        (0.5, TypeError, "`target` must be an index, not 0.5"),
        ("cat", TypeError, "`target` must be an index, not 'cat'"),
        ([0, 1], ValueError, r"one index or one for each of 4 examples, not \[2\]"),
        (lambda z: z, ValueError, r"one score for each of 4 examples, not shape \[4, 3\]"),
    ],
)
def test_wrong_targets_are_refused(target, error, message):
    with pytest.raises(error, match=message):
        saliency(images_model(), np.zeros([4, 6, 5, 3]), target)


def test_outputs_without_classes_need_a_function():
    model = keras.Sequential([keras.Input((5, 2)), LSTM(3, return_sequences=True)])
    x = RANDOM.normal(size=(2, 5, 2)).astype("float32")
    with pytest.raises(ValueError, match=r"outputs of shape \[2, 5, 3\] are not one score"):
        saliency(model, x)
    values = saliency(model, x, lambda h: h[:, 1, 0]).values
    assert values[:, :2].all() and not values[:, 2:].any()  # the future does not matter


def test_an_embedding_that_is_called_twice_and_a_model_without_inputs_are_refused():
    with pytest.raises(ValueError, match="choose one `input` of this model: embedding"):
        saliency(text_model(LSTM, twice=True), np.array([[1, 2]]))
    with pytest.raises(ValueError, match="'embedding' is called 2 times, not once"):
        saliency(text_model(LSTM, twice=True), np.array([[1, 2]]), input="embedding")
    ids = keras.Input((3,), dtype="int32")
    hot = keras.ops.one_hot(ids, 4)
    model = keras.Model(ids, keras.layers.Dense(2)(keras.layers.Flatten()(hot)))
    with pytest.raises(ValueError, match="no input of numbers, and no Embedding was called"):
        saliency(model, np.array([[1, 2, 3]]))


def result(values, axes=("step",), classes=(1,)):
    values = np.float32(values)
    count = len(values)
    chosen = np.resize(classes, count)
    return Saliency(values, axes, values, np.zeros(count), chosen, values, "ids")


SENTENCES = {
    "ids: |dy/dx| of class 1 is largest at step 2 (3); half of its sum is at 1 of 4 positions": (
        result([[1, 3, 0, 1]])
    ),
    "ids: |dy/dx| of class 1 is largest at row 2, column 1 (4); half of its sum is at 1 of 4 "
    "positions": result([[[1, 0], [4, 0]]], ("row", "column")),
    "ids: half of the sum of |dy/dx| is at 0.38 of the positions, on average over 2 examples; in 1 "
    "it is 0 everywhere": result([[1, 1, 1, 1], [5, 0, 0, 0], [0, 0, 0, 0]]),
    "ids: dy/dx is 0 at every position: the score does not depend on this input": result([[0, 0]]),
    "ids: dy/dx is not a finite number at every position": result([[np.nan, 1]]),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sentence_is_true_of_the_numbers_and_a_picture_can_be_drawn(sentence):
    shown = SENTENCES[sentence]
    assert shown.sentence == sentence
    if "row" not in shown.axes:
        assert shown._repr_html_().count("<img") == 1


def test_images_have_a_picture_and_a_table():
    shown = saliency(images_model(), RANDOM.normal(size=(2, 6, 5, 3)))
    assert shown._repr_html_().count("<img") == 1
    frame = shown.to_frame()
    assert [*frame.columns] == ["example", "row", "column", "gradient"] and len(frame) == 60
    last = frame.iloc[-1]
    assert (last.example, last.row, last.column) == (2, 6, 5)
    assert last.gradient == shown.values[1, 5, 4]
