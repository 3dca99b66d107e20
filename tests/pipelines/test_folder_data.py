"""The user's folder of text files: reading, errors, and the splits."""

import hashlib
import json
import os
import random
import unicodedata
from pathlib import Path

import pytest
from errorflow.pipelines.core.console import shorten
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.left_out import LeftOut
from errorflow.pipelines.datasets.pairs.pair_files import read_pairs
from errorflow.pipelines.datasets.splits import (
    SPLITS,
    Row,
    assign_splits,
    content_hash,
    hash_fraction,
    split_of,
    splits_hash,
    stratified_subsample,
)
from errorflow.pipelines.datasets.tags.tag_files import read_treebank
from errorflow.pipelines.datasets.text.document_files import read_documents
from errorflow.pipelines.datasets.text.label_files import read_folder
from errorflow.pipelines.datasets.text.text_data import load_text


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for label, content in files.items():
        lines = content if isinstance(content, bytes) else "\n".join(content).encode()
        (folder / f"{label}.txt").write_bytes(lines)
    return folder


def names(letter, n):
    return [f"{letter}{i}" for i in range(n)]


def texts(items, label):
    return sorted(row.text for rows in items.rows_of.values() for row in rows if row.label == label)


def test_lines_are_cleaned_and_every_bad_one_is_reported_with_its_place(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Zoë")
    lines = [
        b"\xef\xbb\xbfAda\r",
        b"  Bea \t",
        b"",
        decomposed.encode(),
        b"Ren\xe9",
        b"x" * 11,
        b"a\0b",
    ]
    folder = write(tmp_path / "d", A=b"\n".join(lines), B=names("b", 5))
    items = read_folder(folder, max_length=10)
    assert texts(items, "A") == ["Ada", "Bea", "Zoë"]
    path = folder / "A.txt"
    assert sorted(items.left_out) == [
        LeftOut(f"{path}:3", "no text"),
        LeftOut(
            f"{path}:5", "not UTF-8; give --encoding, such as cp1252", "byte 0xe9 at position 4"
        ),
        LeftOut(f"{path}:6", "more than 10 characters", "11 characters"),
        LeftOut(f"{path}:7", "control character"),
    ]


def test_a_repeated_item_counts_once_whatever_its_case(tmp_path):
    folder = write(tmp_path / "d", A=["Ada", "ADA", "Ada", "Bea", "Cy"], B=names("b", 5))
    items = read_folder(folder, max_length=10)
    assert texts(items, "A") == ["Ada", "Bea", "Cy"]
    assert items.left_out == [
        LeftOut(f"{folder / 'A.txt'}:{line}", "repeated item of its class") for line in (2, 3)
    ]


def test_hidden_files_and_other_suffixes_are_not_classes(tmp_path):
    folder = write(tmp_path / "d", A=names("a", 3), B=names("b", 3))
    (folder / "._A.txt").write_bytes(b"\0\5")
    (folder / "notes.md").write_text("no class")
    items = read_folder(folder, 10)
    assert items.labels == ["A", "B"]
    assert [Path(item.where).name for item in items.left_out] == ["notes.md"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no .txt file"),
        ({"A": ["a", "b", "c"]}, r"only one class \(A.txt\)"),
        ({"A": ["a", "b", "c"], "B": b""}, "B.txt: .*the file is empty"),
        ({"A": ["a", "b", "c"], "B": b"\xff\xff\n"}, "B.txt: .*B.txt:1: not UTF-8"),
        ({"A": ["a", "b", "c"], "B": "ab".encode("utf-16-le")}, "B.txt: .*:1: control character"),
        ({"A": ["a", "b", "c"], "B": ["d", "e"]}, "label 'B' has 2 items, at least 3"),
        ({"A": ["a", "b", "c"], "B": ["waytoolongaline"] * 3}, r"more than 10 characters \(15 ch"),
    ],
)
def test_unusable_folders_are_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        read_folder(write(tmp_path / "d", **files), max_length=10)


def test_a_missing_folder_and_a_file_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        read_folder(tmp_path / "nowhere", 10)
    (tmp_path / "A.txt").write_text("a\nb\nc")
    with pytest.raises(UserError, match=r"A\.txt: is a file without columns; give the folder"):
        read_folder(tmp_path / "A.txt", 10)


