"""Tagged sentences: reading CoNLL-U files and TFDS sets, errors, and the splits."""

import functools
import hashlib
import http.server
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.left_out import LeftOut
from errorflow.pipelines.datasets.splits import SPLITS, Row, splits_hash
from errorflow.pipelines.datasets.tags.conllu import read_conllu
from errorflow.pipelines.datasets.tags.sentences import Sentence, TagColumns
from errorflow.pipelines.datasets.tags.tag_data import load_tags
from errorflow.pipelines.datasets.tags.tag_files import read_tagged, read_treebank

DATA = Path(os.environ.get("ERRORFLOW_DATA", Path(__file__).parents[3] / "shared" / "data"))
EWT = DATA / "ud-english-ewt"


def line(identifier, form, tag):
    return "\t".join([str(identifier), form, "_", tag, *["_"] * 6])


def block(*pairs):
    return [line(i, *pair) for i, pair in enumerate(pairs, start=1)] + [""]


def numbered(letter, n):
    """Different sentences of a noun and a verb."""
    return [row for i in range(n) for row in block((f"{letter}{i}", "NOUN"), ("runs", "VERB"))]


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines if isinstance(lines, bytes) else "\n".join(lines).encode())
    return path


def treebank(folder, **files):
    for name, lines in files.items():
        write(folder / f"{name.replace('_', '-')}.conllu", lines)
    return folder


def first_words(part):
    return [sentence[0] for sentence in part.sentences]


def test_words_are_read_and_other_lines_are_skipped(tmp_path):
    lines = [
        "# sent_id = 1",
        line("1-2", "don't", "_"),
        line(1, "do", "AUX"),
        line(2, "n't", "PART"),
        line("2.1", "panic", "_"),
        "# inside",
        line(3, "20 000", "NUM"),
        "",
        "",
        line("0.1", "gap", "_"),
        line(1, "Zoe\u0308", "PROPN"),
    ]
    content = b"\xef\xbb\xbf" + "\r\n".join(lines).encode()  # and no end of line, no blank line
    path = write(tmp_path / "a.conllu", content)
    reading = read_conllu(path)
    assert reading.sentences == [
        Sentence(("do", "n't", "20\u00a0000"), ("AUX", "PART", "NUM"), f"{path}:3"),
        Sentence(("Zoë",), ("PROPN",), f"{path}:11"),
    ]
    assert reading.left_out == []


def test_sentences_without_words_or_tags_are_left_out_and_reported(tmp_path):
    good = block(("Go", "VERB"))
    lines = [
        "# alone",
        "",
        *good,
        *block(("a", "DET"), ("_", "_"), ("b", "_")),
        line("1-2", "x", "_"),
    ]
    path = write(tmp_path / "a.conllu", lines)
    reading = read_conllu(path)
    assert [one.tokens for one in reading.sentences] == [("Go",)]
    assert reading.left_out == [
        LeftOut(f"{path}:1", "no token"),
        LeftOut(f"{path}:6", "a token without tag", "'_'"),
        LeftOut(f"{path}:9", "no token"),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["", "1\tGo\tgo\tVERB"], "2: 4 columns, expected 10"),
        ([line("1", "Go", "VERB").replace("\t", " ")], "1: 1 columns, expected 10"),
        ([line("one", "Go", "VERB")], "1: id 'one', expected a number"),
        ([line(1, "Go", "VERB"), line(3, "on", "ADV")], "2: id 3 out of order, expected 2"),
        ([line(1, "Go", "VERB"), line(1, "Stay", "VERB")], "2: id 1 out of order, expected 2"),
        ([line("2-3", "don't", "_")], "1: id 2-3 out of order, expected 1"),
        ([line("1-1", "a", "_")], "1: id 1-1 out of order"),
        ([line("1.1", "gap", "_")], "1: id 1.1 out of order, expected 1"),
        ([line(1, "", "VERB")], "1: column 2 is empty, expected the form"),
        ([line(1, "Go", "VERB ")], "1: column 4 is 'VERB ', expected one UPOS tag"),
        (b"# caf\xe9\n", "1: not UTF-8 (byte 0xe9 at position 6)"),
        ("# a".encode("utf-16-le"), "1: not text (zero byte); save it as UTF-8"),
        (b"\n \n", "1: the file is empty; expected CoNLL-U"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path, lines, message):
    path = write(tmp_path / "a.conllu", lines)
    with pytest.raises(UserError) as error:
        read_conllu(path)
    assert str(error.value).startswith(f"{path}:{message}")
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.conllu").mkdir()
    with pytest.raises(UserError, match=r"a\.conllu: cannot be read \(Is a directory\)"):
        read_conllu(tmp_path / "a.conllu")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "no such file or folder"),
        ({}, "no .conllu file in it, nor another file of tagged sentences; expected a .conllu"),
        ({"my_dev": numbered("a", 3), "my_test": numbered("b", 3)}, "no train file in it"),
        (
            {"train": block(("a", "_"))},
            "no usable training sentence; .*train.conllu:1: a token without",
        ),
        ({"train": block(("a", "X"), ("b", "X"))}, "only one tag in training, 'X'"),
    ],
)
def test_unusable_folders_are_refused(tmp_path, files, message):
    folder = tmp_path / "bank"
    if files is not None:
        folder.mkdir()
        treebank(folder, **files)
    with pytest.raises(UserError, match=f"^--data-dir {folder}: {message}"):
        read_treebank(folder)


