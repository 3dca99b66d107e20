"""Data from Python: every form gives the same files, which the tasks' readers take."""

import numpy as np
import pandas
import pytest
from errorflow import pipelines
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.pairs.pair_files import read_pairs
from errorflow.pipelines.datasets.python_data import store
from errorflow.pipelines.datasets.splits import SPLITS
from errorflow.pipelines.datasets.tags.tag_files import read_treebank
from errorflow.pipelines.datasets.text.document_files import read_documents
from errorflow.pipelines.registry import load_task

TEXTS, LABELS = [f"text number {i}" for i in range(20)], [i % 2 for i in range(20)]
PAIRS = list(zip(TEXTS, LABELS, strict=True))
SENTENCES = [(["Ada", f"met{i}"], ["NOUN", "VERB"]) for i in range(20)]
TOKENS = [(i, *pair) for i, s in enumerate(SENTENCES) for pair in zip(*s, strict=True)]


def stored(folder, task, data, **settings):
    """The folder that data are written to, and the config that reads them."""
    chosen, changes = load_task(task), {}
    config = replace(chosen.config(), **settings)
    path = store(folder, lambda empty: changes.update(chosen.write_data(config, data, empty)))
    return path, replace(config, **changes)


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (PAIRS, {}),
        ((TEXTS, [float(label) for label in LABELS]), {}),
        ({"text": TEXTS, "label": np.array(LABELS)}, {}),
        ([{"review": text, "id": n, "y": y} for n, (text, y) in enumerate(PAIRS)], {}),
        (pandas.DataFrame(PAIRS, columns=["review", "class"]), {}),
        (pandas.DataFrame(PAIRS), {"text_column": "0", "label_column": "1"}),
    ],
)
def test_every_form_of_labelled_texts_is_the_same_data(tmp_path, data, settings):
    path, config = stored(tmp_path, "documents", data, **settings)
    assert path == stored(tmp_path, "names", PAIRS)[0]  # written once
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert config.data.text_column is None
    items = read_documents(path)
    assert items.labels == ["0", "1"]
    assert sorted(row.text for split in SPLITS for row in items.rows_of[split]) == sorted(TEXTS)


def test_splits_and_missing_values_are_those_of_the_reader(tmp_path):
    train, rest = [*PAIRS, (None, 1), ("no label", float("nan"))], [("u", 0), ("v", 1)]
    path, _ = stored(tmp_path, "documents", {"Training": train, "val": rest, "test": rest})
    items = read_documents(path)
    assert {split: len(rows) for split, rows in items.rows_of.items()} == {
        "train": 20, "validation": 2, "test": 2
    }  # fmt: skip
    assert [(item.where, item.reason) for item in items.left_out] == [
        (f"{path / 'train.jsonl'}:21", "no text"),
        (f"{path / 'train.jsonl'}:22", "no label"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        SENTENCES,
        [list(zip(*sentence, strict=True)) for sentence in SENTENCES],  # as NLTK has them
        pandas.DataFrame(SENTENCES, columns=["tokens", "ner_tags"]),
        pandas.DataFrame(TOKENS, columns=["sentence_id", "word", "pos"]),
    ],
)
def test_every_form_of_tagged_sentences_is_read(tmp_path, data):
    items = read_treebank(stored(tmp_path, "tags", data)[0])
    found = [s[:2] for split in SPLITS for s in items.sentences_of[split]]
    assert sorted(found) == sorted((tuple(tokens), tuple(tags)) for tokens, tags in SENTENCES)


def test_pairs_are_read(tmp_path):
    pairs = [(f"w{i}", f"W {i}") for i in range(20)]
    sources_of = read_pairs(stored(tmp_path, "pronounce", pairs)[0]).sources_of
    assert sum(map(len, sources_of.values())) == 20


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("my.csv", r"^data: str; expected a DataFrame, .*; for files use data_dir$"),
        ([("a", 1), ("b",)], r"^data\[1\]: tuple; expected \(text, label\) or a dict$"),
        ([], "^data: empty$"),
        ({"train": PAIRS, "test": []}, r"^data\['test'\]: empty$"),
        ({"train": PAIRS, "unlabelled": PAIRS}, r"^data\['unlabelled'\]: the splits are train"),
        ({"text": ["a"], "label": [1, 2]}, r"^data: columns of different lengths \(text 1, lab"),
        (pandas.DataFrame({"a": ["x y"], "b": [1.5]}), "^data: .*; choose it with --label-column"),
    ],
)
def test_data_of_another_kind_are_refused_and_nothing_is_left(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        pipelines.train("documents", data=data, run_dir=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_two_sources_and_tasks_without_such_data_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"^data and dataset or data_dir are two sources"):
        pipelines.train("names", data=PAIRS, data_dir=tmp_path, run_dir=tmp_path)
    with pytest.raises(UserError, match=r"^data: this task takes no data from Python"):
        pipelines.train("actions", data=PAIRS, run_dir=tmp_path)
