"""The pictures of explanations: maps on images, coloured texts, tags by words."""

import io

import numpy as np
import pytest
from errorflow.callbacks.drawing import explanations
from PIL import Image

GREY = np.full([6, 4, 1], 51, np.uint8)


def colours(pixels) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}


def test_a_map_is_black_at_zero_and_brightest_at_its_largest_value():
    pixels = explanations.heat(np.array([[0, 1.0], [np.nan, 2.0]])).astype(int).sum(axis=-1)
    assert pixels[0, 0] == pixels[1, 0] < pixels[0, 1] < pixels[1, 1]
    half = explanations.heat(np.array([[0, 1.0]]), largest=2.0)
    np.testing.assert_array_equal(half[0, 1], explanations.heat(np.array([[1.0, 2.0]]))[0, 0])


def test_a_map_of_zeros_leaves_the_image_as_it_is():
    shown = explanations.overlaid(GREY, np.zeros([2, 2]))
    assert shown.shape == (240, 160, 3)  # six pixels are 40 times as large
    assert colours(shown) == {(51, 51, 51)}
    partly = explanations.overlaid(GREY, np.array([[0.0, 0], [0, 1]]))
    assert tuple(partly[0, 0]) == (51, 51, 51) != tuple(partly[-1, -1])


def test_symbols_have_the_colours_of_their_values():
    """Left of the colour scale; the third box has half of the largest value."""
    boxes = [
        colours(explanations.coloured_text("t", [("v", np.array(values))], "abc")[:, :400])
        for values in ([0.0, 3, 3], [0.0, 3, 1.5])
    ]
    half = tuple(np.round(np.array(explanations.TEXTS(0.5)[:3]) * 255).astype(int).tolist())
    assert {(255, 255, 229), (102, 37, 6)} <= boxes[0] & boxes[1]
    assert half in boxes[1] - boxes[0]


@pytest.mark.parametrize("symbols", ["a", ["x" * 500, "字", "\n", "\u202e", "$x^2$"], ["w"] * 3000])
def test_any_text_can_be_drawn(symbols):
    """Long words are cut, and of a very long text the first lines are drawn."""
    values = np.linspace(0, 1, len(symbols))
    drawn = explanations.coloured_text("title", [("value", values)], symbols)
    with Image.open(io.BytesIO(explanations.png(drawn))) as picture:
        assert picture.width == explanations.WIDTH + 40 and picture.height < 2200
    words = [*symbols]
    square = np.outer(values, values)
    table = explanations.tag_table("title", square, ["TAG"] * len(words), words, "note")
    assert table.shape[0] < 3000 and table.shape[1] < 3000
