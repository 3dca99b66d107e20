"""Documents: the layouts, predefined splits, errors, long documents, TFDS datasets."""

import sys
import unicodedata
from collections import Counter
from pathlib import Path

import ewt_genres
import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.left_out import LeftOut, summary
from errorflow.pipelines.datasets.splits import SPLITS, Row, split_of
from errorflow.pipelines.datasets.text.document_files import read_documents
from errorflow.pipelines.datasets.text.documents import load_documents
from errorflow.pipelines.datasets.text.label_files import read_folder


def lines(label, words, n):
    return [f"{label}\t{words} {i}" for i in range(n)]


GOOD = [*lines("bad", "awful film", 12), *lines("good", "a fine film", 8)]
SHARED = {"w": "abcd", "x": "acf", "y": "abd", "z": "abc"}  # no split of a, b, c, d, f gives all 4


def write(path, content):
    """A file of lines, or as many files as a folder has documents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else "\n".join(content).encode())
    return path


def spread(folder, content):
    """The same documents as a folder <class>/*.txt."""
    for number, line in enumerate(content):
        label, _, text = line.partition("\t")
        write(folder / label / f"{number:04}.txt", text.encode())
    return folder


def texts(rows):
    return [row.text for row in rows]


def every_row(items):
    return [row for split in SPLITS for row in items.rows_of[split]]


def count_words(texts):
    return np.array([len(text.split()) for text in texts])


def load(**options):
    return load_documents(**{"max_length": 400, "too_long": "cut", "length": count_words} | options)


def test_both_layouts_give_the_same_items(tmp_path):
    of_file = read_documents(str(write(tmp_path / "films.tsv", GOOD)))
    of_folder = read_documents(str(spread(tmp_path / "films", GOOD)))
    assert of_file.rows_of == of_folder.rows_of
    assert of_file.labels == of_folder.labels == ["bad", "good"]
    assert of_file.problems == of_folder.problems == []
    assert sorted(every_row(of_file)) == sorted(Row(*line.split("\t")) for line in GOOD)


def test_texts_are_cleaned(tmp_path):
    zoe = unicodedata.normalize("NFD", "Zoë")
    first = f"\ufeff{zoe} \t  Two\tparts,\u00a0 {zoe} \r"
    items = read_documents(write(tmp_path / "a.tsv", [first, *lines("Zoë", "x", 2), *GOOD]))
    assert items.labels == ["Zoë", "bad", "good"]
    assert Row("Zoë", "Two parts, Zoë") in every_row(items)
    folder = spread(tmp_path / "a", GOOD)
    write(folder / zoe / "1.txt", f"\ufeffTwo\r\n\n parts,  {zoe}\n".encode())
    spread(folder, [f"{zoe}\tx 0", f"{zoe}\tx 1"])
    assert Row("Zoë", "Two parts, Zoë") in every_row(read_documents(folder))


def test_other_files_are_left_out_and_hidden_ones_are_ignored(tmp_path):
    folder = spread(tmp_path / "d", GOOD)
    before = read_documents(folder)
    write(folder / "bad" / "._1.txt", b"\0")
    write(folder / ".git" / "1.txt", b"no class")
    write(folder / "__MACOSX" / "bad" / "1.txt", b"no class")
    assert read_documents(folder) == before
    notes = write(folder / "bad" / "notes.md", b"no document")
    readme = write(folder / "README.txt", b"no class either")
    items = read_documents(folder)
    assert items.rows_of == before.rows_of
    assert items.left_out == [
        LeftOut(str(notes), "not a .txt file"),
        LeftOut(str(readme), "not in the folder of a class"),
    ]


def test_files_without_a_suffix_are_documents_if_there_is_no_txt(tmp_path):
    for number, line in enumerate(GOOD):  # as the 20 newsgroups are given out
        label, _, text = line.partition("\t")
        write(tmp_path / label / "2001" / f"{number}", text.encode())
    assert len(every_row(read_documents(tmp_path))) == len(GOOD)


def test_repeated_and_empty_documents_are_left_out_and_reported(tmp_path):
    more = ["good\tSame  words", "good\tsame words", "good\tSAME WORDS ", "bad\tsame words"]
    path = write(tmp_path / "a.tsv", [*more, "good\t  ", "", *GOOD])
    items = read_documents(path)
    assert items.problems == []
    assert items.left_out == [
        LeftOut(f"{path}:5", "no text"),
        LeftOut(f"{path}:6", "no text"),
        LeftOut(f"{path}:2", "repeated document of its class"),
        LeftOut(f"{path}:3", "repeated document of its class"),
    ]
    same = [(split, row) for split in SPLITS for row in items.rows_of[split] if "ame" in row.text]
    assert sorted(row for _, row in same) == [Row("bad", "same words"), Row("good", "Same words")]
    assert len({split for split, _ in same}) == 1
    folder = spread(tmp_path / "d", GOOD)
    empty = write(folder / "good" / "x.txt", b"\n \n")
    assert read_documents(folder).left_out == [LeftOut(str(empty), "no text")]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "--data-dir {}: no document in it; expected a file of lines label<TAB>text, a "),
        (b"a\t\n\nb\t \n", "--data-dir {}: no document in it"),
        ("a\tb".encode("utf-16")[:-1], "{}:1: not utf-16 (byte 0x62 at position 7)"),
        ("a\tb".encode("utf-16-le"), "{}:1: not text (zero byte); save it as UTF-8"),
        (b"a\tb\nc\tcaf\xe9\n", "{}:2: not UTF-8 (byte 0xe9 at position 6)"),
        (["a\tb", "a,b"], "{}:2: no tab in the line; expected label<TAB>text"),
        (["a\tb", " \tb"], "{}:2: empty label; expected label<TAB>text"),
        (lines("a", "x", 9), "--data-dir {}: only one class ('a'); add a second"),
        (
            [*GOOD, "x\tb"],
            "--data-dir {}: label 'x' has 1 document, at least 3 are needed: one each for train,"
            " validation, test",
        ),
        ([*GOOD, "x\tb", "x\tc", "x\tB"], "--data-dir {}: label 'x' has 2 documents, at least 3"),
        (
            [f"{x}\t{y}" for x, ys in SHARED.items() for y in ys],
            "--data-dir {}: nearly all documents of label 'x' have other labels too; remove them",
        ),
    ],
)
def test_an_unusable_file_is_refused(tmp_path, content, complaint):
    path = write(tmp_path / "a.tsv", content)
    with pytest.raises(UserError) as error:
        read_documents(path)
    assert str(error.value).startswith(complaint.format(path))
    assert "\n" not in str(error.value)


def test_unusable_folders_are_refused(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(UserError, match=f"^--data-dir {nowhere}: no such file or folder; expected"):
        read_documents(nowhere)
    folder = tmp_path / "d"
    write(folder / "films.doc", b"")
    with pytest.raises(UserError, match=f"^--data-dir {folder}: no sub-folder in it; expected"):
        read_documents(folder)
    (folder / "ugly").mkdir()
    with pytest.raises(UserError, match=f"^--data-dir {folder}: no document in ugly; expected"):
        read_documents(folder)
    spread(folder, GOOD)
    remarks = read_documents(folder).problems
    assert remarks == [f"{folder / 'ugly'}: no document in it, so it is no class"]
    latin = write(folder / "ugly" / "1.txt", "first\ncafé".encode("latin-1"))
    with pytest.raises(UserError, match=f"^{latin}:2: not UTF-8"):
        read_documents(folder)


def test_ready_splits_are_taken_as_they_are(tmp_path):
    rows = {split: [f"{x}\t{split} {i}" for x in "ab" for i in range(3)] for split in SPLITS}
    write(tmp_path / "train.tsv", rows["train"])
    spread(tmp_path / "dev", rows["validation"])
    write(tmp_path / "test.txt", [*rows["test"], "a\tTrain 1"])
    write(tmp_path / "README.txt", b"no split")
    items = read_documents(tmp_path)
    assert texts(items.rows_of["train"]) == [f"train {i}" for _ in "ab" for i in range(3)]
    assert texts(items.rows_of["validation"]) == [f"validation {i}" for _ in "ab" for i in range(3)]
    assert len(items.rows_of["test"]) == 7
    assert list(items.rows_of) == list(SPLITS)
    assert items.problems == ["test: 1 of 7 documents are in train too"]


def test_the_layout_of_the_imdb_archive(tmp_path):
    for split in ("train", "test"):
        spread(
            tmp_path / split, [f"{x}\t{split} {x} {i}" for x in ("pos", "neg") for i in range(50)]
        )
        write(tmp_path / split / "labeledBow.feat", b"9 0:9")
    spread(tmp_path / "train", lines("unsup", "no label", 7))
    write(tmp_path / "imdb.vocab", b"the")
    items = read_documents(tmp_path)
    assert items.labels == ["neg", "pos"]
    assert {row.text.split()[0] for row in items.rows_of["test"]} == {"test"}
    carved = texts(items.rows_of["train"]) + texts(items.rows_of["validation"])
    assert sorted(carved) == sorted(f"train {x} {i}" for x in ("pos", "neg") for i in range(50))
    assert {split_of(text, ("train", "validation")) for text in texts(items.rows_of["train"])} == {
        "train"
    }
    assert items.problems == [
        f"{tmp_path}: no validation split; carved from train",
    ]
    assert summary(items.left_out) == [
        f"3 left out: not a .txt file, first {tmp_path / 'imdb.vocab'}",
        "7 left out: its class is in one split only, first"
        f" {tmp_path / 'train' / 'unsup' / '0000.txt'} (class 'unsup' in train)",
    ]


def test_classes_may_be_called_train_and_test_if_that_is_said(tmp_path):
    folder = spread(tmp_path, [*lines("train", "rails", 5), *lines("test", "exam", 5)])
    with pytest.raises(
        UserError, match=r"named like splits, .*; if they are classes, give --no-re"
    ):
        read_documents(folder)
    assert read_documents(folder, ready_splits=False).labels == ["test", "train"]


def test_ready_splits_that_do_not_fit_together_are_refused(tmp_path):
    write(tmp_path / "train.tsv", [*GOOD, "x\tonce"])
    with pytest.raises(
        UserError, match="label 'x' has 1 document, at least 3 are needed: one each"
    ):
        read_documents(tmp_path)
    write(tmp_path / "test.tsv", [*GOOD, "x\tagain"])
    with pytest.raises(
        UserError, match=r"label 'x' has 1 document, at least 2 .* train, validation$"
    ):
        read_documents(tmp_path)
    dev = write(tmp_path / "dev.tsv", lines("other", "x", 3))
    with pytest.raises(UserError, match=f"^--data-dir {dev}: no class of another split in it"):
        read_documents(tmp_path)
    write(tmp_path / "validation.txt", GOOD)
    with pytest.raises(UserError, match=r"several validation splits \(dev.tsv, validation.txt\)"):
        read_documents(tmp_path)


def long_and_short(folder):
    """Ready splits with documents of 2, and some of 5 words; those of class c all have 5."""
    for split, n in {"train": 10, "validation": 4, "test": 4}.items():
        short = [f"{x}\t{split} {x}{i}" for x in "ab" for i in range(n)]
        long = [f"{x}\t{split} one two three {x}{i}" for x in "ac" for i in range(n // 4)]
        write(folder / f"{split}.tsv", short + long)
    return folder


def test_long_documents_are_cut_or_left_out_and_counted(tmp_path):
    folder = long_and_short(tmp_path)
    cut = load(data_dir=folder, max_length=4)
    assert cut.labels == ["a", "b", "c"]
    assert count_words(cut.train.texts).max() == 5  # whole: the model cuts
    assert cut.problems == [
        "train: 4 of 24 documents have more than 4 words; cut",
        "validation: 2 of 10 documents have more than 4 words; cut",
        "test: 2 of 10 documents have more than 4 words; cut",
    ]
    skipped = load(data_dir=folder, max_length=4, too_long="skip")
    assert skipped.labels == ["a", "b"]
    assert [len(skipped.train), len(skipped.validation), len(skipped.test)] == [20, 8, 8]
    assert count_words(skipped.train.texts).max() == 2
    assert skipped.problems == ["class 'c': no training item"]
    reasons = Counter(item.reason for item in skipped.left_out)
    assert reasons == {"more than 4 words": 8}
    train = folder / "train.tsv"
    assert skipped.left_out[0] == LeftOut(f"{train}:21", "more than 4 words", "5 words")
    assert load(data_dir=folder, max_length=5, too_long="skip").left_out == []


def test_lengths_that_leave_nothing_are_refused(tmp_path):
    folder = long_and_short(tmp_path)
    with pytest.raises(UserError, match=r"0 classes .* at most 1 words, .* raise --max-length"):
        load(data_dir=folder, max_length=1, too_long="skip")
    write(folder / "test.tsv", ["a\tfar too many words", "b\tfar too many words"])
    with pytest.raises(UserError, match="no test document of at most 2 words is left; raise"):
        load(data_dir=folder, max_length=2, too_long="skip")
    assert len(load(data_dir=folder, max_length=2).test) == 2


def test_the_task_has_no_data_of_its_own():
    with pytest.raises(UserError) as error:
        load()
    message = str(error.value)
    for part in ("--data-dir", "label<TAB>text", "--dataset imdb_reviews", "ag_news_subset"):
        assert part in message
    code = "import tensorflow_datasets as t; t.builder('imdb_reviews').download_and_prepare()"
    assert message.endswith(f'{sys.executable} -c "{code}"')


def test_a_tfds_set_is_read_whole_and_carved(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.builders import Builder, prepare

    class TinyReviews(Builder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            label = tfds.features.ClassLabel(names=["neg", "pos"])
            features = {"text": tfds.features.Text(), "label": label}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {s: self._generate_examples(s) for s in ("train", "test", "unsupervised")}

        def _generate_examples(self, split):
            for i in range(60):
                label = -1 if split == "unsupervised" else i % 2
                yield i, {"text": f"{split} {'word ' * 999 if i == 7 else ''}{i}", "label": label}

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    prepare(TinyReviews)
    data = load(dataset="tiny_reviews", max_length=900)
    assert data.labels == ["neg", "pos"]
    assert len(data.train) + len(data.validation) == len(data.test) == 60
    assert len(data.validation) >= 2
    assert {text.split()[0] for text in data.train.texts + data.validation.texts} == {"train"}
    assert sorted(data.problems) == [
        "test: 1 of 60 documents have more than 900 words; cut",
        "tiny_reviews: no validation split; carved from train",
        f"train: 1 of {len(data.train)} documents have more than 900 words; cut",
    ]


@pytest.mark.parametrize(
    ("dataset", "text"), [("imdb_reviews", "text"), ("ag_news_subset", "description")]
)
def test_the_sets_that_are_proposed_can_be_read(dataset, text):
    from errorflow.pipelines.datasets.text.tfds_text import text_and_label
    from errorflow.pipelines.datasets.tfds_sets import find_builder

    assert text_and_label(find_builder(dataset)) == (text, "label")


def test_real_documents_of_five_genres(tmp_path):
    if not ewt_genres.EWT.is_dir():
        pytest.skip(f"no {ewt_genres.EWT}; set ERRORFLOW_DATA to the folder with ud-english-ewt")
    data = load(data_dir=ewt_genres.write_genres(tmp_path / "genres", ewt_genres.EWT))
    assert {label: tuple(tally.values()) for label, tally in data.counts.items()} == {
        "answers": (110, 61, 69),
        "email": (38, 15, 23),
        "newsgroup": (28, 35, 26),
        "reviews": (347, 192, 184),
        "weblog": (17, 14, 14),
    }
    assert data.problems[0] == "train: 112 of 540 documents have more than 400 words; cut"
    (repeated,) = data.left_out
    assert (Path(repeated.where).name[:14], repeated.reason[:8]) == ("validation.tsv", "repeated")


@pytest.mark.parametrize("read", [read_documents, lambda where: read_folder(where, 40)])
@pytest.mark.parametrize("place", ["reviews.txt", ""])
def test_lines_of_fasttext_are_texts_with_their_label(tmp_path, read, place):
    lines = [f"__label__{['no', 'yes'][i % 2]} a film, {i}" for i in range(40)]
    lines += ["__label__yes __label__no both", "neither", "__label__yes"]
    (tmp_path / "reviews.txt").write_text("\n".join(lines))
    items = read(tmp_path / place)
    assert items.labels == ["no", "yes"]
    assert sum(map(len, items.rows_of.values())) == 40
    assert Row("yes", "a film, 39") in {row for rows in items.rows_of.values() for row in rows}
    reasons = [item.reason for item in items.left_out]
    assert sorted(reasons) == ["no label", "no text", "several labels"]