def test_the_split_depends_on_the_item_alone():
    rows = [Row("A", name) for name in names("a", 300)] + [Row("B", n) for n in names("b", 300)]
    shuffled = random.Random(1).sample(rows, len(rows))
    first, second = assign_splits(rows), assign_splits(shuffled)
    assert {split: set(first[split]) for split in SPLITS} == {s: set(second[s]) for s in SPLITS}
    assert all(split_of(row.text) == split for split in SPLITS for row in first[split])
    # SHA-256("abc") begins ba7816bf8f01, by FIPS 180-2.
    assert hash_fraction("abc") == 0xBA7816BF8F01 / 2**48


def test_a_tenth_each_goes_to_validation_and_test():
    rows = assign_splits([Row("A", name) for name in names("a", 20_000)])
    assert [len(rows[split]) / 20_000 for split in SPLITS] == pytest.approx(
        [0.8, 0.1, 0.1], abs=0.01
    )


def test_an_item_of_two_classes_is_in_one_split():
    shared = names("s", 50)
    rows_of = assign_splits([Row(label, text) for label in "AB" for text in shared])
    splits = [{row.text for row in rows_of[split]} for split in SPLITS]
    assert sum(len(texts) for texts in splits) == len(set().union(*splits)) == 50


@pytest.mark.parametrize("size", [3, 4, 10])
def test_small_classes_are_in_every_split(size):
    for trial in range(30):
        labels = [f"{trial}{letter}" for letter in "abc"]
        rows_of = assign_splits(
            [Row(label, name) for label in labels for name in names(label, size)]
        )
        assert all({row.label for row in rows_of[split]} == set(labels) for split in SPLITS)


def test_content_hash_is_of_the_sorted_lines():
    rows = [Row("B", "y"), Row("A", "ü")]
    assert content_hash(rows) == content_hash(rows[::-1])
    assert content_hash(rows) == hashlib.sha256("A\tü\nB\ty\n".encode()).hexdigest()


def test_the_hash_of_splits_depends_on_the_items_of_each_split():
    one, other = [Row("A", "x")], [Row("A", "y")]
    hashed = splits_hash({"train": one, "test": other})
    assert hashed == splits_hash({"test": other, "train": one})
    assert hashed != splits_hash({"train": other, "test": one})
    assert hashed == hashlib.sha256(b"test\tA\ty\ntrain\tA\tx\n").hexdigest()


def test_limit_keeps_every_label_and_its_share():
    rows = [Row("A", n) for n in names("a", 900)] + [Row("B", n) for n in names("b", 100)]
    subsample = stratified_subsample(rows, 100, seed=1)
    share = sum(row.label == "A" for row in subsample)
    assert 98 <= len(subsample) <= 100
    assert 88 <= share <= 91
    assert (
        subsample
        == stratified_subsample(rows, 100, seed=1)
        != stratified_subsample(rows, 100, seed=2)
    )
    assert len(stratified_subsample(rows, 2, seed=1)) == 2
    assert stratified_subsample(rows, 5000, seed=1) == rows


def test_load_text_gives_arrays_counts_and_hash(tmp_path):
    folder = write(tmp_path / "d", A=names("a", 40), B=["", *names("b", 20), ""])
    data = load_text(data_dir=str(folder), max_length=10)
    assert data.labels == ["A", "B"]
    assert data.train.labels.dtype == "int32"
    assert [text[0] for text in data.train.texts] == ["ab"[i] for i in data.train.labels]
    assert sum(data.counts["A"].values()) == 40
    assert data.counts["B"]["test"] == sum(data.test.labels == 1)
    (empty,) = data.left_out  # and none after the last line's end
    assert empty == LeftOut(f"{folder / 'B.txt'}:1", "no text")
    limited = load_text(data_dir=str(folder), max_length=10, limit=10)
    assert len(limited.train.texts) <= 10
    assert limited.content_hash == data.content_hash


def test_a_limit_below_the_number_of_classes_is_refused(tmp_path):
    folder = str(write(tmp_path / "d", A=names("a", 9), B=names("b", 9)))
    with pytest.raises(UserError, match="--limit 1: less than the number of classes, 2"):
        load_text(data_dir=folder, max_length=10, limit=1)


