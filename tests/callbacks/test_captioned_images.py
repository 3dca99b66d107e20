"""Images with predicted and reference captions below them."""

import copy

import event_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow import callbacks
from errorflow.callbacks import CaptionedImage, CaptionedImages
from errorflow.callbacks.drawing.captioned_images import (
    EXAMPLE_GAP,
    IMAGE_GAP,
    MARGIN,
    MAX_LINES,
    MAX_SIDE,
    caption_sheet,
    wrapped,
)
from errorflow.callbacks.drawing.fonts import FAINT, INK, unicode_font

FRAME = 1
CORNER = MARGIN + FRAME  # the first pixel of the first picture
HARD = [
    "W" * 500,
    "gj" * 90 + " and words between " + "fj" * 90,
    "\x00\x1b[2J\t\ud800 \u2028 \u202e",
    "漢字かな交じり文" * 20,
    "قطة تجلس على السجادة وتنظر من النافذة" * 3,
]


def noise(height, width, channels=1, seed=0):
    shape = [height, width, channels]
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def black(side=80):
    return np.zeros([side, side, 1], np.uint8)


def below(image):
    """The part of an image below the pictures, which are all 240 pixels high."""
    return image[CORNER + 240 + FRAME :]


def columns(image):
    """The columns that contain text."""
    return np.nonzero((image < 200).any(axis=(0, 2)))[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_image_is_enlarged_by_a_whole_number(channels):
    picture = noise(80, 60, channels)
    image = caption_sheet([CaptionedImage([picture], ["a seven"])])
    expected = picture.repeat(3, axis=0).repeat(3, axis=1)
    inside = image[CORNER:, CORNER:][:240, :180]
    np.testing.assert_array_equal(inside, np.broadcast_to(expected, inside.shape))
    assert image.shape[1] == 180 + 2 * CORNER


def test_a_photo_is_reduced_to_the_mean_of_its_pixels():
    chessboard = np.uint8(255 * (np.indices([600, 400]).sum(axis=0) % 2))[..., None]
    image = caption_sheet([CaptionedImage([chessboard], [""])])
    assert image.shape == (MAX_SIDE + 2 * CORNER, 213 + 2 * CORNER, 3)
    inside = image[CORNER:-CORNER, CORNER:-CORNER]
    np.testing.assert_allclose(inside, 127.5, atol=20)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5000), (5000, 2)])
def test_images_of_any_size_can_be_drawn(shape):
    image = caption_sheet([CaptionedImage([noise(*shape)], [""])])
    longer = max(image.shape) - 2 * CORNER
    assert longer == (240 if shape == (1, 1) else MAX_SIDE)


@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("width", [80, 20])
def test_no_letter_reaches_into_the_margins(text, width):
    picture = np.zeros([80, width, 1], np.uint8)
    image = caption_sheet(
        [CaptionedImage([picture] * 2, [text, ""], [text]), CaptionedImage([picture], [text])]
    )
    edges = image.copy()
    edges[MARGIN:-MARGIN, MARGIN:-MARGIN] = 255
    assert (edges == 255).all()
    assert (image[-MARGIN - 20 : -MARGIN] < 200).any()


@pytest.mark.parametrize("text", HARD)
def test_wrapped_lines_fit_and_lose_no_character(text):
    font, width = unicode_font(14), 300
    lines = [*wrapped(text, width, font)]
    assert max(map(font.getlength, lines)) <= width
    shown = "".join(text.split()).encode("ascii", "backslashreplace").decode()
    shown = shown.replace("\x00", r"\x00").replace("\x1b", r"\x1b")
    joined = "".join(lines).replace(" ", "").encode("ascii", "backslashreplace").decode()
    assert joined == shown


def test_lines_are_broken_between_words():
    font = unicode_font(14)
    width = int(font.getlength("one two three")) + 1
    lines = [*wrapped("one two  three four\n\nfive", width, font)]
    assert lines == ["one two three", "four", "five"]


def test_a_long_caption_ends_with_an_ellipsis():
    images = [
        below(caption_sheet([CaptionedImage([black()], ["word " * n])]))
        for n in (MAX_LINES, 2000, 4000)
    ]
    assert len(images[0]) < len(images[1]) < 21 * MAX_LINES + 2 * MARGIN
    np.testing.assert_array_equal(*images[1:])
    assert columns(images[1][-MARGIN - 20 :]).max() < MARGIN + 20


def test_images_in_a_row_are_aligned_at_the_bottom():
    image = caption_sheet([CaptionedImage([black(), black()[:40]], ["a", "b"])])
    lowest = [np.nonzero((image[:, x] == 0).all(axis=1))[0].max() for x in (CORNER, -CORNER - 1)]
    assert lowest == [CORNER + 239] * 2


def test_an_empty_caption_takes_no_space():
    assert len(caption_sheet([CaptionedImage([black()], [" \n"], [""])])) == 2 * CORNER + 240


