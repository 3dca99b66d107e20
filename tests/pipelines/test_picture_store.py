"""Pictures in one size: which are copied, what fills up a sequence, how many are read."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.images.resizing import resizing_layer
from errorflow.pipelines.image_to_text.image_store import store_images
from errorflow.pipelines.models.image_to_text import PADDING_PIXEL

SHAPE = (6, 5, 1)


def noise(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def resized(picture):
    return np.rint(resizing_layer(*SHAPE[:2])(picture[None].astype("float32"))[0].numpy())


@pytest.fixture
def films():
    """Three sequences, of 3, 1 and 2 pictures, no two of one size."""
    return [[noise(7 + i + n, 9 - i, 1) for n in range(count)] for i, count in enumerate((3, 1, 2))]


class Costly:
    """Ten items, of which no more than some may be read."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return 10

    def __iter__(self):
        yield from self.items
        raise AssertionError("read one more than was asked for")


def test_pictures_for_which_there_is_no_room_are_refused(films, monkeypatch):
    """Six of 30 bytes."""
    room = SimpleNamespace(free=180)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    store_images(films, SHAPE)
    room.free = 179
    with pytest.raises(UserError, match="no room for images"):
        store_images(films, SHAPE)


def test_an_array_of_this_size_is_taken_as_it_is():
    images, films = noise(4, *SHAPE), noise(3, 2, *SHAPE)
    kept = store_images(images, SHAPE, limit=3)
    assert np.shares_memory(kept.images, images)
    assert (len(kept), kept.has_sequences, kept.counts.tolist()) == (3, False, [1, 1, 1])
    np.testing.assert_array_equal(kept.take([2, 0]), images[[2, 0]])
    kept = store_images(films, SHAPE)
    assert np.shares_memory(kept.images, films)
    assert (len(kept), kept.has_sequences, kept.counts.tolist()) == (3, True, [2, 2, 2])
    np.testing.assert_array_equal(kept[1], films[1])


def test_others_are_brought_to_this_size_in_a_file():
    images = [noise(9, 7, 1), noise(*SHAPE), noise(3, 4, 1)]
    kept = store_images(images, SHAPE)
    assert isinstance(kept.images, np.memmap)
    assert (kept.images.shape, kept.images.dtype) == ((3, *SHAPE), np.uint8)
    for picture, image in zip(kept.images, images, strict=True):
        np.testing.assert_array_equal(picture, resized(image))
    np.testing.assert_array_equal(kept.images[1], images[1])
    array = noise(4, 8, 8, 1)
    np.testing.assert_array_equal(store_images(array, SHAPE).images[3], resized(array[3]))
    array = noise(2, 3, 8, 8, 1)
    kept = store_images(array, SHAPE)
    assert kept.counts.tolist() == [3, 3]
    np.testing.assert_array_equal(kept[1][2], resized(array[1, 2]))


def test_of_a_long_picture_the_middle_is_kept():
    picture = np.zeros([12, 30, 1], np.uint8)
    picture[:, 10:20] = 255
    assert (store_images([picture], SHAPE).images == 255).all()


def test_sequences_keep_their_bounds(films):
    kept = store_images(films, SHAPE)
    assert (len(kept), kept.has_sequences, kept.offsets.tolist()) == (3, True, [0, 3, 4, 6])
    for place, film in enumerate(films):
        np.testing.assert_array_equal(kept[place], [*map(resized, film)])


def test_no_picture_stands_behind_the_end_of_a_sequence(films):
    kept = store_images(films, SHAPE)
    taken = kept.take([2, 1])
    assert (taken.shape, taken.dtype) == ((2, 2, *SHAPE), np.float32)
    np.testing.assert_array_equal(taken[0], kept[2])
    np.testing.assert_array_equal(taken[1, 0], kept[1][0])
    assert (taken[1, 1] == PADDING_PIXEL).all()
    taken = kept.take(np.array([0, 2]), 2)
    np.testing.assert_array_equal(taken, [kept[0][:2], kept[2]])
    assert kept.take([1], 4).shape == (1, 4, *SHAPE)


def test_no_more_is_read_than_was_asked_for(films):
    images = [noise(9, 7, 1), noise(8, 8, 1)]
    assert len(store_images(Costly(images), SHAPE, limit=2)) == 2
    kept = store_images(Costly(films), SHAPE, limit=3)
    assert kept.counts.tolist() == [3, 1, 2]
    with pytest.raises(AssertionError, match="one more"):
        store_images(Costly(films), SHAPE, limit=4)