def test_problems_are_shortened():
    assert shorten(["a", "b"]) == ["a", "b"]
    assert shorten(names("p", 7), shown=2) == ["p0", "p1", "and 5 more"]


def table(rows, separator=",", header=("name", "language")):
    return "".join(separator.join(row) + "\n" for row in ([header] if header else []) + rows)


ROWS = [(f"{letter}{i}", letter.upper()) for letter in "ab" for i in range(20)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.csv", table(ROWS)),
        ("names.csv", table(ROWS, ";", header=None)),
        ("names.tsv", table([row[::-1] for row in ROWS], "\t", header=None)),  # label<TAB>text
        ("names.tsv", table(ROWS, "\t", header=None)),
        ("names.jsonl", "".join(json.dumps({"y": y, "text": x}) + "\n" for x, y in ROWS)),
    ],
)
def test_a_table_gives_the_items_of_a_folder(tmp_path, name, content):
    folder = write(tmp_path / "d", A=names("a", 20), B=names("b", 20))
    path = tmp_path / "t" / name
    path.parent.mkdir()
    path.write_text(content)
    expected = {split: set(rows) for split, rows in read_folder(folder, 10).rows_of.items()}
    for where in (path, path.parent):
        items = read_folder(where, 10)
        assert {split: set(rows) for split, rows in items.rows_of.items()} == expected
        assert not items.left_out


def test_ready_splits_are_folders_or_tables_whatever_their_case(tmp_path):
    write(tmp_path / "Training", A=names("a", 5), B=names("b", 5))
    (tmp_path / "DEV.csv").write_text(table([("c", "A"), ("d", "B"), ("a1", "A"), ("", "B")]))
    (tmp_path / "test.tsv").write_text("id\tname\n1\tx\n2\ty\n")  # of a competition
    (tmp_path / "notes.doc").write_text("x")
    items = read_folder(tmp_path, 10)
    assert [len(items.rows_of[split]) for split in SPLITS] == [7, 3, 3]
    assert items.problems[:2] == [
        f"{tmp_path}: no test split; carved from train",
        "validation: 1 of 3 items are in train too",
    ]
    assert {Path(item.where).name: item.reason for item in items.left_out} == {
        "notes.doc": "not in a split",
        "test.tsv": "a split without labels",
        "DEV.csv:5": "no text",
    }


def test_files_called_like_splits_are_classes_unless_they_have_columns(tmp_path):
    folder = write(tmp_path / "d", train=names("t", 5), test=names("u", 5))
    assert read_folder(folder, 10).labels == ["test", "train"]
    write(tmp_path / "d", train=[f"{x}\t{y}" for y, x in ROWS], test=["A\tx", "B\ty", "B\tz"])
    assert read_folder(folder, 10).labels == ["A", "B"]
    assert read_folder(folder, 10, ready_splits=False).labels == ["test", "train"]


def test_names_of_classes_that_no_terminal_can_show(tmp_path):
    folder = write(tmp_path / "d", A=names("a", 3))
    (folder / os.fsdecode(b"Fran\xe7ais.txt")).write_text("x\ny\nz")
    assert read_folder(folder, 10).labels == ["A", "Fran\ufffdais"]
    (folder / "Fran\ufffdais.txt").write_text("x\ny\nz")
    with pytest.raises(UserError, match=r"class 'Fran\ufffdais' is also in Fran\ufffdais.txt"):
        read_folder(folder, 10)
    path = tmp_path / "a.csv"
    path.write_text(table([*ROWS, ("x", "red\x1b"), ("y", "red\x07")]))
    with pytest.raises(UserError, match="label 'red\ufffd': two different names look like this"):
        read_folder(path, 10)


@pytest.mark.parametrize("where", ["~nobody-here/x", "x" * 300, "a\0b", "pipe", "A.txt/x"])
@pytest.mark.parametrize("reader", [read_documents, read_pairs, read_treebank, read_folder])
def test_paths_that_cannot_be_are_refused_in_one_line(tmp_path, monkeypatch, where, reader):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("A.txt").write_text("a")
    with pytest.raises(UserError, match=r"^--data-dir ") as error:
        reader(where, 10) if reader is read_folder else reader(where)
    assert str(error.value).isprintable()
