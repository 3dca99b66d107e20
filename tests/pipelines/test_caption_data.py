"""Images with captions, sequences of images with stories: the user's folders and TFDS datasets."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.image_text import captions, python_data, stories
from errorflow.pipelines.datasets.image_text.captions import load_captions
from errorflow.pipelines.datasets.image_text.stories import load_stories
from errorflow.pipelines.datasets.splits import SPLITS, split_of
from PIL import Image

RANDOM = np.random.default_rng(0)


def noise(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def save(path, *shape):
    path.parent.mkdir(exist_ok=True)
    pixels = noise(*shape)
    Image.fromarray(pixels).save(path)
    return pixels


def write(folder, name, lines):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / name).write_text("\n".join(texts))


def write_captions(folder, lines):
    write(folder, "captions.jsonl", lines)


def write_stories(folder, lines):
    write(folder, "stories.jsonl", lines)


def parts(data):
    return [getattr(data, split) for split in SPLITS]


def by_caption(data):
    """{first caption: (image, captions)} of all splits."""
    return {
        texts[0]: (image, texts)
        for part in parts(data)
        for image, texts in zip(part.images, part.texts, strict=True)
    }


@pytest.fixture
def photos(tmp_path):
    """Thirty colour images of two sizes in a folder of their own; {name: pixels}."""
    return {
        f"photos/{number}.png": save(tmp_path / f"photos/{number}.png", 9, 8 + number % 2, 3)
        for number in range(30)
    }


def test_photos_and_their_captions(tmp_path, photos):
    lines = [{"image": name, "caption": f" a  {name} "} for name in photos]
    lines += ["", {"image": "./photos/3.png", "captions": ["Third \u0065\u0301", "a photos/3.png"]}]
    write_captions(tmp_path, lines)
    data = load_captions(data_dir=str(tmp_path))
    examples = by_caption(data)
    assert examples.keys() == {f"a {name}" for name in photos}
    for name, pixels in photos.items():
        image, texts = examples[f"a {name}"]
        np.testing.assert_array_equal(image, pixels)
        assert texts == [f"a {name}", *(["Third é"] if name == "photos/3.png" else [])]
    for split, part in zip(SPLITS, parts(data), strict=True):
        files = [tmp_path / texts[0].removeprefix("a ") for texts in part.texts]
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        assert {*map(split_of, digests)} == {split}
        assert part.unseen.tolist() == [False] * len(part)
        np.testing.assert_array_equal(part.images[-1], list(part.images)[-1])
    assert data.shape == (None, None, 3)
    assert data.problems == []
    line = f"{tmp_path / 'captions.jsonl'}:32"
    assert data.left_out == [(line, "repeated caption", "a photos/3.png")]
    assert (data.source, data.labels) == (str(tmp_path), [])
    assert sum(data.counts["images"].values()) == 30
    assert sum(data.counts["captions"].values()) == 31


def test_the_content_hash_is_of_the_images_and_texts_and_their_splits_alone(tmp_path, photos):
    lines = [{"image": name, "caption": name} for name in photos]
    write_captions(tmp_path, lines)
    data = load_captions(data_dir=tmp_path)
    few = load_captions(data_dir=tmp_path, limit=6, seed=2)
    assert few.content_hash == data.content_hash
    assert few.counts["images"]["train"] == len(few.train) == len(list(few.train.images)) == 6
    assert min(map(len, parts(few))) == 1
    for text, (image, _) in by_caption(few).items():
        np.testing.assert_array_equal(image, photos[text])
    write_captions(tmp_path, lines[::-1])
    assert load_captions(data_dir=tmp_path).content_hash == data.content_hash
    save(tmp_path / "photos/0.png", 9, 8, 3)
    assert load_captions(data_dir=tmp_path).content_hash != data.content_hash


def test_images_of_other_names_are_the_same_data_and_in_other_splits_are_not(tmp_path, photos):
    lines = [{"image": name, "caption": f"photo {number}"} for number, name in enumerate(photos)]
    write_captions(tmp_path, lines)
    data = load_captions(data_dir=tmp_path)
    (tmp_path / "photos").rename(tmp_path / "pictures")
    lines = [{**line, "image": line["image"].replace("photos", "pictures")} for line in lines]
    write_captions(tmp_path, lines)
    again = load_captions(data_dir=tmp_path)
    assert again.content_hash == data.content_hash
    assert [part.texts for part in parts(again)] == [part.texts for part in parts(data)]
    hashes = set()
    for first in ("train", "test"):
        splits = [first, "test", "validation", *["train"] * 27]
        write_captions(tmp_path, [{**x, "split": y} for x, y in zip(lines, splits, strict=True)])
        hashes.add(load_captions(data_dir=tmp_path).content_hash)
    assert len(hashes) == 2


def test_named_splits_are_used_and_missing_ones_are_carved(tmp_path, photos):
    names = list(photos)
    lines = [
        {"image": name, "caption": name, "split": "test" if number % 3 else "train"}
        for number, name in enumerate(names)
    ]
    write_captions(tmp_path, lines)
    data = load_captions(data_dir=tmp_path)
    assert [texts[0] for texts in data.test.texts] == [n for i, n in enumerate(names) if i % 3]
    assert len(data.train) + len(data.validation) == 10
    assert len(data.validation) >= 1
    file = tmp_path / "captions.jsonl"
    assert data.problems == [f"{file}: no validation split; carved from train"]
    lines[0]["split"] = "validation"
    write_captions(tmp_path, lines)
    data = load_captions(data_dir=tmp_path)
    assert data.counts["images"] == {"train": 9, "validation": 1, "test": 20}
    assert data.problems == []


def test_left_out_images_are_reported(tmp_path, photos):
    whole = tmp_path / "photos" / "whole.jpg"
    Image.fromarray(noise(64, 64, 3)).save(whole)
    (tmp_path / "photos" / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    whole.unlink()
    (tmp_path / "photos" / "text.png").write_text("not an image")
    (tmp_path / "photos" / "._1.png").write_text("macOS leaves these")
    (tmp_path / "photos" / "1.png").write_bytes((tmp_path / "photos" / "0.png").read_bytes())
    splits = dict(zip(photos, ["train", "test", "validation"] * 10, strict=True))
    del splits["photos/29.png"], splits["photos/28.png"]
    splits |= {"photos/cut.jpg": "train", "photos/text.png": "test"}
    lines = [{"image": name, "caption": "x", "split": split} for name, split in splits.items()]
    write_captions(tmp_path, lines)
    data = load_captions(data_dir=tmp_path)
    assert sum(map(len, parts(data))) == 28
    there = tmp_path / "photos"
    first = there / "1.png"
    assert data.problems == [f"test: 1 of 9 images show an image of train, first {first}"]
    assert {(item.where, item.reason) for item in data.left_out} == {
        (str(there / "cut.jpg"), "broken image"),
        (str(there / "text.png"), "not an image that can be read"),
        (str(there / "28.png"), "image without a caption"),
        (str(there / "29.png"), "image without a caption"),
    }


def test_grey_photos_of_one_size(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", 5, 6)
    write_captions(tmp_path, [{"image": f"{n}.png", "caption": "x"} for n in range(3)])
    data = load_captions(data_dir=tmp_path)
    assert data.shape == (5, 6, 1)
    assert [image.shape for part in parts(data) for image in part.images] == [(5, 6, 1)] * 3


GOOD = {"image": "photos/0.png", "caption": "x"}
CAPTION = f"expected {captions.LAYOUT.line}"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"image": "a.jpg", caption}', ":3: not JSON (Expecting property name enclosed in"),
        ("[1]", f":3: not a JSON object; {CAPTION}"),
        ({**GOOD, "text": "x"}, f':3: unknown key "text"; {CAPTION}'),
        ({"caption": "x"}, f':3: no "image"; {CAPTION}'),
        ({"image": "photos/0.png"}, f':3: one of "caption" and "captions" is needed; {CAPTION}'),
        ({**GOOD, "captions": ["x"]}, ':3: one of "caption" and "captions" is needed; expected'),
        ({**GOOD, "caption": 3}, f':3: "caption" is not a text (3); {CAPTION}'),
        ({**GOOD, "caption": ["x"]}, ':3: "caption" is not a text (["x"]); expected'),
        ({**GOOD, "caption": " \t"}, f':3: "caption" is empty; {CAPTION}'),
        (
            {"image": "photos/0.png", "captions": "x"},
            ':3: "captions" is not a list of texts; expect',
        ),
        (
            {"image": "photos/0.png", "captions": []},
            ':3: "captions" is not a list of texts; expected',
        ),
        (
            {"image": "photos/0.png", "captions": ["x", ""]},
            ':3: a text of "captions" is empty; exp',
        ),
        ({"image": None, "caption": "x"}, ':3: "image" is not a text (null); expected'),
        (
            {**GOOD, "caption": "a dog \ud83d"},
            ":3: \"caption\" has half a character ('\\ud83d'); exp",
        ),
        (
            {**GOOD, "split": "dev"},
            ':3: "split" is "dev", not one of train, validation, test; expect',
        ),
        (
            {**GOOD, "split": ["test"]},
            ':3: "split" is ["test"], not one of train, validation, test;',
        ),
        ({**GOOD, "split": "test"}, ':1: no "split"; give it on all lines or on none'),
    ],
)
def test_a_bad_line_is_refused(tmp_path, photos, line, complaint):
    write_captions(tmp_path, [GOOD, "", line])
    with pytest.raises(UserError) as error:
        load_captions(data_dir=tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'captions.jsonl'}{complaint}")
    assert "\n" not in str(error.value)


def test_contradicting_splits_and_other_bytes_are_refused(tmp_path, photos):
    file = tmp_path / "captions.jsonl"
    write_captions(tmp_path, [{**GOOD, "split": "train"}, {**GOOD, "split": "test"}])
    with pytest.raises(UserError) as error:
        load_captions(data_dir=tmp_path)
    assert str(error.value) == (
        f'{file}:2: "split" is "test", but on line 1, for the same photos/0.png, "train"; give one'
    )
    file.write_bytes(b'{"image": "photos/0.png", "caption": "caf\xe9"}')
    with pytest.raises(UserError, match=f"^{file}:1: not UTF-8"):
        load_captions(data_dir=tmp_path)
    with pytest.raises(UserError, match=r"1 images for train, validation, test"):
        load_captions(data_dir=tmp_path, columns=captions.Columns(encoding="latin-1"))


def test_unusable_folders_are_refused(tmp_path, photos):
    def complaint(where):
        with pytest.raises(UserError) as error:
            load_captions(data_dir=where)
        return str(error.value)

    lines = f"lines {captions.LAYOUT.line}"
    expected = f"expected a folder with images and captions.jsonl, {lines}, or a table"
    nowhere, file = tmp_path / "nowhere", tmp_path / "captions.jsonl"
    assert complaint(nowhere) == f"--data-dir {nowhere}: no such file or folder; {expected}"
    nothing = "no captions.jsonl or table in it"
    assert complaint(tmp_path) == f"--data-dir {tmp_path}: {nothing}; {expected}"
    write_captions(tmp_path, ["", " "])
    assert complaint(file) == f"{file}: no line in it; expected lines {captions.LAYOUT.line}"
    assert complaint(tmp_path) == f"{file}: no line in it; expected lines {captions.LAYOUT.line}"
    write_captions(tmp_path, [{"image": f"photos/{n}.png", "caption": "x"} for n in (1, 1, 2)])
    assert complaint(tmp_path) == (
        f"{file}: 2 images for train, validation, test that can be read, at least 3 are needed,"
        " one each; add some"
    )


def texts_of(data):
    """{image file's number: captions} of all splits."""
    return {
        int(path.stem): texts
        for part in parts(data)
        for path, texts in zip(part.images.paths, part.texts, strict=True)
    }


PHRASES = {number: f"a phrase about picture {number}, at length" for number in range(30)}
TABLES = {
    "captions.txt": "image,caption\n"
    + "".join('{}.png,"{}"\n'.format(n, t.replace(", ", ",\n")) for n, t in PHRASES.items()),
    "results.csv": "image_name| comment_number| comment\n"
    + "".join(f"{n}.png| 0| {t}\n" for n, t in PHRASES.items()),
    "token.txt": "".join(f"{n}.png#0\t{t}\n" for n, t in PHRASES.items()),
    "any.jsonl": "".join(
        json.dumps({"file_name": f"photos/{n}.png", "text": [t]}) + "\n" for n, t in PHRASES.items()
    ),
    "coco.json": json.dumps(
        {
            "images": [{"id": 7 * n, "file_name": f"{n}.png"} for n in PHRASES],
            "annotations": [{"image_id": 7 * n, "caption": t} for n, t in PHRASES.items()],
        }
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_captions(tmp_path, photos, name):
    (tmp_path / name).write_text(TABLES[name])
    expected = {number: [text] for number, text in PHRASES.items()}
    assert texts_of(load_captions(data_dir=tmp_path)) == expected
    assert texts_of(load_captions(data_dir=tmp_path / name)) == expected


def test_images_that_are_missing_and_rows_without_a_caption_are_left_out(tmp_path, photos):
    lines = [f"{n}.png\t{text}\n" for n, text in PHRASES.items()]
    (tmp_path / "a.tsv").write_text("".join([*lines, "99.png\tx y\n", "0.png\t\n"]))
    data = load_captions(data_dir=tmp_path)
    assert {(item.where, item.reason) for item in data.left_out} == {
        (f"{tmp_path / 'a.tsv'}:31", "no such image"),
        (f"{tmp_path / 'a.tsv'}:32", "no caption"),
    }
    assert len(texts_of(data)) == 30


def test_ready_splits_of_captions(tmp_path):
    for split in ("train", "val", "test"):
        for number in range(2):
            save(tmp_path / split / f"{number}.png", 4, 4, 3)
        write_captions(tmp_path / split, [{"image": f"{n}.png", "caption": "x"} for n in (0, 1)])
    data = load_captions(data_dir=tmp_path)
    assert [len(part) for part in parts(data)] == [2, 2, 2]
    for split, part in zip(("train", "val", "test"), parts(data), strict=True):
        assert {path.parent.name for path in part.images.paths} == {split}
        (tmp_path / split / "captions.jsonl").unlink()
        table = f"image,caption\n0.png,a table of {split}\n1.png,and more of {split}\n"
        (tmp_path / f"{split}.csv").write_text(table)
    data = load_captions(data_dir=tmp_path)
    assert [part.texts[0] for part in parts(data)] == [
        [f"a table of {split}"] for split in ("train", "val", "test")
    ]


def test_captions_from_python(tmp_path, photos):
    pairs = [(tmp_path / name, PHRASES[n]) for n, name in enumerate(photos)]
    folder = tmp_path / "from python"
    folder.mkdir()
    own = np.zeros([4, 4]), ["x", "y"]
    python_data.write_captions({"train": [*pairs[2:], own], "test": pairs[:2]}, folder)
    data = load_captions(data_dir=folder)
    assert data.test.texts == [[PHRASES[0]], [PHRASES[1]]]
    assert ["x", "y"] in [*data.train.texts, *data.validation.texts]


def test_the_limit_does_not_depend_on_the_order_of_lines(tmp_path, photos):
    lines = [{"image": name, "caption": name} for name in photos]
    write_captions(tmp_path, lines)
    few = {
        text for texts in load_captions(data_dir=tmp_path, limit=9).train.texts for text in texts
    }
    write_captions(tmp_path, lines[::-1])
    again = load_captions(data_dir=tmp_path, limit=9).train.texts
    assert {text for texts in again for text in texts} == few


def test_messages_show_no_control_characters(tmp_path, photos):
    write_captions(tmp_path, [{**GOOD, "\x1b[31mevil\n": 1}])
    with pytest.raises(UserError, match="unknown key") as error:
        load_captions(data_dir=tmp_path)
    assert not any(character < " " for character in str(error.value))


def test_sequences_and_their_stories(tmp_path):
    shown = {
        f"{album}/{number}.png": save(tmp_path / f"{album}/{number}.png", 4, 5, 3)
        for album in "abcdefgh"
        for number in range(3)
    }
    of = {album: [name for name in shown if name[0] == album] for album in "abcdefgh"}
    lines = [{"images": names, "story": f"{album} runs"} for album, names in of.items()]
    lines[0]["story"] = ["A dog runs.", " It jumps . ", "it sleeps"]
    lines[1] |= {"images": of["b"][:2], "descriptions": ["a dog ", "sleep"]}
    of["b"] = of["b"][:2]
    lines.append({"images": of["h"], "story": "another one"})
    write_stories(tmp_path, lines)
    data = load_stories(data_dir=tmp_path)
    by_story = {
        texts[0]: (images, texts, described)
        for part in parts(data)
        for images, texts, described in zip(part.images, part.texts, part.descriptions, strict=True)
    }
    assert by_story["A dog runs . It jumps . it sleeps"][1] == ["A dog runs . It jumps . it sleeps"]
    assert by_story["h runs"][1] == ["h runs", "another one"]
    assert len(by_story["b runs"][0]) == 2
    assert [by_story[f"{album} runs"][2] for album in "bc"] == [["a dog", "sleep"], []]
    for album in "bcdefgh":
        for image, name in zip(by_story[f"{album} runs"][0], of[album], strict=True):
            np.testing.assert_array_equal(image, shown[name])
    assert data.shape == (4, 5, 3)
    assert sum(data.counts["sequences"].values()) == 8
    assert sum(data.counts["stories"].values()) == 9
    assert data.left_out == [(str(tmp_path / "b/2.png"), "image without a story", "")]
    (tmp_path / "c" / "1.png").write_text("not an image")
    data = load_stories(data_dir=tmp_path)
    assert sum(data.counts["sequences"].values()) == 7
    reasons = ["not an image that can be read", "an image of the sequence cannot be read"]
    assert [item.reason for item in data.left_out[:2]] == reasons


STORY = f"expected {stories.LAYOUT.line}"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"images": ["0.png"]}, f':1: no "story"; {STORY}'),
        ({"images": "0.png", "story": "x"}, f':1: "images" is not a list of texts; {STORY}'),
        ({"images": [], "story": "x"}, ':1: "images" is not a list of texts; expected'),
        ({"images": ["0.png"], "story": [" "]}, f':1: a text of "story" is empty; {STORY}'),
        ({"images": ["0.png"], "story": ["."]}, f':1: "story" is empty; {STORY}'),
        ({"images": ["0.png"], "story": {}}, ':1: "story" is not a text ({}); expected'),
        ({"images": ["0.png", "9.png"], "story": "x"}, ":1: no image '9.png' in the folder"),
        ({"images": ["0.png"], "story": "x", "image": "0.png"}, ':1: unknown key "image"; expect'),
        (
            {"images": ["0.png"], "story": "x", "descriptions": ["y", "z"]},
            ':1: 2 "descriptions" of 1 "images"; expected',
        ),
        ({"images": ["0.png"], "story": "x"}, ": 1 sequences for train, validation, test that ca"),
    ],
)
def test_a_bad_line_of_a_story_is_refused(tmp_path, line, complaint):
    save(tmp_path / "0.png", 4, 5)
    write_stories(tmp_path, [line])
    with pytest.raises(UserError) as error:
        load_stories(data_dir=tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'stories.jsonl'}{complaint}")