def test_a_file_of_another_kind_or_two_splits_in_a_name_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"notes\.txt: no column for the tag; .*--tag-column"):
        read_treebank(write(tmp_path / "notes.txt", ["no treebank"]))
    treebank(tmp_path, train_test=numbered("a", 3))
    with pytest.raises(UserError, match="its name says test and train; rename it"):
        read_treebank(tmp_path)


def test_files_go_to_the_split_their_name_says_in_sorted_order(tmp_path):
    treebank(
        tmp_path,
        x_ud_train_b=numbered("b", 2),
        x_ud_train_a=numbered("a", 1),
        x_ud_dev=numbered("d", 1),
        x_ud_test=[*numbered("t", 1), *numbered("t", 1)],
        latest=numbered("l", 1),
    )
    write(tmp_path / "._x-train.conllu", b"\0\5")
    items = read_treebank(tmp_path)
    heads = {split: [s.tokens[0] for s in items.sentences_of[split]] for split in SPLITS}
    # Repeated sentences of a published split stay.
    assert heads == {"train": ["a0", "b0", "b1"], "validation": ["d0"], "test": ["t0", "t0"]}
    (latest,) = items.left_out
    assert latest == LeftOut(
        str(tmp_path / "latest.conllu"), "its name says no split (train, dev, test)"
    )


def test_missing_splits_are_a_tenth_of_train_each_and_equal_sentences_stay_together(tmp_path):
    lines = numbered("a", 2000)
    capitals = [row.replace("\ta", "\tA") for row in lines]
    items = read_treebank(write(tmp_path / "mine.conllu", lines + capitals))
    sizes = [len(items.sentences_of[split]) for split in SPLITS]
    assert sum(sizes) == 4000
    assert np.array(sizes) / 4000 == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    heads = [{s.tokens[0].lower() for s in items.sentences_of[split]} for split in SPLITS]
    assert sum(map(len, heads)) == len(set.union(*heads)) == 2000
    assert items.problems == ["mine.conllu: no validation and no test split; carved from train"]
    treebank(tmp_path / "bank", train=lines, test=numbered("t", 1))
    items = read_treebank(tmp_path / "bank")
    assert [s.tokens[0] for s in items.sentences_of["test"]] == ["t0"]
    assert items.problems == ["bank: no validation split; carved from train"]
    assert 150 < len(items.sentences_of["validation"]) < 250


def bank_of_three(folder):
    long = block(("a", "DET"), ("b", "NOUN"), ("c", "VERB"), ("d", "X"))
    return treebank(
        folder,
        train=[*numbered("n", 9), *long],
        dev=[*numbered("n", 4), *block(("o", "INTJ"), ("b", "NOUN"))],
        test=[*numbered("n", 2), *long, *long],
    )


