"""Images of every source: the embedded digits, TFDS datasets, and the user's own folder."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.images.image_data import load_images
from errorflow.pipelines.datasets.images.image_folder import read_image
from PIL import Image

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def tfds_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tfds")
        patch.setenv("TFDS_DATA_DIR", str(folder))
        patch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
        yield


def noise(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten colour images each."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(10):
            Image.fromarray(noise(9, 8 + number % 2, 3)).save(tmp_path / label / f"{number}.png")
    return tmp_path


def pixels_of(part):
    return [image.tobytes() for image, _ in part.examples.as_numpy_iterator()]


@pytest.mark.parametrize(
    ("name", "side", "sizes"),
    [(None, 28, (3600, 400, 1000)), ("digits", 8, (1437, 180, 180))],
)
def test_embedded_digits_are_split_evenly_and_leak_nothing(name, side, sizes):
    data = load_images(name)
    parts = data.train, data.validation, data.test
    assert data.shape == (side, side, 1)
    assert data.labels == [str(n) for n in range(10)]
    assert tuple(map(len, parts)) == pytest.approx(sizes, abs=2)
    for part in parts:
        shares = np.bincount(part.labels, minlength=10) / len(part)
        np.testing.assert_allclose(shares, 0.1, atol=0.02)
    seen = [set(pixels_of(part)) for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen)) == sum(map(len, parts))


def test_embedded_labels_belong_to_their_images():
    data = load_images("digits")
    labels = [label for _, label in data.test.examples.as_numpy_iterator()]
    np.testing.assert_array_equal(labels, data.test.labels)


def test_a_limit_keeps_every_label_in_proportion():
    data = load_images("digits", limit=50, seed=3)
    assert len(data.train) == pytest.approx(50, abs=5)
    assert np.bincount(data.train.labels, minlength=10).min() >= 4
    assert np.bincount(data.test.labels, minlength=10).min() >= 1
    again = load_images("digits", limit=50, seed=3)
    assert pixels_of(again.train) == pixels_of(data.train)
    assert pixels_of(load_images("digits", limit=50, seed=4).train) != pixels_of(data.train)


def test_a_folder_gives_every_image_once(folder):
    data = load_images(data_dir=folder)
    parts = data.train, data.validation, data.test
    assert data.labels == ["cat", "dog"]
    assert data.shape == (None, None, 3)
    assert sum(map(len, parts)) == 20
    assert data.problems == []
    expected = {
        (label, np.asarray(Image.open(path)).tobytes())
        for label in data.labels
        for path in (folder / label).iterdir()
    }
    images = {
        (data.labels[label], image.tobytes())
        for part in parts
        for image, label in part.examples.as_numpy_iterator()
    }
    assert images == expected


def test_broken_images_are_reported_counted_and_left_out(folder):
    whole = folder / "cat" / "whole.jpg"
    Image.fromarray(noise(64, 64, 3)).save(whole)
    (folder / "cat" / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (folder / "dog" / "text.png").write_text("not an image")
    (folder / "dog" / "again.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    data = load_images(data_dir=folder)
    assert sum(map(len, (data.train, data.validation, data.test))) == 21
    problems = "\n".join(data.problems)
    assert "2 of 24 images cannot be read" in problems
    assert f"{folder / 'cat' / 'cut.jpg'}: broken image" in problems
    assert f"{folder / 'dog' / 'text.png'}: not an image" in problems
    assert "1 files left out: the same image" in problems


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.full([2, 3], 51400, np.uint16)), 200),
        (Image.new("CMYK", (3, 2), (0, 0, 0, 55)), 200),
        (Image.new("LA", (3, 2), (0, 0)), 255),
        (Image.new("P", (3, 2), 0), 0),
        (Image.new("1", (3, 2), 1), 255),
    ],
    ids=["16 bit", "CMYK", "transparent", "palette", "1 bit"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_kind_become_8_bits_in_grey_or_rgb(tmp_path, image, expected, channels):
    path = tmp_path / f"x.{'jpg' if image.mode == 'CMYK' else 'png'}"
    image.save(path)
    pixels = read_image(path, channels)
    assert pixels.shape == (2, 3, channels)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels, expected, atol=2)


def test_a_folder_of_grey_images_is_grey(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(5):
            Image.fromarray(noise(6, 6)).save(tmp_path / label / f"{number}.png")
    assert load_images(data_dir=tmp_path).shape == (6, 6, 1)


def one_class(folder):
    for path in (folder / "dog").iterdir():
        path.unlink()
    (folder / "dog").rmdir()


def no_images(folder):
    for path in folder.glob("*/*"):
        path.unlink()


def too_few(folder):
    for number in range(2, 10):
        (folder / "dog" / f"{number}.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (one_class, r"only one class \(cat\); add a second"),
        (no_images, "cat"),
        (too_few, r"dog: 2 different images that can be read, at least 3"),
    ],
)
def test_an_unusable_folder_is_refused(folder, spoil, complaint):
    spoil(folder)
    with pytest.raises(UserError, match=complaint):
        load_images(data_dir=folder)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("cifar1O", "no such TFDS dataset; did you mean cifar10"),
        ("imdb_reviews", "not an image-classification dataset: it has 0 images"),
        ("cifar10", "not on this machine; fetch it with"),
    ],
)
def test_an_unusable_set_is_refused(name, complaint):
    with pytest.raises(UserError, match=complaint):
        load_images(name)


def test_a_public_set_without_validation_gets_one():
    with tfds.testing.mock_data(num_examples=40):
        from errorflow.pipelines.datasets.images import tfds_images

        builder = tfds.builder("mnist")
        assert tfds_images.image_and_label(builder) == ("image", "label")