def test_there_is_no_other_set_of_stories(tmp_path):
    with pytest.raises(UserError, match=r"^--dataset vist: not a dataset of stories; leave it out"):
        load_stories("vist")


def test_own_data_are_read_without_tensorflow(tmp_path, photos):
    write_captions(tmp_path, [{"image": name, "caption": "x"} for name in photos])
    code = f"""
import sys
from errorflow.pipelines.datasets.image_text.captions import load_captions
from errorflow.pipelines.datasets.image_text.stories import load_stories
print(load_captions(data_dir={str(tmp_path)!r}).counts["captions"]["train"] > 20)
print("tensorflow" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["True", "False"]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """TFDS' default folder, for one test alone."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path / "tfds"


def tiny_builder(called, captions_feature, rows_of):
    """A registered builder of the given rows by split, prepared."""
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.builders import Builder, prepare

    class TinyCaptions(Builder):
        name = called
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            image = tfds.features.Image(shape=(None, None, 3))
            features = {"image": image, "captions": captions_feature, "id": np.int64}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in rows_of}

        def _generate_examples(self, split):
            yield from enumerate(rows_of[split])

    prepare(TinyCaptions)


def test_a_tfds_set_like_coco(data_dir):
    import tensorflow_datasets as tfds

    images = {f"picture {n}": noise(3, 4 + n % 3, 3) for n in range(40)}

    def rows(numbers):
        for n in numbers:
            name = f"picture {n}"
            texts = [] if n == 7 else [f" picture  {n}", name, f"{n}"]
            captions = [{"text": text, "id": i} for i, text in enumerate(texts)]
            yield {"image": images[name], "captions": captions, "id": n}

    feature = tfds.features.Sequence({"text": np.str_, "id": np.int64})
    rows_of = {"train": rows(range(30)), "val": rows(range(30, 33)), "restval": rows(range(33, 40))}
    tiny_builder("tiny_coco", feature, rows_of)
    data = load_captions("tiny_coco")
    assert data.shape == (None, None, 3)
    assert data.source == "tiny_coco/1.0.0"
    assert data.problems == [
        "tiny_coco train: 1 of 30 images have no caption; left out",
        "tiny_coco: no test split; carved from train",
    ]
    assert len(data.validation) == 3
    assert len(data.train) + len(data.test) == 29
    examples = by_caption(data)
    assert examples.keys() == {f"picture {n}" for n in range(33) if n != 7}
    for name, (image, texts) in examples.items():
        np.testing.assert_array_equal(image, images[name])
        assert texts == [name, name.removeprefix("picture ")]
    assert len(list(data.train.images)) == len(data.train.images)  # and once more
    few = by_caption(load_captions("tiny_coco", limit=5))
    assert len(few) < 10
    for name, (image, _) in few.items():
        np.testing.assert_array_equal(image, images[name])