def test_arrays_labels_and_counts(tmp_path):
    data = load_tags(data_dir=str(bank_of_three(tmp_path)), max_length=9)
    assert data.labels == ["DET", "NOUN", "VERB", "X"]
    assert data.train.sentences[-1] == ("a", "b", "c", "d")
    assert data.train.tags[-1].tolist() == [0, 1, 2, 3]
    assert data.train.tags[0].dtype == np.int32
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 4, 4)
    assert data.counts["NOUN"] == {"train": 10, "validation": 4, "test": 4}
    assert data.problems == [
        "train: tag 'DET' occurs only once",
        "train: tag 'X' occurs only once",
    ]
    dev = tmp_path / "dev.conllu"
    assert data.left_out == [LeftOut(f"{dev}:13", "a tag that is never in train", "'INTJ'")]


def test_long_sentences_are_cut_or_left_out_and_counted(tmp_path):
    folder = bank_of_three(tmp_path)
    cut = load_tags(data_dir=folder, max_length=3)
    assert cut.labels == ["DET", "NOUN", "VERB"]  # the X lay behind the cut
    assert cut.test.sentences[-1] == ("a", "b", "c")
    assert cut.test.tags[-1].tolist() == [0, 1, 2]
    assert cut.problems[:2] == [
        "train: 1 of 10 sentences have more than 3 tokens; cut",
        "test: 2 of 4 sentences have more than 3 tokens; cut",
    ]
    skipped = load_tags(data_dir=folder, max_length=3, too_long="skip")
    assert max(len(sentence) for sentence in skipped.train.sentences) == 2
    assert len(skipped.test) == 2
    too_long = LeftOut(f"{tmp_path / 'test.conllu'}:7", "more than 3 tokens", "4 tokens")
    assert too_long in skipped.left_out
    assert skipped.content_hash == cut.content_hash


def test_lengths_that_leave_nothing_are_refused(tmp_path):
    folder = bank_of_three(tmp_path)
    with pytest.raises(UserError, match=r"no train sentence is left, of at most 1 .*--max-length"):
        load_tags(data_dir=folder, max_length=1, too_long="skip")
    treebank(tmp_path, train=block(("n", "NOUN"), ("v", "VERB")), dev=numbered("n", 1))
    with pytest.raises(UserError, match=r"only the tag 'NOUN' is left in train.*--max-length"):
        load_tags(data_dir=folder, max_length=1)


def test_limit_is_of_train_and_the_same_share_of_the_others(tmp_path):
    folder = treebank(
        tmp_path, train=numbered("n", 200), dev=numbered("d", 40), test=numbered("t", 3)
    )
    load = functools.partial(load_tags, data_dir=folder, max_length=9)
    data = load(limit=50, seed=1)
    assert [len(data.train), len(data.validation), len(data.test)] == [50, 10, 1]
    assert data.counts["VERB"] == {"train": 50, "validation": 10, "test": 1}
    assert first_words(data.train) == first_words(load(limit=50, seed=1).train)
    assert first_words(data.train) != first_words(load(limit=50, seed=2).train)
    assert first_words(data.train) != [f"n{i}" for i in range(50)]
    assert [len(load(limit=1).validation), len(load(limit=999).train)] == [1, 200]
    assert data.content_hash == load().content_hash


