"""Ready splits, left-out items and the listing of a person's folders."""

import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.left_out import LeftOut, summary
from errorflow.pipelines.datasets.listing import printable, visible
from errorflow.pipelines.datasets.ready_splits import find_ready_splits


def make(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "DEV", "Testing"), ("TRAIN", "Validation", "eval")],
)
def test_splits_are_found_by_name_in_any_letter_case(tmp_path, names):
    ready = find_ready_splits(make(tmp_path, *names, "notes", ".cache"), lambda path: True)
    assert {split: path.name for split, path in ready.paths.items()} == dict(
        zip(("train", "validation", "test"), names, strict=True)
    )
    assert [path.name for path in ready.others] == ["notes"]
    assert ready.remarks == []


def test_a_file_is_a_split_whatever_its_suffix(tmp_path):
    for name in ("train.csv.gz", "test.jsonl"):
        (tmp_path / name).touch()
    assert [*find_ready_splits(tmp_path, lambda path: True).paths] == ["train", "test"]


def test_names_that_look_like_splits_are_reported(tmp_path):
    ready = find_ready_splits(make(tmp_path, "seg_train", "seg_test", "bullet"), lambda path: True)
    assert ready.paths == {}
    (remark,) = ready.remarks
    assert "seg_test, seg_train: named like a split" in remark


def test_classes_may_have_the_names_of_splits(tmp_path):
    folder = make(tmp_path, "train", "test")
    assert find_ready_splits(folder, lambda path: True, use=False).paths == {}
    assert find_ready_splits(folder, lambda path: path.name == "test").paths == {}


def test_two_folders_for_one_split_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"several validation splits \(dev, val\); keep one"):
        find_ready_splits(make(tmp_path, "train", "dev", "val"), lambda path: True)


def test_files_of_systems_are_not_listed(tmp_path):
    make(tmp_path, "cat", "__MACOSX", "@eaDir", ".git")
    for name in ("._cat.png", "Thumbs.db", "desktop.ini", "a.png"):
        (tmp_path / name).touch()
    assert [path.name for path in visible(tmp_path)] == ["a.png", "cat"]


def test_a_name_is_printable_whatever_its_bytes():
    assert printable(b"caf\xe9".decode(errors="surrogateescape")) == "caf\N{REPLACEMENT CHARACTER}"
    assert printable("\x1b[31mred") == "\N{REPLACEMENT CHARACTER}[31mred"
    assert printable("a\nb\u202ec\x9b") == "a\ufffdb\ufffdc\ufffd"
    assert (
        printable("میـ\u200cخواهم 👩\u200d🔬") == "میـ\u200cخواهم 👩\u200d🔬"
    )  # these joiners are letters
    printable(b"\xff".decode(errors="surrogateescape")).encode()


def test_left_out_items_are_counted_by_reason():
    items = [LeftOut("a.txt:1", "no text"), LeftOut("b.png", "broken image", "truncated")]
    assert summary([*items, LeftOut("a.txt:9", "no text")]) == [
        "2 left out: no text, first a.txt:1",
        "1 left out: broken image, b.png (truncated)",
    ]