def test_a_tfds_set_of_plain_captions(data_dir):
    import tensorflow_datasets as tfds

    def row(text):
        return {"image": noise(2, 2, 3), "captions": [text] if text else [], "id": 0}

    feature = tfds.features.Sequence(tfds.features.Text())
    rows_of = {split: [row(split)] for split in ("train", "validation", "test")}
    tiny_builder("tiny_plain", feature, rows_of)
    data = load_captions("tiny_plain")
    assert [part.texts for part in parts(data)] == [[[split]] for split in SPLITS]
    tiny_builder("tiny_silent", feature, {"train": [row("x"), row(""), row("")]})
    with pytest.raises(UserError, match=r"^--dataset tiny_silent: 1 training images with"):
        load_captions("tiny_silent")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("coco_captions", "not on this machine; fetch it with: .*coco_captions'"),
        ("coco_caption", "no such TFDS dataset; did you mean coco_captions"),
        ("mnist", r'needs one image and a sequence "captions"; it has 1 images \(image, label\)'),
    ],
)
def test_unusable_dataset_names(data_dir, dataset, message):
    with pytest.raises(UserError, match=f"^--dataset {dataset}: {message}") as error:
        load_captions(dataset)
    assert "\n" not in str(error.value)
    assert not data_dir.exists()