def test_content_hash_is_of_the_sentences_and_not_of_their_order(tmp_path):
    first = treebank(tmp_path / "1", train=[*numbered("a", 3), *numbered("b", 3)])
    second = treebank(tmp_path / "2", train=[*numbered("b", 3), *numbered("a", 3)])
    different = treebank(
        tmp_path / "3", train=[*numbered("b", 3), *block(("a0", "X")), *numbered("a", 3)]
    )
    hashes = [
        load_tags(data_dir=folder, max_length=9).content_hash
        for folder in (first, second, different)
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    data = load_tags(data_dir=first, max_length=9)
    rows_of = {
        split: [Row("NOUN VERB", " ".join(words)) for words in getattr(data, split).sentences]
        for split in SPLITS
    }
    assert hashes[0] == splits_hash(rows_of)


def test_the_real_treebank():
    if not EWT.is_dir():
        pytest.skip(f"no {EWT}; set ERRORFLOW_DATA to the folder that holds ud-english-ewt")
    data = load_tags(data_dir=EWT, max_length=200)
    assert (len(data.train), len(data.validation), len(data.test)) == (12_544, 2_001, 2_077)
    assert sum(tally["train"] for tally in data.counts.values()) == 204_577
    assert len(data.labels) == 17
    assert data.problems == []
    from errorflow.pipelines.datasets.tags.english_ewt import SHA256

    for name in ("en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"):  # the train split was rebuilt
        assert hashlib.sha256((EWT / name).read_bytes()).hexdigest() == SHA256[name]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """TFDS' default folder, for one test alone."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path / "tfds"


@pytest.fixture
def release(tmp_path, monkeypatch):
    """Three made-up files in place of the released treebank, on a server of this machine."""
    from errorflow.pipelines.datasets.tags import english_ewt

    lines = {"train": numbered("n", 5), "dev": numbered("d", 2), "test": numbered("t", 1)}
    files = [write(tmp_path / "www" / f"en_ewt-ud-{k}.conllu", rows) for k, rows in lines.items()]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert digests.keys() == english_ewt.SHA256.keys()
    monkeypatch.setattr(english_ewt, "SHA256", digests)
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(english_ewt, "URL", f"http://127.0.0.1:{server.server_port}/{{}}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield tmp_path / "www"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.mark.parametrize("dataset", [None, "english_ewt"])
def test_the_default_treebank_is_never_downloaded_without_a_command(data_dir, dataset):
    with pytest.raises(UserError) as error:
        load_tags(dataset, max_length=9)
    message = str(error.value)
    assert message.startswith("--dataset english_ewt (Universal Dependencies English EWT")
    assert "not on this machine" in message
    assert "--data-dir" in message
    code = "from errorflow.pipelines.datasets.tags.english_ewt import fetch; fetch()"
    assert message.endswith(f'fetch this one with: {sys.executable} -c "{code}"')
    assert not data_dir.exists()


def test_the_default_treebank_once_fetched(release, data_dir, capsys):
    from errorflow.pipelines.datasets.tags.english_ewt import fetch

    fetch()
    assert "english_ewt/2.16.0 is ready in" in capsys.readouterr().out
    data = load_tags(max_length=9)
    assert sorted(first_words(data.train)) == [f"n{i}" for i in range(5)]
    assert sorted(first_words(data.validation)) == ["d0", "d1"]
    assert first_words(data.test) == ["t0"]
    assert data.labels == ["NOUN", "VERB"]
    assert data.source == "english_ewt/2.16.0 (2 tags)"
    assert data.problems == []
    # The same sentences, read straight from the files, are the same data.
    assert data.content_hash == load_tags(data_dir=release, max_length=9).content_hash


def test_a_file_that_is_not_the_released_one_is_refused_every_time(release, data_dir):
    from errorflow.pipelines.datasets.tags.english_ewt import EnglishEWT, fetch

    dev = release / "en_ewt-ud-dev.conllu"
    good = dev.read_bytes()
    dev.write_bytes(good + b"\n")
    with pytest.raises(SystemExit, match=r"/en_ewt-ud-dev\.conllu: not the released file"):
        fetch()
    assert not list(data_dir.rglob("*.conllu")) + list(data_dir.rglob("dataset_info.json"))
    for _ in range(2):  # TFDS' own way, which keeps what it downloads
        with pytest.raises(UserError, match=r"/en_ewt-ud-dev\.conllu: not the released file"):
            EnglishEWT().download_and_prepare()
    dev.write_bytes(good)
    EnglishEWT().download_and_prepare()
    assert len(load_tags(max_length=9).validation) == 2


def test_a_failed_download_is_reported_in_one_line(release, data_dir):
    from errorflow.pipelines.datasets.tags import english_ewt

    (release / "en_ewt-ud-test.conllu").unlink()
    with pytest.raises(SystemExit, match=r"^errorflow: http.* cannot be downloaded \(.*404") as e:
        english_ewt.fetch()
    assert "\n" not in str(e.value)


def prepare_conll2003(folder):
    """TFDS' own builder, its download replaced by three files with two sentences each."""
    import tensorflow_datasets as tfds

    for name in ("train", "valid", "test"):
        rows = ["-DOCSTART- -X- O O", "", f"{name} NNP I-NP B-ORG", "runs VBZ I-VP O", ""]
        write(folder / f"{name}.txt", [*rows, "Stop VB I-VP O", ". . O O", "", ""])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *_: folder)
        tfds.builder("conll2003").download_and_prepare()


