"""The embedded surnames: their cleaning, their split, the TFDS builder and other TFDS datasets."""

import importlib.metadata
import itertools
import os
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict

import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.splits import SPLITS, Row, content_hash, split_of, splits_hash
from errorflow.pipelines.datasets.text import faker_names, romanise
from errorflow.pipelines.datasets.text.text_data import load_text

FAKER = "40.54.0"  # the release the two figures below are of
CONTENT = "62e509db6d4778af18f5913ad572546147e2e3524af9766b667be9d24b53be68"
NAMES, DIFFERENT = 24475, 23986


def test_content_of_the_known_faker_release():
    if importlib.metadata.version("faker") != FAKER:
        pytest.skip(f"the recorded hash is of faker {FAKER}")
    rows = faker_names.rows()
    assert content_hash(rows) == CONTENT
    assert (len(rows), len({row.text for row in rows})) == (NAMES, DIFFERENT)


def test_every_language_has_enough_clean_names():
    rows = faker_names.rows()
    sizes = Counter(row.label for row in rows)
    assert len(sizes) >= 18
    assert min(sizes.values()) >= 200
    assert len(set(rows)) == len(rows)
    for _, name in rows:
        assert name == unicodedata.normalize("NFC", name).lower()
        letters = [c for c in name if c not in " '-\u0307"]
        assert all(unicodedata.name(c).startswith("LATIN SMALL LETTER") for c in letters), name


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        (" De  Boer", "de boer"),
        ("O’Brien", "o'brien"),
        ("Mac Giolla Íosa", "mac giolla íosa"),
        ("Zoe\u0308", "zoë"),
        ("Hemma van Allemanië", None),
        ("Klomp Jan", None),
        ("Bourgondië, van", None),
        ("VI", None),
        ("(अमात्य)", None),
        ("X", None),
        ("Name2", None),
    ],
)
def test_clean(name, cleaned):
    assert faker_names.clean(name) == cleaned


@pytest.mark.parametrize(
    ("romaniser", "name", "latin"),
    [
        (romanise.greek, "Παπαδοπούλου", "papadopoulou"),
        (romanise.greek, "Μπαλταγιάννης", "baltagiannis"),
        (romanise.greek, "Αγγελάκη", "angelaki"),
        (romanise.greek, "Μαυρίδη", "mavridi"),
        (romanise.greek, "Ευσταθίου", "efstathiou"),
        (romanise.ukrainian, "Гончаренко", "honcharenko"),
        (romanise.ukrainian, "Єременко", "yeremenko"),
        (romanise.ukrainian, "Матвієнко", "matviienko"),
        (romanise.ukrainian, "Згурський", "zghurskyi"),
        (romanise.ukrainian, "Худобʼяк", "khudobiak"),
        (romanise.armenian, "Հարությունյան", "harutyunyan"),
        (romanise.armenian, "Երկանյան", "yerkanyan"),
        (romanise.plain, "ჭელიძე", "chelidze"),
        (romanise.plain, "Дьячков", "dyachkov"),
        (romanise.chinese, "曾", "zeng"),
        (romanise.chinese, "欧阳", "ouyang"),
    ],
)
def test_usual_romanisation(romaniser, name, latin):
    assert romaniser(name) == latin


@pytest.mark.parametrize(
    "kin",
    [
        ("novák", "nováková"),
        ("sedláček", "sedláčková"),
        ("ivanov", "ivanova"),
        ("vishnevskiy", "vishnevskaya"),
        ("papadopoulos", "papadopoulou"),
        ("pérez", "perez"),
        ("əsgərov", "əsgərova"),
    ],
)
def test_spellings_of_one_surname_share_a_split(kin):
    assert len({faker_names.family(name) for name in kin}) == 1


def test_short_names_stay_apart():
    assert len({faker_names.family(name) for name in ("li", "lu", "liu", "lai", "luo")}) == 5


