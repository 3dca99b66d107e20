"""Texts that are larger than memory: they are read, split and fed as those in memory."""

import gzip
import itertools
import json

import numpy as np
import pytest
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets import stored
from errorflow.pipelines.documents import TASK as DOCUMENTS
from errorflow.pipelines.names import TASK as NAMES
from errorflow.pipelines.pronounce import TASK as PRONOUNCE
from errorflow.pipelines.pronounce.pairs import encode_pairs
from errorflow.pipelines.pronounce.training import vocabularies
from errorflow.pipelines.text_classification.training import build_training
from errorflow.pipelines.training.shares import WHOLE

WORDS = ["good", "bad", "film", "book", "new", "old", "long", "short", "é", "end"]
ODD = ["A\tnew  film", "B\tNew film", "A\tnew FILM", "C\t", "D\tone", "D\ttwo", "D\tthree"]


@pytest.fixture
def on_disk(monkeypatch):
    """Everything that takes more than some bytes is large."""

    def use():
        monkeypatch.setattr(stored, "IN_MEMORY", 300)

    return use


def lines(seed, count=400):
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(WORDS, random.integers(1, 7))) for _ in range(count)]
    return [f"{'ABC'[i % 3]}\t{text}" for i, text in enumerate(texts)] + ODD


def csv(rows):
    return "\n".join(["label,text", *(f'{label},"{text}, ""so"""' for label, text in rows), "A"])


def written(folder, kind):
    """Write a file of labelled texts, or a folder of ready splits."""
    rows = lines(0)
    pairs = [row.split("\t", 1) for row in rows]
    content = {
        "tabs": "\n".join(rows),
        "csv": csv(pairs),
        "json": "\n".join(
            json.dumps(dict(zip("yx", row.split("\t"), strict=False))) for row in rows
        ),
        "fasttext": "\n".join(f"__label__{row}".replace("\t", " ") for row in rows),
    }
    if kind == "splits":
        for seed, name in enumerate(["train", "test"]):
            (folder / f"{name}.txt").write_text("\n".join(lines(seed)), encoding="utf-8")
        return folder
    if kind == "gz":
        path = folder / "a.tsv.gz"
        path.write_bytes(gzip.compress("\r\n".join(rows).encode()))
        return path
    path = folder / {"csv": "a.csv", "json": "a.jsonl"}.get(kind, "a.txt")
    path.write_text(content[kind], encoding="utf-8")
    return path


def plain(data):
    """All that is known of the data, as lists."""
    names = ("content_hash", "counts", "problems", "source")
    known = {name: getattr(data, name) for name in names} | {"left_out": [*data.left_out]}
    for split in ("train", "validation", "test"):
        part = getattr(data, split)
        known[split] = [[*column] for column in vars(part).values()]
    return known


@pytest.mark.parametrize("task", [DOCUMENTS, NAMES], ids=lambda task: task.name)
@pytest.mark.parametrize("kind", ["tabs", "csv", "json", "fasttext", "splits", "gz"])
def test_large_texts_are_split_counted_and_left_out_as_small_ones(tmp_path, on_disk, task, kind):
    config = replace(task.config(), data_dir=written(tmp_path, kind), max_length=24)
    small = plain(task.read_data(config))
    on_disk()
    large = task.read_data(config)
    assert not isinstance(large.train.texts, list)
    assert plain(large) == small
    limited = replace(config, limit=50)
    assert len(task.read_data(limited).train) <= 50


def test_a_training_on_large_texts_gets_the_same_batches(tmp_path, on_disk):
    config = replace(DOCUMENTS.config(), data_dir=written(tmp_path, "csv")).resolved()

    def batches():
        data = DOCUMENTS.read_data(config)
        spec = build_training(config, data)
        spec.train_data.epoch = 1
        return [spec.train_data.share(WHOLE).take(20), spec.validation_data]

    small = batches()
    on_disk()
    for one, other in zip(itertools.chain(*small), itertools.chain(*batches()), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_large_pairs_are_those_of_a_small_file(tmp_path, on_disk):
    (tmp_path / "train.tsv").write_text(
        "\n".join(f"{line[2:] or 'x'}\t{line[:1:-1] or 'x'} y" for line in lines(0)), "utf-8"
    )
    (tmp_path / "test.tsv").write_text("good film\tx y\nlast\tz\nlast\tz\nnew\t1", "utf-8")
    config = replace(PRONOUNCE.config(), data_dir=tmp_path, target="character", max_length=20)
    read = [PRONOUNCE.read_data(config), PRONOUNCE.read_data(replace(config, limit=30))]
    on_disk()
    for small, limited in zip(read, (config, replace(config, limit=30)), strict=True):
        large = PRONOUNCE.read_data(limited)
        assert not isinstance(large.train.sources, list)
        assert plain(large) == plain(small)
    chosen, shape = np.arange(7), (20, 21)
    batches = []
    for data in (read[1], large):
        source, target = vocabularies(config, data)
        pairs = encode_pairs(data.train, "train", source, target, 20)
        batches.append([pairs.lengths, *pairs.take(chosen, shape)[1:]])
    for one, other in zip(*batches, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_fault_of_a_large_file_is_found_before_anything_is_used(tmp_path, on_disk):
    path = tmp_path / "a.tsv"
    row = b"A\t" + 9 * b"a good film " + b"\n"
    path.write_bytes(20_000 * row + b"\xff\n")  # more than are read at a time
    on_disk()
    with pytest.raises(UserError, match=r"a\.tsv:20001: not UTF-8 \(byte 0xff at position 1\)"):
        DOCUMENTS.find_data(replace(DOCUMENTS.config(), data_dir=path))