def test_conll2003_gives_parts_of_speech(tmp_path, data_dir):
    prepare_conll2003(tmp_path)
    data = load_tags("conll2003", max_length=9)
    assert data.labels == [".", "NNP", "VB", "VBZ"]
    assert sorted(data.validation.sentences) == [("Stop", "."), ("valid", "runs")]
    reasons = [(item.where.partition(":")[0], item.reason) for item in data.left_out]
    assert ("conll2003 dev", "no token") in reasons
    assert not any("carved" in problem for problem in data.problems)
    tags = dict(zip(data.test.sentences, data.test.tags, strict=True))
    assert tags["test", "runs"].tolist() == [1, 3]


def tiny_builder(features, sentences):
    """A registered builder of one split, train."""
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.builders import Builder, prepare

    class TinyTags(Builder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {name: tfds.features.Sequence(kind) for name, kind in features.items()}
                )
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(sentences)

    prepare(TinyTags)


def test_sentences_of_a_tfds_set_are_cleaned_checked_and_carved(data_dir):
    import tensorflow_datasets as tfds

    features = {
        "words": tfds.features.Text(),
        "ner": tfds.features.ClassLabel(names=["O", "PER", "_"]),
    }
    good = [{"words": [f" Zoe\u0308 {i}", "runs"], "ner": ["PER", "O"]} for i in range(30)]
    bad = [
        {"words": [], "ner": []},
        {"words": ["a", " "], "ner": ["O", "O"]},
        {"words": ["a", "b"], "ner": ["O"]},
        {"words": ["a", "b"], "ner": ["O", "_"]},
        {"words": ["a", "b"], "ner": ["O", -1]},
    ]
    tiny_builder(features, good + bad)
    data = load_tags("tiny_tags", max_length=9)
    parts = [data.train, data.validation, data.test]
    assert all(parts)
    assert {head for part in parts for head in first_words(part)} == {
        f"Zoë\u00a0{i}" for i in range(30)
    }
    assert data.labels == ["O", "PER"]
    assert data.problems == ["tiny_tags: no validation and no test split; carved from train"]
    assert Counter(item.reason for item in data.left_out) == {
        "an empty token": 1,
        "no token": 1,
        "not one tag per token": 1,
        "a token without tag": 2,
    }


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("conll20003", "no such TFDS dataset; did you mean .*conll2003"),
        ("conll2003", r"not on this machine; fetch it with: .*builder\('conll2003'\)"),
        ("xtreme_pos", r"not on this machine; fetch it with: .*builder\('xtreme_pos'\)"),
        ("imdb_reviews", r"needs a sequence of texts .* it has 0 of the one and 0 of the other"),
    ],
)
def test_unusable_dataset_names(data_dir, dataset, message):
    with pytest.raises(UserError, match=f"^--dataset {dataset}: {message}") as error:
        load_tags(dataset, max_length=9)
    assert "\n" not in str(error.value)


BIO = [(("Ada", "sees", f"Rome{i}"), ("B-PER", "O", "B-LOC")) for i in range(12)]


def rows(mark, sep="\t", before=(), after=(), blank=""):
    """Lines of columns: what stands before the token, token, what stands after it, tag."""
    return [
        line
        for tokens, tags in BIO
        for line in [
            *(
                sep.join([*(x.format(n=n) for x in before), token, *after, tag])
                for n, (token, tag) in enumerate(zip(tokens, tags, strict=True), start=1)
            ),
            *([blank] if mark else []),
        ]
    ]


def numbered_rows(sep, numbers):
    return [
        sep.join([number, token, tag])
        for (tokens, tags), n in zip(BIO, range(len(BIO)), strict=True)
        for number, token, tag in zip(numbers(n), tokens, tags, strict=True)
    ]