def test_the_split_does_not_depend_on_the_hash_seed():
    code = (
        "from errorflow.pipelines.datasets import splits as s;"
        "from errorflow.pipelines.datasets.text import faker_names as f;"
        "print(s.content_hash(f.rows()), [s.split_of(f.family(r.text)) for r in f.rows()])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    ]
    assert runs[0] == runs[1] != b""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """TFDS' default folder, for this module's tests alone."""
    import tensorflow_datasets as tfds

    folder = str(tmp_path_factory.mktemp("tfds"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", folder)
        yield folder


@pytest.fixture(scope="module")
def surnames(data_dir):
    return load_text(max_length=64)


def test_prepared_data_are_the_rows_and_leak_nothing(surnames):
    by_split = defaultdict(set)
    for split in SPLITS:
        part = getattr(surnames, split)
        rows = {
            Row(surnames.labels[i], text) for i, text in zip(part.labels, part.texts, strict=True)
        }
        assert len(rows) == len(part.texts)
        assert {split_of(faker_names.family(row.text)) for row in rows} == {split}
        by_split[split] = rows
    assert set().union(*by_split.values()) == set(faker_names.rows())
    texts = [{text for _, text in rows} for rows in by_split.values()]
    assert len(set().union(*texts)) == sum(map(len, texts))
    assert surnames.content_hash == splits_hash(by_split)
    assert surnames.problems == []


def test_every_language_is_in_every_split(surnames):
    assert min(n for tally in surnames.counts.values() for n in tally.values()) >= 5
    assert surnames.counts["Polish"]["test"] == sum(
        surnames.test.labels == surnames.labels.index("Polish")
    )


def test_lower_case_is_the_same_as_in_the_model(surnames):
    import tensorflow as tf

    lowered = tf.strings.lower(surnames.train.texts, encoding="utf-8").numpy()
    assert [text.decode() for text in lowered] == surnames.train.texts
    dotted = tf.strings.lower("İbrahimov", encoding="utf-8").numpy().decode()
    assert dotted == faker_names.clean("İbrahimov")


def test_changed_content_is_prepared_again(surnames):
    from errorflow.pipelines.datasets.text.surnames import Surnames

    content = content_hash(faker_names.rows())[:16]
    assert Surnames.BUILDER_CONFIGS[0].name == content
    assert content in surnames.source


def test_longer_names_are_left_out_and_counted(surnames):
    data = load_text(max_length=20)
    assert max(map(len, data.train.texts)) == 20
    assert {item.reason for item in data.left_out} == {"more than 20 characters"}
    assert len(data.left_out) == sum(
        len(text) > 20
        for split in ("train", "validation", "test")
        for text in getattr(surnames, split).texts
    )


@pytest.fixture(scope="module")
def tiny():
    """A registered builder whose rows, splits and interruptions the tests choose."""
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.builders import Builder

    class ErrorflowTiny(Builder):
        VERSION = tfds.core.Version("1.0.0")
        splits = ("train",)
        on_generate = staticmethod(bool)

        def _info(self):
            features = {
                "text": tfds.features.Text(),
                "other": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=["no", "yes", "never"]),
            }
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features), supervised_keys=("text", "label")
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in self.splits}

        def _generate_examples(self, split):
            self.on_generate()
            for i in range(60):
                label = -1 if split == "test" else i % 2
                text = "x" * 99 if i == 7 else f"{split} {i}"
                yield i, {"text": text, "other": "", "label": label}

    return ErrorflowTiny


def prepared(tiny, data_dir, monkeypatch, **attributes):
    from errorflow.pipelines.datasets.builders import prepare

    for name, value in attributes.items():
        monkeypatch.setattr(tiny, name, value)
    return prepare(tiny, data_dir)


def test_missing_splits_are_carved_from_train(tiny, monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    prepared(tiny, None, monkeypatch, splits=("train", "test"))
    data = load_text("errorflow_tiny", max_length=50)
    parts = [data.train.texts, data.validation.texts, data.test.texts]
    assert sorted(itertools.chain(*parts)) == sorted(f"train {i}" for i in range(60) if i != 7)
    assert all(parts)
    assert data.labels == ["no", "yes"]
    assert data.problems == [
        "errorflow_tiny: no validation and no test split; carved from train",
        "class 'never': no training item",
    ]
    assert Counter(item.reason for item in data.left_out) == {
        "more than 50 characters": 1,
        "no label": 60,
    }
    assert data.train.texts == load_text("errorflow_tiny", max_length=50).train.texts
    with pytest.raises(UserError, match=r"0 classes .* at most 3 characters.*raise --max-length"):
        load_text("errorflow_tiny", max_length=3)


def test_a_set_without_train_is_refused(tiny, monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    prepared(tiny, None, monkeypatch, splits=("test",))
    with pytest.raises(UserError, match="no train split, only test"):
        load_text("errorflow_tiny", max_length=50)


def test_a_run_that_prepares_at_the_same_time_does_no_harm(tiny, monkeypatch, tmp_path):
    from errorflow.pipelines.datasets.builders import prepare

    def other_run_is_faster():
        monkeypatch.setattr(tiny, "on_generate", bool)
        prepare(tiny, str(tmp_path))

    builder = prepared(
        tiny, str(tmp_path), monkeypatch, on_generate=staticmethod(other_run_is_faster)
    )
    assert builder.info.splits["train"].num_examples == 60
    assert len(list(builder.as_dataset("train"))) == 60
    assert [p.name for p in builder.data_path.parent.iterdir()] == ["1.0.0"]


def test_an_interrupted_preparation_leaves_nothing(tiny, monkeypatch, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(tiny, str(tmp_path), monkeypatch, on_generate=staticmethod(interrupt))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    builder = prepared(tiny, str(tmp_path), monkeypatch, on_generate=bool)
    assert builder.info.splits["train"].num_examples == 60


def test_a_folder_that_cannot_be_written_is_named(tiny, tmp_path):
    from errorflow.pipelines.datasets.builders import prepare

    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/errorflow_tiny.*cannot be written.*TFDS_DATA_DIR"):
        prepare(tiny, str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("agnews", "no such TFDS dataset; did you mean .*ag_news_subset"),
        ("imdb_reviews", r"not on this machine; fetch it with: .*builder\('imdb_reviews'\)"),
        ("mnist", r"needs one text and one class label; it has 0 texts .*\(image, label\)"),
        ("glue/nothing", "BuilderConfig nothing not found"),
        ("imdb_reviews:9.9.9", "cannot be loaded at version 9.9.9, only: 1.0.0"),
        ("huggingface:imdb", "not a dataset that comes with TFDS"),
        ("no set!", "Parsing builder name string no set! failed"),
    ],
)
def test_unusable_dataset_names(data_dir, dataset, message):
    with pytest.raises(UserError, match=message) as error:
        load_text(dataset, max_length=50)
    assert "\n" not in str(error.value)
