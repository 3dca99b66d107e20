"""Properties of the data of all tasks: one source, the same attributes, few imports."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.clips.clip_data import load_clips
from errorflow.pipelines.datasets.image_text.captions import load_captions
from errorflow.pipelines.datasets.image_text.stories import load_stories
from errorflow.pipelines.datasets.images.image_data import load_images
from errorflow.pipelines.datasets.lags.lag_data import load_lags
from errorflow.pipelines.datasets.pairs.pair_data import load_pairs
from errorflow.pipelines.datasets.splits import SPLITS
from errorflow.pipelines.datasets.tags.tag_data import load_tags
from errorflow.pipelines.datasets.text.documents import load_documents
from errorflow.pipelines.datasets.text.text_data import load_text
from errorflow.pipelines.registry import load_task
from PIL import Image
from tasks import TABLE

ITEMS = range(40)


def text(dataset, data_dir):
    return load_text(dataset, data_dir, max_length=20)


def documents(dataset, data_dir):
    def length(texts):
        return np.array([len(text.split()) for text in texts])

    return load_documents(dataset, data_dir, max_length=20, too_long="cut", length=length)


def tags(dataset, data_dir):
    return load_tags(dataset, data_dir, max_length=20)


LOADERS = {
    "text": text,
    "documents": documents,
    "tags": tags,
    "pairs": load_pairs,
    "images": load_images,
    "clips": load_clips,
    "captions": load_captions,
    "stories": load_stories,
}


def image(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))


def write(kind: str, folder) -> None:
    """Write a little data of a kind, all of which can be read."""
    if kind == "text":
        for label in "AB":
            lines = "".join(f"{label} {n}\n" for n in ITEMS)
            (folder / f"{label}.txt").write_text(lines, encoding="utf-8")
    elif kind in ("documents", "pairs"):
        lines = "".join(f"{'AB'[n % 2]}{n * (kind == 'pairs')}\ta text {n}\n" for n in ITEMS)
        (folder / "train.tsv").write_text(lines, encoding="utf-8")
    elif kind == "tags":
        word = "{}\t{}\t_\t{}" + "\t_" * 6 + "\n"
        blocks = (word.format(1, f"w{n}", "NOUN") + word.format(2, "is", "VERB") for n in ITEMS)
        (folder / "train.conllu").write_text("\n".join(blocks), encoding="utf-8")
    elif kind in ("images", "clips"):
        for n in ITEMS:
            path = folder / "AB"[n % 2] / (f"{n}.png" if kind == "images" else f"{n}/1.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            image(n).save(path)
            if kind == "clips":
                image(100 + n).save(path.with_name("2.png"))
    else:
        for n in ITEMS:
            image(n).save(folder / f"{n}.png")
        keys = ("image", "caption") if kind == "captions" else ("images", "story")
        names = [f"{n}.png" if kind == "captions" else [f"{n}.png"] for n in ITEMS]
        lines = (json.dumps({keys[0]: name, keys[1]: "a text"}) + "\n" for name in names)
        (folder / f"{kind}.jsonl").write_text("".join(lines), encoding="utf-8")


def check(data) -> None:
    for split in SPLITS:
        assert len(getattr(data, split)) > 0
    assert data.source
    assert len(bytes.fromhex(data.content_hash)) == 32
    assert all(isinstance(label, str) for label in data.labels)
    assert data.counts.keys() >= set(data.labels)
    for tally in data.counts.values():
        assert tally.keys() == set(SPLITS)
        assert all(type(number) is int for number in tally.values())
    assert all(isinstance(problem, str) for problem in data.problems)


@pytest.mark.parametrize("kind", LOADERS)
def test_all_data_have_the_same_attributes(tmp_path, kind):
    write(kind, tmp_path)
    data = LOADERS[kind](None, tmp_path)
    check(data)
    assert str(tmp_path) in data.source


def test_sequences_of_a_long_lag_problem_have_them_too():
    data = load_lags("adding", 20, epochs=2)
    check(data)
    assert (len(data.train), data.labels, data.problems) == (2000, [], [])


@pytest.mark.parametrize("kind", LOADERS)
def test_two_sources_are_refused(tmp_path, kind):
    with pytest.raises(
        UserError, match=r"^--dataset and --data-dir: two sources; give one of them"
    ):
        LOADERS[kind]("mnist", tmp_path)


@pytest.mark.parametrize(
    "modules",
    [
        "text.faker_names text.label_files text.text_data text.document_files text.documents",
        "tags.conllu tags.tag_data pairs.pair_files pairs.pair_data lags.lag_data lags.notation",
        "images.labelled_images clips.clip_data image_text.captions image_text.stories",
    ],
)
def test_readers_of_own_files_load_no_tensorflow(modules):
    imports = "".join(f"import errorflow.pipelines.datasets.{name}\n" for name in modules.split())
    code = f"import sys\n{imports}assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["names", "documents", "tags", "pronounce"])
def test_texts_are_read_once(name, tmp_path):
    """What was found before TensorFlow is loaded is not read again."""
    task, path = load_task(name), TABLE[name].data(tmp_path)
    config = replace(task.config(), data_dir=path).resolved()
    straight, found = task.read_data(config), task.find_data(config)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert task.read_data(config, found).content_hash == straight.content_hash
