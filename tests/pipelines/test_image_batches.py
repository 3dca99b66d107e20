"""Augmentation of images, and training batches."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.datasets.images import augmentation as augment
from errorflow.pipelines.datasets.images.image_data import ImageSplit
from errorflow.pipelines.images.batching import ImageBatches, mean_and_std, resized
from errorflow.pipelines.training.batching import stream
from errorflow.pipelines.training.feeding import in_order
from errorflow.pipelines.training.shares import Share

SEED = np.array([1, 2])
X = np.random.default_rng(0).uniform(0, 255, (8, 6, 7, 3)).astype("float32")


def dots(count=64, size=(21, 15)):
    """Images of one bright pixel each, off the middle."""
    images = np.zeros([count, *size, 1], "float32")
    images[:, 6, 10] = 255
    return images


def places(images):
    """The centre of gravity of each image, [B, 2]."""
    mass = images[..., 0] / images[..., 0].sum((1, 2), keepdims=True)
    rows, columns = np.arange(images.shape[1]), np.arange(images.shape[2])
    return np.stack([(mass.sum(2) * rows).sum(1), (mass.sum(1) * columns).sum(1)], axis=1)


def test_flip_mirrors_some_images_and_leaves_the_others():
    flipped = augment.flip(X, SEED).numpy()
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, X, strict=True)]
    as_they_were = [np.array_equal(a, b) for a, b in zip(flipped, X, strict=True)]
    assert any(mirrored)
    assert any(as_they_were)
    assert all(m != a for m, a in zip(mirrored, as_they_were, strict=True))


def test_crop_takes_windows_of_the_image_in_a_black_frame():
    cropped = augment.crop(0.25)(X, SEED).numpy()
    framed = np.pad(X, [(0, 0), (2, 2), (2, 2), (0, 0)])
    offsets = set()
    for before, after in zip(framed, cropped, strict=True):
        at = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if np.array_equal(before[i : i + 6, j : j + 7], after)
        ]
        assert len(at) == 1
        offsets |= {*at}
    assert len(offsets) > 3


def test_colour_stays_in_range_and_keeps_grey_images_grey():
    strong = augment.colour(0.9)(X, SEED).numpy()
    assert strong.min() >= 0
    assert strong.max() <= 255
    np.testing.assert_allclose(augment.colour(0.0)(X, SEED), X, atol=1e-3)
    grey = np.repeat(X[..., :1], 3, axis=3)
    still_grey = augment.colour(0.5)(grey, SEED).numpy()
    np.testing.assert_allclose(np.ptp(still_grey, axis=3), 0, atol=1e-3)


def test_an_affine_map_without_options_changes_nothing():
    np.testing.assert_allclose(augment.affine()(X, SEED), X, atol=1e-3)


def test_shifts_are_at_most_the_given_distance():
    moved = places(augment.affine(shift=0.2)(dots(), SEED).numpy()) - [6, 10]
    for axis, most in enumerate((0.2 * 21, 0.2 * 15)):
        assert 0.7 * most < np.abs(moved[:, axis]).max() <= most + 1e-3


def test_turns_keep_the_distance_from_the_middle():
    middle = np.array([10, 7])
    turned = places(augment.affine(degrees=60)(dots(), SEED).numpy()) - middle
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 5, atol=0.3)
    angles = np.degrees(np.arctan2(turned[:, 0], turned[:, 1]) - np.arctan2(-4, 3))
    assert 40 < np.abs(angles).max() < 63


def test_stretches_scale_the_distance_from_the_middle():
    stretched = places(augment.affine(stretch=0.5)(dots(), SEED).numpy()) - [10, 7]
    for axis, distance in enumerate((-4, 3)):
        factors = stretched[:, axis] / distance
        assert 0.45 < factors.min() < 0.7
        assert 1.3 < factors.max() < 1.55


@pytest.mark.parametrize("kind", ["digits", "photos"])
def test_the_seed_decides(kind):
    def draw(seed):
        return augment.apply(augment.recipe(kind), X, tf.constant(seed, tf.int64)).numpy()

    np.testing.assert_array_equal(draw([3, 4]), draw([3, 4]))
    assert (draw([3, 4]) != draw([3, 5])).any()


def test_grey_images_and_writing_are_not_mirrored():
    kinds = [augment.kind_for(1), augment.kind_for(3, "svhn_cropped")]
    assert kinds == ["digits", "digits"]
    assert augment.kind_for(3) == augment.kind_for(3, "cifar10") == "photos"
    assert augment.flip not in augment.recipe("digits")


# Batches


def numbered(count=23):
    """Images whose one pixel is their number."""
    reads = []

    def note(number):
        reads.append(int(number))
        return np.full([2, 2, 1], number, np.uint8)

    def image(number):
        pixels = tf.numpy_function(note, [number], tf.uint8)
        pixels.set_shape([2, 2, 1])
        return pixels, number % 3

    return tf.data.Dataset.range(count).map(image), reads


@pytest.fixture
def feed():
    images, _ = numbered()
    return ImageBatches(images, 23, 3, size=5, seed=7, mean=np.zeros(1), std=np.ones(1) / 255)


def numbers(dataset):
    return [batch[:, 0, 0, 0].round().astype(int).tolist() for batch, _ in dataset]


def test_an_epoch_has_full_batches_and_no_example_twice(feed):
    batches = numbers(feed.dataset().as_numpy_iterator())
    drawn = [number for batch in batches for number in batch]
    assert [len(b) for b in batches] == [5] * feed.steps == [5] * 4
    assert len(set(drawn)) == 20
    assert feed.dataset().cardinality() == 4


def test_order_and_variations_depend_on_seed_and_epoch_alone(feed):
    feed.operations = [augment.affine(shift=0.4)]

    def draw(**changed):
        return np.concatenate(
            [x for x, _ in dataclasses.replace(feed, **changed).dataset().as_numpy_iterator()]
        )

    np.testing.assert_array_equal(draw(epoch=1), draw(epoch=1))
    assert (draw(epoch=1) != draw(epoch=2)).any()
    assert (draw(epoch=1) != draw(epoch=1, seed=8)).any()


def test_one_dataset_follows_the_epoch_of_its_feed(feed):
    dataset = feed.dataset()
    first = numbers(dataset.as_numpy_iterator())
    feed.epoch = 1
    assert numbers(dataset.as_numpy_iterator()) != first
    feed.epoch = 0
    assert numbers(dataset.as_numpy_iterator()) == first


def test_images_are_read_once_for_all_epochs():
    images, reads = numbered()
    feed = ImageBatches(images, 23, 3, size=5, seed=7, mean=np.zeros(1), std=np.ones(1))
    for feed.epoch in range(3):
        list(feed.dataset())
    assert sorted(reads) == list(range(23))


def test_replicas_share_every_training_batch_and_the_first_of_a_validation(two_replicas):
    with two_replicas.scope():
        few = ImageBatches(
            tf.data.Dataset.from_tensor_slices(
                (np.arange(7, dtype=np.uint8)[:, None, None, None], np.zeros(7, int))
            ),
            *(7, 3),
            size=16,
            seed=0,
            mean=np.zeros(1),
            std=np.ones(1),
        )
    assert [len(images) for images, _ in few.dataset()] == [6]
    with two_replicas.scope():
        validation = few.in_order()
    assert [len(images) for images, _ in validation] == [4, 3]
    read = np.concatenate([x for x, _ in validation.as_numpy_iterator()])[:, 0, 0, 0]
    np.testing.assert_allclose(255 * read, range(7), rtol=1e-6)


def test_images_vary_in_the_same_way_whatever_the_number_of_processes(feed):
    pixels = np.random.default_rng(2).integers(0, 256, [23, 4, 4, 3], np.uint8)
    feed.images = tf.data.Dataset.from_tensor_slices((pixels, np.arange(23) % 3))
    feed.size, feed.operations = 6, augment.recipe("photos")
    whole = list(feed.dataset().as_numpy_iterator())
    parts = [feed.share(Share(n, 1, 3)).as_numpy_iterator() for n in range(3)]
    for images, labels in whole:
        together = [*zip(*(next(part) for part in parts), strict=True)]
        np.testing.assert_allclose(np.concatenate(together[0]), images, atol=1e-6)
        np.testing.assert_array_equal(np.concatenate(together[1]), labels)


def test_no_pass_has_a_thread_that_tunes_it(feed):
    """The end of a pass would wait for that thread, sometimes for seconds."""
    spec = tf.TensorSpec([2], tf.float32)
    some = stream(lambda: iter(np.zeros([3, 2], "float32")), spec, 3)
    for dataset in (feed.dataset(), feed.in_order(), some, some.map(tf.abs)):
        assert dataset.options().autotune.enabled is False


def test_targets_are_one_hot_and_pixels_normalised(feed):
    feed.mean, feed.std, feed.target = np.array([0.5]), np.array([0.25]), lambda y: {"a": y, "b": y}
    assert feed.in_order().cardinality() == 5
    batches = [*feed.in_order().as_numpy_iterator()]
    images = np.concatenate([x for x, _ in batches])
    expected = (np.arange(23) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(images[:, 0, 0, 0], expected, rtol=1e-6)
    for name in "ab":
        targets = np.concatenate([y[name] for _, y in batches])
        np.testing.assert_array_equal(targets, np.eye(3)[np.arange(23) % 3])


def test_mean_and_std_are_of_each_channel():
    images = np.random.default_rng(1).integers(0, 256, (30, 4, 5, 3), dtype=np.uint8)
    images[..., 2] = 51
    mean, std = mean_and_std(tf.data.Dataset.from_tensor_slices((images, np.zeros(30))))
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)) / 255)
    np.testing.assert_allclose(std[:2], images[..., :2].std((0, 1, 2)) / 255)
    assert std[2] == 1  # a channel that never changes


def test_images_of_any_size_keep_their_shape_and_lose_the_ends():
    wide = np.zeros([4, 12, 1], np.uint8)
    wide[:, 4:8] = 200  # the middle third
    tall = np.swapaxes(wide, 0, 1)
    for image in (wide, tall):
        images = tf.data.Dataset.from_generator(
            lambda image=image: [(image, 0)],
            output_signature=(
                tf.TensorSpec([None, None, 1], tf.uint8),
                tf.TensorSpec([], tf.int64),
            ),
        )
        ((resized_image, _),) = resized(ImageSplit(images, np.zeros(1)), (4, 4)).as_numpy_iterator()
        np.testing.assert_array_equal(resized_image, np.full([4, 4, 1], 200))


def test_grey_images_become_rgb_and_rgb_images_grey():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)
    split = ImageSplit(tf.data.Dataset.from_tensors((colours, 0)), np.zeros(1))
    ((grey, _),) = resized(split, (1, 4), 1).as_numpy_iterator()
    np.testing.assert_array_equal(grey[0, :, 0], [76, 150, 29, 90])  # 0.299, 0.587, 0.114 of 255
    split = ImageSplit(tf.data.Dataset.from_tensors((grey, 0)), np.zeros(1))
    ((rgb, _),) = resized(split, (1, 4), 3).as_numpy_iterator()
    np.testing.assert_array_equal(rgb, np.repeat(grey, 3, axis=-1))


def test_batches_of_a_validation_know_their_number_also_if_the_examples_do_not():
    examples = tf.data.Dataset.range(5).filter(lambda number: number >= 0)
    batches = in_order(examples, count=5, size=2)
    assert batches.cardinality() == 3
    assert [*map(list, batches.as_numpy_iterator())] == [[0, 1], [2, 3], [4]]