def as_json(key, tags):
    return [json.dumps({"id": 7, key: tokens, tags: labels}) for tokens, labels in BIO]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("bio.txt", rows(mark=True)),
        ("bio.tsv", ["token\ttag", *rows(mark=True, blank=" ")]),
        ("eng.testa", ["-DOCSTART- -X- O O", "", *rows(True, " ", after=("NNP", "I-NP"))]),
        ("german.iob", ["#\thttp://x [2009]", *rows(mark=True, before=("{n}",))]),
        ("two.csv", rows(mark=True, sep=",")),
        ("kaggle.csv", ["Sentence #,Word,Tag", *numbered_rows(",", lambda n: [f"S {n}", "", ""])]),
        ("ids.tsv", ["sentence_id\ttoken\tupos", *numbered_rows("\t", lambda n: 3 * [str(n)])]),
        ("lists.jsonl", as_json("tokens", "ner_tags")),
        ("lists.json", [json.dumps([{"words": w, "tags": t} for w, t in BIO])]),
        (
            "strings.csv",
            ["sentence,labels", *(f"{' '.join(w)},{' '.join(t)}" for w, t in BIO)],
        ),
        ("python.tsv", ["tokens\tpos", *(f"{[*w]}\t{[*t]}" for w, t in BIO)]),
    ],
)
def test_every_format_gives_the_same_sentences(tmp_path, name, lines):
    reading = read_tagged(write(tmp_path / name, [*lines, ""]))
    assert [(one.tokens, one.tags) for one in reading.sentences] == BIO
    assert reading.left_out == []


def test_columns_are_chosen_by_name_or_number_and_named_if_they_are_missing(tmp_path):
    lines = [x for tokens, _ in BIO for x in [*(f"{t} {t.upper()} O X" for t in tokens), ""]]
    path = write(tmp_path / "a.conll", lines)
    reading = read_tagged(path, TagColumns(token="2", tag="3"))
    assert reading.sentences[0][:2] == (("ADA", "SEES", "ROME0"), ("O", "O", "O"))
    assert read_tagged(path).remarks == [f"{path}: token from column 1, tag from column 4"]
    with pytest.raises(UserError, match=r"a.conll: no column 9 \(--tag-column\); columns: 1 to 4"):
        read_tagged(path, TagColumns(tag="9"))
    path = write(tmp_path / "a.csv", ["word,pos,ner", "a,b,c", "d,e,f"])
    with pytest.raises(UserError, match=r"pos or ner could be the tag; choose it with --tag-col"):
        read_tagged(path)
    with pytest.raises(UserError, match=r"nothing says where a sentence ends: .*--sentence-column"):
        read_tagged(path, TagColumns(tag="ner"))


def test_sentences_of_columns_that_cannot_be_used_are_left_out(tmp_path):
    lines = ["a\tX", "b", "", "c\t", "", "d\x1b\tX", "", "e\tX", "f\tY"]
    path = write(tmp_path / "a.tsv", lines)
    reading = read_tagged(path)
    assert [one.tokens for one in reading.sentences] == [("e", "f")]
    assert sorted(reading.left_out) == [
        LeftOut(f"{path}:2", "a line with another number of columns", "1 instead of 2"),
        LeftOut(f"{path}:4", "a token without tag", "'c'"),
        LeftOut(f"{path}:6", "control character"),
    ]


def test_splits_are_named_by_files_and_folders_whatever_their_case(tmp_path):
    for name in ("eng.train", "ENG.TESTA", "eng.testb", "README.txt"):
        write(tmp_path / "conll" / name, rows(mark=True))
    items = read_treebank(tmp_path)  # and the only folder is descended into
    assert {split: len(items.sentences_of[split]) for split in SPLITS} == dict.fromkeys(SPLITS, 12)
    assert [Path(item.where).name for item in items.left_out] == ["README.txt"]
    together = read_treebank(tmp_path, ready_splits=False)
    assert sum(map(len, together.sentences_of.values())) == 36
    for split in ("Training", "val", "eval"):
        write(tmp_path / "folders" / split / "a.bio", rows(mark=True))
    items = read_treebank(tmp_path / "folders")
    assert {split: len(items.sentences_of[split]) for split in SPLITS} == dict.fromkeys(SPLITS, 12)
