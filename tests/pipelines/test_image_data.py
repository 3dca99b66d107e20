"""Images of every source: the embedded digits, TFDS datasets, and the user's own folder."""

import hashlib
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow_datasets as tfds
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.images import pixels as images_pixels
from errorflow.pipelines.datasets.images.decoding import MemoryBudget
from errorflow.pipelines.datasets.images.image_data import load_images
from errorflow.pipelines.datasets.images.image_files import inspect_image
from errorflow.pipelines.datasets.images.image_folder import find_images, read_image
from errorflow.pipelines.datasets.images.image_tables import Columns
from errorflow.pipelines.datasets.images.python_data import write_images
from errorflow.pipelines.datasets.splits import SPLITS
from PIL import Image, PngImagePlugin

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
    assert {(item.where, item.reason) for item in data.left_out} == {
        (f"{folder / 'cat' / 'cut.jpg'}", "broken image"),
        (f"{folder / 'dog' / 'text.png'}", "not an image that can be read"),
        (f"{folder / 'dog' / 'again.png'}", "repeated image of its class"),
    }


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
        ("imdb_reviews", "not a dataset of images with a class: it has 0 images"),
        ("cifar10", "not on this machine; fetch it with"),
    ],
)
def test_an_unusable_set_is_refused(name, complaint):
    with pytest.raises(UserError, match=complaint):
        load_images(name)


def test_a_public_set_without_validation_gets_one():
    with tfds.testing.mock_data(num_examples=40):
        from errorflow.pipelines.datasets.tfds_sets import example_and_label

        builder = tfds.builder("mnist")
        assert example_and_label(builder, tfds.features.Image, "images") == ("image", "label")


