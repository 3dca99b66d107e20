"""Attention weights as images and as text."""

import copy

import event_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import Alignment, AttentionMaps
from errorflow.callbacks.drawing.attention_maps import (
    CELL,
    LEGEND,
    attention_maps,
    attention_text,
    sharpness,
)

VIOLET, YELLOW = [68, 1, 84], [253, 231, 36]  # of the weights 0 and 1
FILLED = CELL - 1  # pixels between the white lines


def one_hot(attended, inputs, outputs="xyzxyz"):
    weights = np.eye(len(inputs), dtype="float32")[attended]
    return Alignment(inputs, outputs[: len(attended)], weights)


def where(image, colour):
    """The rows and the columns of all pixels of a colour, without the legend."""
    return np.nonzero((image[LEGEND:] == colour).all(axis=-1))


def test_each_epoch_writes_an_image_and_the_sharpness(tmp_path):
    """Also for copies and repeated training; nothing is written for an empty snapshot."""
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    calls = []

    def alignments():
        calls.append(1)
        weights = np.array([[0.5, 0.5, 0.0], [0.125, 0.0, 0.875]])
        result = [Alignment("abc", "xy", weights), one_hot([1, 1], "ab")]
        return result if len(calls) != 3 else []

    maps = AttentionMaps(alignments, tmp_path)
    for first, last in ((0, 3), (0, 1), (6, 7)):
        maps = copy.deepcopy(maps)
        model.fit(
            *np.ones([2, 2, 1]), initial_epoch=first, epochs=last, verbose=0, callbacks=[maps]
        )
    values, metadata = event_files.read(tmp_path / "validation")
    assert [step for step, at in values.items() if at] == [0, 1, 3, 4, 6, 7]
    drawn = attention_maps(alignments())
    for at in filter(None, values.values()):
        assert at["attention/sharpness"] == (0.5 + 0.875 + 1 + 1) / 4
        np.testing.assert_array_equal(tf.io.decode_png(at["attention"][2]), drawn)
    assert metadata["attention"].plugin_data.plugin_name == "images"


def test_without_alignments_no_file_is_written_and_the_image_is_empty(tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(*np.ones([2, 2, 1]), verbose=0, callbacks=[AttentionMaps(list, tmp_path)])
    assert not [*tmp_path.iterdir()]
    assert len(attention_maps([])) == LEGEND


@pytest.mark.parametrize("inputs", ["abcd", ["long", "words", "", "é"]])
def test_outputs_are_rows_and_inputs_columns(inputs):
    image = attention_maps([one_hot([1, 1, 3], inputs)])
    rows, columns = where(image, VIOLET)
    top, left = rows.min(), columns.min()
    expected = np.zeros([3 * CELL, 4 * CELL], bool)
    for row, column in enumerate([1, 1, 3]):
        y, x = row * CELL, column * CELL
        expected[y : y + FILLED, x : x + FILLED] = True
    actual = np.zeros_like(expected)
    rows, columns = where(image, YELLOW)
    actual[rows - top, columns - left] = True
    np.testing.assert_array_equal(actual, expected)


def test_twelve_maps_form_a_grid_with_cells_of_one_size():
    shapes = [(1 + i % 3, 1 + i % 5) for i in range(13)]
    shown = [one_hot([0] * outputs, "abcde"[:inputs]) for outputs, inputs in shapes]
    image = attention_maps(shown)
    rows, columns = where(image, YELLOW)  # the first column of each map
    assert len(rows) == sum(outputs for outputs, _ in shapes[:12]) * FILLED**2
    assert len(where(image, VIOLET)[0]) == sum(t * (s - 1) for t, s in shapes[:12]) * FILLED**2
    (begin,) = np.nonzero(np.diff(np.unique(columns), prepend=-2) > 1)
    np.testing.assert_array_equal(begin, np.arange(4) * FILLED)


@pytest.mark.parametrize("name", ["W", "WW", "gjgjgj", "Ж" * 50])
def test_no_name_reaches_into_the_next_column_or_the_map(name):
    image = attention_maps([one_hot([1], [name, "", name, ""], outputs=["M" * 50])])
    rows, columns = where(image, VIOLET)
    top, left = LEGEND + rows.min(), columns.min()
    head, beside = image[LEGEND:top] < 255, image[top:, :left] < 255
    inked = np.nonzero(head.any(axis=(0, 2)))[0] - left
    assert {*(inked // CELL)} == {0, 2}
    assert not head[-1].any()
    assert not beside[:, [0, -1]].any()
    assert beside.any()
    assert len(rows) == 3 * FILLED**2


def test_long_names_are_cut():
    cut = [attention_maps([one_hot([0], ["a" * n], outputs=["b" * n])]) for n in (13, 500)]
    np.testing.assert_array_equal(*cut)
    assert cut[0].shape != attention_maps([one_hot([0], ["a" * 8], outputs=["b" * 8])]).shape


def test_long_sequences_have_small_cells_with_names_along_the_whole_axis():
    steps = 300
    image = attention_maps([one_hot(range(steps), ["word"] * steps, outputs=["mot"] * steps)] * 3)
    rows, columns = where(image, YELLOW)
    assert len(rows) == 3 * steps * 2**2
    assert max(image.shape) < 1700
    names = np.nonzero((image[LEGEND : LEGEND + rows.min()] < 255).any(axis=(0, 2)))[0]
    assert columns.max() - 18 < names.max() <= columns.max()


def test_text_is_aligned_in_a_terminal():
    """Shades are centred below wide characters, too; a line feed does not break the line."""
    weights = np.array([[1, 0, 0, 0], [0, 0.65, 0.35, 0], [0.2, 0, 0, 0.8], [np.nan] * 4])
    alignment = Alignment(["le", "chat", "", "\n"], ["the", "猫", "x", "y"], weights)
    assert attention_text(alignment).split("\n") == [
        "    le chat   \\n",
        "the █",
        "猫      ▒   ░",
        "x   ·         ▓",
        "y",
    ]
    assert attention_text(Alignment("ab", "", np.zeros([0, 2]))) == " a b"


def test_weights_of_the_wrong_shape_raise_an_error():
    wrong = Alignment("abc", "x", np.ones([2, 3]) / 3)
    for show in (attention_text, lambda alignment: attention_maps([alignment])):
        with pytest.raises(ValueError, match=r"1 outputs and 3 inputs need weights \[1, 3\]"):
            show(wrong)


def test_an_empty_output_or_input_has_no_cells():
    empty = [Alignment("abc", "", np.zeros([0, 3])), Alignment("", "x", np.zeros([1, 0]))]
    image = attention_maps([*empty, one_hot([0], "a")])
    assert len(where(image, YELLOW)[0]) == FILLED**2
    assert not len(where(image, VIOLET)[0])
    assert sharpness([*empty, one_hot([0], "a")]) == 1
