"""The image store: resizing, copies, padding, and the number of images that are read."""

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


def resized(image):
    return np.rint(resizing_layer(*SHAPE[:2])(image[None].astype("float32"))[0].numpy())


@pytest.fixture
def sequences():
    """Three sequences of 3, 1 and 2 images, all of different sizes."""
    return [[noise(7 + i + n, 9 - i, 1) for n in range(count)] for i, count in enumerate((3, 1, 2))]


class FailsAfter:
    """Ten items; reading more than the first ones fails."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return 10

    def __iter__(self):
        yield from self.items
        raise AssertionError("read one more than the limit")


def test_images_larger_than_the_free_space_are_rejected(sequences, monkeypatch):
    """Six images of 30 bytes."""
    room = SimpleNamespace(free=180)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    store_images(sequences, SHAPE)
    room.free = 179
    with pytest.raises(UserError, match="no room for images"):
        store_images(sequences, SHAPE)


def test_an_array_of_the_right_size_is_not_copied():
    images, sequences = noise(4, *SHAPE), noise(3, 2, *SHAPE)
    stored = store_images(images, SHAPE, limit=3)
    assert np.shares_memory(stored.images, images)
    assert (len(stored), stored.has_sequences, stored.counts.tolist()) == (3, False, [1, 1, 1])
    np.testing.assert_array_equal(stored.take([2, 0]), images[[2, 0]])
    stored = store_images(sequences, SHAPE)
    assert np.shares_memory(stored.images, sequences)
    assert (len(stored), stored.has_sequences, stored.counts.tolist()) == (3, True, [2, 2, 2])
    np.testing.assert_array_equal(stored[1], sequences[1])


def test_other_images_are_resized_into_a_file():
    images = [noise(9, 7, 1), noise(*SHAPE), noise(3, 4, 1)]
    stored = store_images(images, SHAPE)
    assert isinstance(stored.images, np.memmap)
    assert (stored.images.shape, stored.images.dtype) == ((3, *SHAPE), np.uint8)
    for resized_image, image in zip(stored.images, images, strict=True):
        np.testing.assert_array_equal(resized_image, resized(image))
    np.testing.assert_array_equal(stored.images[1], images[1])
    array = noise(4, 8, 8, 1)
    np.testing.assert_array_equal(store_images(array, SHAPE).images[3], resized(array[3]))
    array = noise(2, 3, 8, 8, 1)
    stored = store_images(array, SHAPE)
    assert stored.counts.tolist() == [3, 3]
    np.testing.assert_array_equal(stored[1][2], resized(array[1, 2]))


def test_the_longer_side_is_cropped_to_the_middle():
    image = np.zeros([12, 30, 1], np.uint8)
    image[:, 10:20] = 255
    assert (store_images([image], SHAPE).images == 255).all()


def test_sequences_keep_their_bounds(sequences):
    stored = store_images(sequences, SHAPE)
    assert (len(stored), stored.has_sequences, stored.offsets.tolist()) == (3, True, [0, 3, 4, 6])
    for place, sequence in enumerate(sequences):
        np.testing.assert_array_equal(stored[place], [*map(resized, sequence)])


def test_shorter_sequences_are_padded(sequences):
    stored = store_images(sequences, SHAPE)
    images = stored.take([2, 1])
    assert (images.shape, images.dtype) == ((2, 2, *SHAPE), np.float32)
    np.testing.assert_array_equal(images[0], stored[2])
    np.testing.assert_array_equal(images[1, 0], stored[1][0])
    assert (images[1, 1] == PADDING_PIXEL).all()
    images = stored.take(np.array([0, 2]), 2)
    np.testing.assert_array_equal(images, [stored[0][:2], stored[2]])
    assert stored.take([1], 4).shape == (1, 4, *SHAPE)


def test_reading_stops_at_the_limit(sequences):
    images = [noise(9, 7, 1), noise(8, 8, 1)]
    assert len(store_images(FailsAfter(images), SHAPE, limit=2)) == 2
    stored = store_images(FailsAfter(sequences), SHAPE, limit=3)
    assert stored.counts.tolist() == [3, 1, 2]
    with pytest.raises(AssertionError, match="one more"):
        store_images(FailsAfter(sequences), SHAPE, limit=4)