def paint(path, size=(4, 4), **options):
    """Write an image of a random colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, tuple(map(int, noise(3))))
    image.save(
        path, "JPEG" if path.suffix not in Image.registered_extensions() else None, **options
    )


def paint_all(folder, *names):
    for name in names:
        paint(folder / name)
    return folder


def labels_of(listing):
    return {split: sorted({f.label for f in files}) for split, files in listing.files_of.items()}


@pytest.mark.parametrize(
    ("top", "splits"),
    [
        ("", ("train", "val", "test")),
        ("", ("Training", "DEV", "Eval")),
        ("photos/dataset/", ("train", "val", "test")),
        ("", ("train/train", "val", "test/test/again")),
        ("", ("seg_train/seg_train", "seg_val", "seg_test/seg_test")),
        ("", ("train_images", "validation-images", "Test Set")),
    ],
)
def test_ready_splits_are_found_wherever_they_are(tmp_path, top, splits):
    for split in splits:
        paint_all(tmp_path / f"{top}{split}", "cat/a.png", "dog/deeper/b.jpg")
    listing = find_images(tmp_path)
    assert listing.ready
    assert labels_of(listing) == {split: ["cat", "dog"] for split in SPLITS}
    assert listing.left_out == []


def test_splits_may_lie_below_the_classes_and_folders_may_be_links(tmp_path):
    for label in ("cat", "dog"):
        paint_all(tmp_path / "photos" / label, "train/a.png", "Test/b.png")
    assert labels_of(find_images(tmp_path)) == {"train": ["cat", "dog"], "test": ["cat", "dog"]}
    (tmp_path / "photos" / "cat" / "train" / "loop").symlink_to(tmp_path / "photos" / "cat")
    (tmp_path / "photos" / "cow").symlink_to(tmp_path / "photos" / "dog")
    paint(tmp_path / "photos" / "dog" / "c.png")
    files = find_images(tmp_path).files_of["train"]
    assert [file.label for file in files] == ["cat"] * 2 + ["cow"] * 3 + ["dog"] * 3


def test_single_levels_above_the_classes_are_skipped(tmp_path):
    paint_all(tmp_path / "archive" / "dataset", "cat/a.png", "dog/b/c.png")
    listing = find_images(tmp_path)
    assert labels_of(listing) == {"train": ["cat", "dog"]}
    assert listing.remarks == [f"the classes are read from {tmp_path / 'archive' / 'dataset'}"]


def test_classes_may_have_the_names_of_splits(tmp_path):
    paint_all(tmp_path, "train/a.png", "bus/b.png")
    assert labels_of(find_images(tmp_path)) == {"train": ["bus", "train"]}
    paint_all(tmp_path, "test/b.png")
    with pytest.raises(UserError, match="test and train are named like splits"):
        find_images(tmp_path)
    forced = find_images(tmp_path, ready_splits=False)
    assert labels_of(forced) == {"train": ["bus", "test", "train"]}


def test_everything_that_is_not_used_is_left_out_by_name(tmp_path):
    paint_all(tmp_path / "x", "cat/a.png", "dog/b.png", "loose.png", "__MACOSX/cat/c.png")
    (tmp_path / "x" / "empty").mkdir()
    for name in ("notes.txt", "cat/labels.csv", "cat/.DS_Store", "cat/photo.NEF", "dog/Thumbs.db"):
        (tmp_path / "x" / name).write_bytes(b"II*\0")
    listing = find_images(tmp_path / "x")
    assert {
        item.where.removeprefix(f"{tmp_path}/x/"): item.reason for item in listing.left_out
    } == {
        "loose.png": "not in the folder of a class",
        "notes.txt": "not an image",
        "cat/labels.csv": "not an image",
        "cat/photo.NEF": "a format that cannot be read; convert it to JPEG or PNG",
    }
    assert listing.remarks == [f"{tmp_path / 'x' / 'empty'}: no image in it, so it is no class"]


def test_images_are_recognised_by_suffix_or_content(tmp_path):
    names = ("a.JPG", "b.jfif", "c", "d.webp", "e.bmp", "f.tif", "g.gif", "h.photo", "i.avif")
    for label in ("cat", "dog"):
        paint_all(tmp_path / label, *names)
    data = load_images(data_dir=tmp_path)
    assert sum(map(len, (data.train, data.validation, data.test))) == 18
    assert data.left_out == []


def test_names_need_not_be_utf8(tmp_path):
    for number in range(4):
        paint_all(tmp_path, f"caf\udce9/\udcff{number}.png", f"dog/{number}.png")
    data = load_images(data_dir=tmp_path)
    assert data.labels == ["caf\N{REPLACEMENT CHARACTER}", "dog"]
    assert sum(len(pixels_of(part)) for part in (data.train, data.validation, data.test)) == 8
    paint(tmp_path / "caf\udce8" / "a.png")
    with pytest.raises(UserError, match=r"b'caf\\xe8' and b'caf\\xe9' are both read as class"):
        find_images(tmp_path)


def test_ready_splits_are_used_as_they_are(tmp_path):
    for split, count in {"train": 6, "val": 1, "test": 2}.items():
        for label in ("cat", "dog", *(["owl"] if split == "test" else [])):
            paint_all(tmp_path / split / label, *(f"{n}.png" for n in range(count)))
    paint_all(tmp_path, "val/bat/1.png", "test/bat/2.png", "unlabelled/1.png")
    data = load_images(data_dir=tmp_path)
    sizes = {"train": 6, "validation": 1, "test": 2}
    assert data.counts == {"cat": sizes, "dog": sizes}
    assert sorted(item.reason for item in data.left_out) == [
        *["its class has no training item"] * 2,
        *["its class is in one split only"] * 2,
        "not in a split",
    ]
    assert "class 'owl': is in one split only" in data.problems
    assert "class 'bat': has no training item" in data.problems
    (tmp_path / "train" / "cat" / "0.png").rename(tmp_path / "val" / "cat" / "0.png")
    paint(tmp_path / "train" / "cat" / "0.png")
    (tmp_path / "val" / "cat" / "0.png").replace(tmp_path / "test" / "cat" / "new.png")
    assert load_images(data_dir=tmp_path).content_hash != data.content_hash


def test_a_missing_split_is_carved_from_train_and_shared_images_are_reported(tmp_path):
    for label in ("cat", "dog"):
        paint_all(tmp_path / "train" / label, *(f"{n}.png" for n in range(9)))
    same = tmp_path / "test" / "cat" / "same.png"
    paint_all(tmp_path / "test", "cat/1.png", "dog/1.png")
    same.write_bytes((tmp_path / "train" / "cat" / "0.png").read_bytes())
    data = load_images(data_dir=tmp_path)
    assert data.problems[0] == f"{tmp_path}: no validation split; carved from train"
    assert len(data.train) + len(data.validation) == 18
    assert len(data.test) == 3


def test_earlier_runs_know_a_folder_of_classes_by_its_images_alone(folder):
    lines = sorted(
        f"{path.parent.name}\t{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in folder.glob("*/*")
    )
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert load_images(data_dir=folder).content_hash == expected


def test_the_limit_does_not_depend_on_the_names_of_files(folder):
    few = sorted(pixels_of(load_images(data_dir=folder, limit=6, seed=1).train))
    for path in sorted(folder.glob("*/*")):
        path.rename(path.with_name(hashlib.md5(path.name.encode()).hexdigest() + ".png"))
    assert sorted(pixels_of(load_images(data_dir=folder, limit=6, seed=1).train)) == few


def table(path, rows, *header):
    lines = [header, *rows] if header else rows
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))


def sizes_of(listing):
    return {split: len(files) for split, files in listing.files_of.items()}


PETS = ["cat", "dog"] * 6


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (("filename", "label"), "images/{}.png"),
        (("id", "breed"), "picture {}"),
        ((), "./images/{}.png"),
        (("path", "class"), r"C:\data\images\{}.png"),
    ],
)
def test_a_table_names_images_and_labels(tmp_path, header, name):
    tmp_path = tmp_path / "unpacked"
    paint_all(tmp_path, *(f"images/picture {n}.png" for n in range(13)))
    name = name.replace("{}.png", "picture {}.png")
    rows = [(name.format(n), pet) for n, pet in enumerate(PETS)]
    table(tmp_path / "labels.csv", [*rows, (name.format(99), "cat")], *header)
    for where in (tmp_path, tmp_path.parent, tmp_path / "labels.csv"):
        listing = find_images(where)
        assert [file.label for file in listing.files_of["train"]] == PETS
        assert any("labels.csv: image from column" in remark for remark in listing.remarks)
    (missing, unnamed) = find_images(tmp_path).left_out
    line = 13 + bool(header)
    assert missing == (f"{tmp_path / 'labels.csv'}:{line}", "no such image", name.format(99))
    assert unnamed == (str(tmp_path / "images" / "picture 12.png"), "not in the table", "")


def test_of_several_images_of_a_name_the_one_in_the_folder_of_the_label_is_meant(tmp_path):
    paint_all(tmp_path / "photos", *(f"{pet}/{n}.png" for pet in ("cat", "dog") for n in range(3)))
    rows = [(f"{n}.png", pet) for pet in ("cat", "dog", "cow") for n in range(3)]
    table(tmp_path / "labels.csv", rows, "file", "class")
    listing = find_images(tmp_path)
    assert [(f.path.parent.name, f.label) for f in listing.files_of["train"]] == [
        (pet, pet) for _, pet in rows[:6]
    ]
    assert [item.reason for item in listing.left_out] == ["several images of this name"] * 3


def test_formats_that_need_another_program_are_said(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    complaint = r"no image in cat, dog \(IMG_1.HEIC: a format that cannot be read; convert it to"
    with pytest.raises(UserError, match=complaint):
        find_images(tmp_path)


def test_images_without_a_class_are_counted(tmp_path):
    with pytest.raises(UserError, match="2 images, but no sub-folder in it; expected a folder"):
        find_images(paint_all(tmp_path, "cat.1.jpg", "dog.1.jpg"))


def test_a_table_for_each_split_and_none_for_an_unlabelled_one(tmp_path):
    paint_all(tmp_path, *(f"{split}/{n}.png" for split in ("train", "test") for n in range(12)))
    rows = list(enumerate(PETS))
    table(tmp_path / "train.csv", rows, "image", "label")
    table(tmp_path / "test.csv", rows[:4], "image", "label")
    listing = find_images(tmp_path)
    assert (listing.ready, sizes_of(listing)) == (True, {"train": 12, "test": 4})
    assert {file.path.parent.name for file in listing.files_of["test"]} == {"test"}
    table(tmp_path / "test.csv", [(n,) for n in range(12)], "image")
    listing = find_images(tmp_path)
    assert (listing.ready, sizes_of(listing)) == (False, {"train": 12})
    assert "no column for the label" in listing.remarks[0]


def test_metadata_in_the_folders_of_splits_and_a_column_of_splits(tmp_path):
    for split in ("train", "test"):
        paint_all(tmp_path / split, *(f"{n}.png" for n in range(4)))
        lines = (f'{{"file_name": "{n}.png", "label": {n % 2}}}\n' for n in range(4))
        (tmp_path / split / "metadata.jsonl").write_text("".join(lines))
    assert sizes_of(find_images(tmp_path)) == {"train": 4, "test": 4}
    rows = [(f"{n}.png", pet, ("Train", "VAL", "test")[n % 3]) for n, pet in enumerate(PETS)]
    folder = paint_all(tmp_path / "flat", *(f"{n}.png" for n in range(12)))
    table(folder / "all.csv", rows, "image", "label", "split")
    assert sizes_of(find_images(folder)) == {"train": 4, "validation": 4, "test": 4}
    assert sizes_of(find_images(folder, ready_splits=False)) == {"train": 12}


def test_columns_are_chosen_and_doubts_are_said(tmp_path):
    paint_all(tmp_path, *(f"part{n % 2}/{n}.png" for n in range(12)))
    rows = [(n, pet, "mf"[n % 3 > 1]) for n, pet in enumerate(PETS)]
    table(tmp_path / "data.csv", rows, "image_id", "dx", "sex")
    doubt = "dx or sex could be the label; choose it with --label-column"
    (remark,) = find_images(tmp_path).remarks
    assert doubt in remark
    assert "the folders are the classes" in remark
    with pytest.raises(UserError, match=doubt):
        find_images(tmp_path / "data.csv")
    chosen = find_images(tmp_path, columns=Columns(label="dx"))
    assert labels_of(chosen) == {"train": ["cat", "dog"]}
    with pytest.raises(UserError, match="none of the 12 images of column dx is in"):
        find_images(tmp_path, columns=Columns(image="dx", label="sex"))


def exif(*entries):
    """EXIF data of entries (tag, type, count, value of 4 bytes)."""
    table = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + b"\0" * 12


ORIENTATION = 274, 3, 1, b"\6\0\0\0"


def test_orientation_is_applied_and_broken_metadata_are_ignored(tmp_path):
    far, path = struct.pack("<I", 40), tmp_path / "x.jpg"
    for entries in ([ORIENTATION], [ORIENTATION, (282, 10, 1, far)]):
        paint(path, size=(6, 4), exif=exif(*entries))
        assert read_image(path, 3).shape == (6, 4, 3)
    paint(path, size=(6, 4), exif=b"Exif\0\0II*\0\xff\xff\xff")
    assert read_image(path, 3).shape == (4, 6, 3)
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b")
    paint(tmp_path / "x.png", pnginfo=text)
    content = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(content.replace(b"tEXta", b"tEXtb"))  # a wrong checksum
    for budget in (None, MemoryBudget(1)):
        assert read_image(tmp_path / "x.png", 3, budget).shape == (4, 4, 3)


def cut_avif(path):
    paint(path.with_suffix(".avif"), size=(20, 20))
    path.write_bytes(path.with_suffix(".avif").read_bytes()[:-20])


def wrong_dds(path):
    Image.new("RGBA", (8, 8)).save(path.with_suffix(".dds"))
    content = bytearray(path.with_suffix(".dds").read_bytes())
    content[80] = 0
    path.write_bytes(content)


def bomb(path):
    Image.new("L", (2, 2)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)


def sized(name, place, size):
    """A function that writes a small image whose header claims a size, in a format."""

    def write(path):
        other = path.with_suffix(f".{name}")
        Image.new("RGB", (8, 8)).save(other)
        content = bytearray(other.read_bytes())
        content[place : place + len(size)] = size
        path.write_bytes(content)

    return write


def sparse(head, size):
    """A function that writes a file of any size, of which only the first bytes take room."""

    def write(path):
        path.write_bytes(head)
        os.truncate(path, size)

    return write


def iptc(path):
    """IPTC data hold an image of any format, which may be one that another program decodes."""
    path.write_bytes(b"".join(
        b"\x1c" + bytes(tag) + len(value).to_bytes(2) + value
        for tag, value in [((3, 60), b"\1\0"), ((3, 20), b"\x08"), ((3, 30), b"\x08"),
                           ((3, 65), b"\0"), ((3, 120), b"\5"), ((8, 10), b"%!PS-Adobe-3.0 EPSF")]
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (sized("dds", 12, struct.pack("<II", 13_000, 13_000)), "too large an image"),
        (sized("qoi", 4, struct.pack(">II", 13_000, 13_000)), "too large an image"),
        (sized("gif", 6, b"\xff" * 4), "too large an image"),
        (sized("bmp", 18, struct.pack("<ii", 10**5, 10**5)), "too large an image"),
        (sized("jp2", 48, struct.pack(">II", 10**4, 10**4)), "too large an image"),
        (lambda path: path.write_bytes(b"P3\n13000 13000\n255\n1"), "too large an image"),
        (lambda path: path.write_bytes(b"P5\n1 2000000\n255\n1"), "too large an image"),
        (sparse(b"\x89PNG\r\n\x1a\n", 2**40), "too large an image"),
        (sparse(b"\x89PNG\r\n\x1a\n", 2**25), "not an image that can be read"),
        (iptc, "not an image that can be read"),
        (cut_avif, "broken image"),
        (wrong_dds, "broken image"),
        (bomb, "too large an image"),
        (os.mkfifo, "not an image"),
        (lambda path: path.mkdir(), "not an image"),
        (lambda path: path.symlink_to("nowhere"), "no such file"),
        (lambda path: path.touch(), "empty file"),
        (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF"), "not an image that can be read"),
    ],
)
def test_whatever_a_file_holds_it_is_left_out_with_the_reason(tmp_path, spoil, reason):
    path = tmp_path / "x.png"
    spoil(path)
    fault = inspect_image(path).fault
    assert (fault.where, fault.reason) == (str(path), reason)
    with pytest.raises(UserError, match=f"^{path}: {reason}"):
        read_image(path, 3)


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 70), ("RGBA", (70, 70, 70, 255)), ("1", 1), ("I;16", 18_000)]
)
def test_images_of_very_many_pixels_are_reduced_alike_in_both_directions(
    tmp_path, monkeypatch, mode, colour
):
    monkeypatch.setattr(images_pixels, "LARGEST", 64)
    path = tmp_path / "x.png"
    Image.new(mode, (8, 32), colour).save(path, exif=exif(ORIENTATION)[6:])
    pixels = read_image(path, 3)
    assert pixels.shape == (4, 16, 3)  # half of it, turned
    np.testing.assert_array_equal(pixels, 255 if mode == "1" else 70)
    assert inspect_image(path).size == (4, 16)


def test_threads_wait_for_memory_and_one_that_needs_more_has_it_alone():
    budget = MemoryBudget(10)
    alive: list[int] = []

    def decode(size):
        with budget.taken(size):
            alive.append(size)
            together = [*alive]
            alive.remove(size)
        return sum(together) <= 10 or together == [size]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(decode, [4, 7, 3, 99, 10, 1] * 50))


def test_a_broken_image_from_python_is_named(tmp_path):
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "x.jpg")
    os.truncate(tmp_path / "x.jpg", 900)
    with Image.open(tmp_path / "x.jpg") as image, pytest.raises(UserError) as error:
        write_images([(noise(4, 4, 3), "a"), (image, "b")], tmp_path)
    assert str(error.value).startswith("data[1]: broken image (")


def test_floats_and_frames(tmp_path):
    Image.fromarray(np.array([[0, 0.2, np.nan, 1]], np.float32)).save(tmp_path / "f.tif")
    assert read_image(tmp_path / "f.tif", 1).ravel().tolist() == [0, 51, 0, 255]
    Image.fromarray(np.array([[-5, 0, 100_000, 3]], np.int32)).save(tmp_path / "i.tif")
    assert read_image(tmp_path / "i.tif", 1).ravel().tolist() == [0, 0, 255, 0]
    frames = [Image.new("L", (2, 2), value) for value in (9, 99)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert read_image(tmp_path / "a.webp", 1).ravel().tolist() == [9] * 4


def labelled(folder, data):
    folder.mkdir()
    write_images(data, folder)
    return {
        split: [(file.label, read_image(file.path, 3)[0, 0].tolist()) for file in files]
        for split, files in find_images(folder).files_of.items()
    }


def test_lists_arrays_and_frames_from_python(tmp_path):
    pandas = pytest.importorskip("pandas")
    paint(tmp_path / "caf\udce9.png")
    path = tmp_path / "caf\udce9.png"
    images = [path, np.full([4, 4, 1], 7, np.uint8), Image.new("RGB", (3, 3), (1, 2, 3)),
              np.full([2, 2], 0.2)]  # fmt: skip
    labels = ["a", "b", "a", 3]
    expected = [
        ("a", read_image(path, 3)[0, 0].tolist()),
        *[("b", [7] * 3), ("a", [1, 2, 3]), ("3", [51] * 3)],
    ]
    pairs = list(zip(images, labels, strict=True))
    assert labelled(tmp_path / "list", pairs) == {"train": expected}
    frame = pandas.DataFrame({"image": images, "label": labels, "number": range(4)})
    assert labelled(tmp_path / "frame", {"train": frame, "val": pairs[1:]}) == {
        "train": expected,
        "validation": expected[1:],
    }
    nameless = labelled(tmp_path / "nameless", [*pairs, (images[0], float("nan"))])
    assert nameless == {"train": expected}
    arrays = np.zeros([4, 8, 8, 3]), np.arange(4) % 2
    assert labelled(tmp_path / "arrays", arrays) == {"train": [("0", [0] * 3), ("1", [0] * 3)] * 2}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([("a.png", "x"), "b.png"], r"^data\[1\]: no pair; expected pairs \(image, label\)"),
        ([(np.zeros([4, 4, 2]), "x")], r"^data\[0\]: not an image: ndarray of shape \[4, 4, 2\]"),
        ([(np.full([4, 4], -1), "x")], r"^data\[0\]: pixels from -1 to -1"),
        (
            {"train": [], "learn": []},
            r"^data\['learn'\]: the splits are train, validation and test",
        ),
        ((np.zeros([3, 4, 4]), [1]), "^data: 3 images, but 1 labels"),
        ([], "^data: empty"),
        ("photos", "^data: a str; expected"),
    ],
)
def test_other_objects_are_refused(tmp_path, data, complaint):
    with pytest.raises(UserError, match=complaint):
        write_images(data, tmp_path)