def test_the_caption_of_each_image_is_below_that_image():
    image = caption_sheet([CaptionedImage(np.stack([black()] * 3), ["first", "", "the third"])])
    step = 240 + 2 * FRAME + IMAGE_GAP
    assert image.shape[1] == 2 * MARGIN + 3 * step - IMAGE_GAP
    assert {*((columns(below(image)) - MARGIN) // step)} == {0, 2}


def test_a_common_caption_is_as_wide_as_all_images():
    words = "five words of a sentence " * 2
    alone, several = (caption_sheet([CaptionedImage([black()] * n, [words])]) for n in (1, 3))
    assert columns(below(several)).max() > CORNER + 240 + IMAGE_GAP
    assert len(below(several)) < len(below(alone))


def test_the_reference_is_fainter_and_below_the_prediction():
    darkest = below(caption_sheet([CaptionedImage([black()], ["MMM"], ["MMM"])])).min(axis=(1, 2))
    inked = np.nonzero(darkest < 255)[0]
    predicted, reference = np.split(inked, np.nonzero(np.diff(inked) > 1)[0] + 1)
    assert (darkest[predicted].min(), darkest[reference].min()) == (INK[0], FAINT[0])


def test_single_images_form_a_grid_and_groups_are_below_one_another():
    step, margins = 240 + 2 * FRAME + EXAMPLE_GAP, 2 * MARGIN - EXAMPLE_GAP

    def grid(*numbers):
        height, width, _ = caption_sheet(
            [CaptionedImage([black()] * n, [""]) for n in numbers]
        ).shape
        return (height - margins) / step, (width - margins) / step

    assert [grid(*[1] * n) for n in (1, 4, 5, 12)] == [(1, 1), (1, 4), (2, 3), (3, 4)]
    strip = (2 * (step - EXAMPLE_GAP) + IMAGE_GAP + EXAMPLE_GAP) / step
    assert grid(2, 2) == (2, strip)
    assert grid(1, 2, 1, 1) == (3, 2)


def test_each_epoch_writes_at_most_twelve_examples(tmp_path):
    """Epochs continue when training continues; an empty snapshot writes nothing."""
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    drawn = []

    def examples():
        result = [CaptionedImage([noise(8, 8, seed=i)], [f"{len(drawn)}"]) for i in range(13)]
        drawn.append(caption_sheet(result[:12]))
        return result if len(drawn) != 3 else []

    callback = CaptionedImages(examples, tmp_path, "answers")
    for epochs in (3, 2):
        callback = copy.deepcopy(callback)
        model.fit(*np.ones([2, 2, 1]), epochs=epochs, verbose=0, callbacks=[callback])
    values, metadata = event_files.read(tmp_path / "validation")
    shown = {step: tf.io.decode_png(at["answers"][2]) for step, at in values.items() if at}
    assert [*shown] == [0, 1, 3, 4, 5]
    for step, image in shown.items():
        np.testing.assert_array_equal(image, drawn[step])
    assert metadata["answers"].plugin_data.plugin_name == "images"


def test_without_images_no_file_is_written_and_a_sheet_is_an_error(tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(*np.ones([2, 2, 1]), verbose=0, callbacks=[CaptionedImages(list, tmp_path)])
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ValueError, match="there are no images to draw"):
        caption_sheet([])


@pytest.mark.parametrize(
    "example, message",
    [
        (CaptionedImage([black()] * 3, ["a", "b"]), "2 captions in `predicted` for 3 images"),
        (CaptionedImage([black()] * 3, []), "0 captions in `predicted` for 3 images"),
        (
            CaptionedImage([black()] * 3, ["a"], ["a", "b"]),
            "2 captions in `reference` for 3 images",
        ),
        (CaptionedImage([], ["a"]), "must be at least one image"),
        (CaptionedImage([black(), black()[..., 0]], ["a"]), r"not uint8 \[80, 80\]"),
        (CaptionedImage([black() / 255], ["a"]), r"not float64 \[80, 80, 1\]"),
        (CaptionedImage([noise(8, 9, 4)], ["a"]), r"not uint8 \[8, 9, 4\]"),
        (CaptionedImage([noise(0, 9)], ["a"]), r"not uint8 \[0, 9, 1\]"),
    ],
)
def test_invalid_examples_raise_an_error(example, message):
    with pytest.raises(ValueError, match=message):
        caption_sheet([CaptionedImage([black()], ["fine"]), example])


def test_the_names_of_the_first_edition_still_work_and_warn(tmp_path):
    with pytest.warns(DeprecationWarning, match="use CaptionedImage$"):
        example = callbacks.Told(pictures=[black()], said=["a"], right=["b"])
    assert example.reference == ["b"]
    with pytest.warns(DeprecationWarning, match="use CaptionedImages$"):
        callback = callbacks.TellPictures(look=list, log_dir=tmp_path)
    assert isinstance(callback, CaptionedImages)
