"""The table of tasks for tests: each with tiny settings, tiny data and inputs for `predict`.

`finished_run(task)`, a fixture in tests/pipelines/conftest.py, trains each of them once.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import few_scenes
import numpy as np
import pytest
from errorflow.pipelines import cli
from PIL import Image

CLASSIFIED = frozenset({"accuracy", "macro_f1"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """How a task is trained in tests.

    Attributes:
        flags: the flags of `train`, with which it takes seconds.
        figures: the names of the figures of the test split.
        plots: the names of pictures in plots/, besides curves and layer_gradients.
        inputs: a function that writes any input files and returns the arguments of `predict`.
        data: a function that writes user data and returns the value of --data-dir; None: embedded.
        reads_lines: whether `predict` takes its inputs from stdin too.
        lists_inputs: whether a table or folder can list inputs of `predict`; else it is one itself.
        surroundings: (folder) → a context in which the embedded data are few.
        packages: the optional packages that training and evaluation need.
    """

    flags: str
    figures: frozenset[str]
    plots: tuple[str, ...]
    inputs: Callable[[Path], list[str]]
    data: Callable[[Path], Path] | None = None
    reads_lines: bool = True
    lists_inputs: bool = True
    surroundings: Callable[[Path], contextlib.AbstractContextManager] = contextlib.nullcontext
    packages: tuple[str, ...] = ()


def errorflow(task: str, verb: str, run_dir: Path, *flags: str) -> int:
    """Run a command on the runs in a folder; return the exit code."""
    return cli.main([task, verb, "--run-dir", str(run_dir), *flags])


def train_flags(task: str, folder: Path) -> list[str]:
    """The flags of a tiny training on the data in a folder; missing data are written."""
    row = TABLE[task]
    source = [] if row.data is None else ["--data-dir", str(row.data(folder))]
    return [*source, *row.flags.split()]


# Names

LABELS = ["Long", "Vowels", "Ös"]


def write_names(folder: Path) -> Path:
    """Three classes that are easy to tell apart."""
    random, folder = np.random.default_rng(0), folder / "data"
    folder.mkdir(exist_ok=True)
    for label, letters, longest in zip(LABELS, ("bcd", "aeiou", "öxs"), (14, 7, 7), strict=True):
        names = {
            "".join(random.choice(list(letters), random.integers(4, longest))) for _ in range(60)
        }
        (folder / f"{label}.txt").write_text("\n".join(sorted(names)), encoding="utf-8")
    return folder


# Documents

WORDS = {"kitchen": "soup bread salt oven", "sea": "wave sail wind harbour"}
BOTH = "the a . old my is"
MAX_WORDS = 9


def write_documents(folder: Path) -> Path:
    """Texts of 5 to 12 words; every second word indicates the class."""
    random, lines = np.random.default_rng(0), []
    for label, own in WORDS.items():
        for _ in range(80):
            kinds = [own, BOTH] * random.integers(3, 7)
            words = [random.choice(kind.split()) for kind in kinds[random.integers(2) :]]
            lines.append(f"{label}\t{' '.join(words).capitalize()}")
    path = folder / "texts.tsv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


# Tags

TAGS = ["ADV", "DET", "NOUN"]


def write_treebank(folder: Path) -> Path:
    """2 to 6 words a sentence: "the" is a DET, what ends in -ly is an ADV, any other a NOUN."""
    random, folder = np.random.default_rng(0), folder / "data"
    folder.mkdir(exist_ok=True)
    for split, count in {"train": 48, "dev": 12, "test": 12}.items():
        blocks = [_sentence(random) for _ in range(count)]
        (folder / f"x-{split}.conllu").write_text("\n".join(blocks), encoding="utf-8")
    return folder


def _sentence(random: np.random.Generator) -> str:
    words = []
    for _ in range(random.integers(2, 7)):
        stem = "".join(random.choice(list("abcdel"), 3))
        words.append([("the", "DET"), (f"{stem}ly", "ADV"), (stem, "NOUN")][random.integers(3)])
    rows = [(str(i), form, "_", tag, *"______") for i, (form, tag) in enumerate(words, start=1)]
    return "".join("\t".join(row) + "\n" for row in rows)


# Pronounce

PHONES = {"a": "AH", "b": "B", "c": "K S", "d": "D"}


def write_pairs(folder: Path) -> Path:
    """Words of 1 to 4 letters; "c" is spoken as two phones, and a word with "dd" in two ways."""
    folder = folder / "pairs"
    folder.mkdir(exist_ok=True)
    words = ["".join(w) for n in range(1, 5) for w in itertools.product(PHONES, repeat=n)]
    np.random.default_rng(0).shuffle(words)
    for split, chosen in {"train": words[:240], "dev": words[240:290], "test": words[290:]}.items():
        lines = [f"{word}\t{' '.join(PHONES[sign] for sign in word)}\n" for word in chosen]
        lines += [f"{word}\tT\n" for word in chosen if "dd" in word]
        (folder / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


# Images

SHAPES = ["across", "bright", "dark", "down", "left", "right"]


def write_images(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for label in SHAPES:
        (folder / "data" / label).mkdir(parents=True, exist_ok=True)
        for number in range(12):
            shape_image(label, random).save(folder / "data" / label / f"{number}.png")
    return folder / "data"


def shape_image(label: str, random: np.random.Generator) -> Image.Image:
    """A colour image of about 12 by 14 pixels; the classes are easy to tell apart."""
    height, width = 12, random.integers(12, 16)
    rows, columns = np.mgrid[:height, :width]
    shapes = {
        "across": rows % 4 < 2,
        "down": columns % 4 < 2,
        "left": columns < width / 2,
        "right": columns >= width / 2,
        "bright": np.ones_like(rows, bool),
        "dark": np.zeros_like(rows, bool),
    }
    pixels = np.where(shapes[label], 200, 40)[..., None] + random.integers(0, 40, (1, 1, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def image_files(folder: Path) -> list[str]:
    """Files of several sizes, formats and modes."""
    large = shape_image("left", np.random.default_rng(1)).resize((300, 280))
    large.convert("CMYK").save(folder / "large.jpg")
    large.convert("L").resize((7, 9)).save(folder / "small.png")
    return [str(folder / name) for name in ("large.jpg", "small.png")]


# Films and photos


def film(path: Path, step: int, shade: int = 200) -> Path:
    """A bright square that moves across a dark frame."""
    frames = []
    for number in range(8):
        pixels = np.zeros([40, 40, 3], np.uint8)
        left = 16 + step * (number - 4)
        pixels[14:26, left : left + 8] = shade
        frames.append(Image.fromarray(pixels))
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def photo(path: Path, *shape: int) -> Path:
    """An image file of noise, different for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([*path.parent.name.encode(), *path.name.encode()])
    Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


def photo_folder(path: Path, count: int, *shape: int) -> Path:
    """A folder with images of noise, 1.png, 2.png, …, different for each folder name."""
    path.mkdir(parents=True)
    random = np.random.default_rng([*path.name.encode()])
    for number in range(1, count + 1):
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path / f"{number}.png")
    return path


@contextlib.contextmanager
def few_clips(folder: Path) -> Iterator[None]:
    """A context in which the embedded clips are few, and stay below a folder."""
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.clips.moving_digit_clips import MovingDigits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(folder / "tfds"))
        patch.setenv("TFDS_DATA_DIR", str(folder / "tfds"))
        patch.setattr(MovingDigits, "NUMBERS", {"train": 36, "validation": 9, "test": 18})
        yield


# Series


def write_series(folder: Path) -> Path:
    """Two targets with a season of 4 steps, every hour."""
    random = np.random.default_rng(0)
    path, steps = folder / "series.csv", np.arange(160)
    hours = np.datetime64("2020-01-01T00") + steps.astype("timedelta64[h]")
    noise = random.normal(0, 0.1, [2, len(steps)])
    rows = zip(hours, np.sin(steps * np.pi / 2) + noise[0], steps % 4 + noise[1], strict=True)
    lines = [f"{hour},{a:.4f},{b:.4f}" for hour, a, b in rows]
    path.write_text("\n".join(["time,tide,level", *lines]), encoding="utf-8")
    return path


SEQUENCE = "0 1* 1* " + "0.2 " * 18 + "0.2"
SEEN_AND_UNSEEN = frozenset(
    f"{name}_{half}" for name in ("order", "events") for half in ("seen", "unseen")
)
# To compile takes longer than these trainings: only "documents" is compiled as by default.
TABLE = {
    "names": Row(
        flags="--units 5 --embedding 4 --batch-size 16 --dropout 0 --epochs 2 --learning-rate 0.01"
        " --jit off",
        figures=CLASSIFIED,
        plots=("error_flow", "gates", "confusion"),
        data=write_names,
        inputs=lambda _: ["BCDB", "aeiou", "Öxs", "?"],
    ),
    "documents": Row(
        flags="--model lstm --units 4 --embedding 3 --batch-size 32 --dropout 0 --epochs 2"
        f" --learning-rate 0.05 --max-length {MAX_WORDS}",
        figures=CLASSIFIED,
        plots=("error_flow", "gates", "confusion"),
        data=write_documents,
        inputs=lambda _: ["My soup is old.", "WAVE", "zzz Ω ½ ☂", "x" * 500],
    ),
    "tags": Row(
        flags="--units 4 --embedding 4 --batch-size 16 --character-units 4 --epochs 2 --jit off"
        " --learning-rate 0.05 --dropout 0.1 --word-dropout 0.1",
        figures=CLASSIFIED | {"unknown_words", "unknown_accuracy", "baseline"},
        plots=("error_flow", "gates", "confusion"),
        data=write_treebank,
        inputs=lambda _: ["The bed, badly.", "Ω₂ 字", "a" * 500, "?"],
    ),
    "pronounce": Row(
        flags="--units 24 --embedding 4 --layers 1 --batch-size 16 --beam 2 --attention --epochs 6"
        " --learning-rate 0.03 --dropout 0",
        figures=frozenset({"per", "wer", "baseline"}),
        plots=("error_flow", "gates"),
        data=write_pairs,
        inputs=lambda _: ["abba", "BAD"],
        packages=("jiwer",),
    ),
    "lags": Row(
        flags="--units 4 --steps 20 --epochs 2 --jit off",
        figures=frozenset({"mse", "wrong"}),
        plots=("error_flow", "gates"),
        inputs=lambda _: ["0.3 -0.5* 0.9 0.1*", SEQUENCE],
    ),
    "series": Row(
        flags="--target tide level --past 8 --future 3 --season 4 --units 5 --batch-size 16"
        " --decoder plain --epochs 2 --learning-rate 0.01 --jit off",
        figures=frozenset({"mase", "smape", "rmse", "coverage", "mase_naive"})
        | {"mase_seasonal_naive", "mase_drift", "mase_linear"},
        plots=("error_flow", "gates", "forecast", "horizon"),
        data=write_series,
        inputs=lambda folder: [str(write_series(folder))],
        reads_lines=False,
        lists_inputs=False,
    ),
    "images": Row(
        flags="--model convnet --width 0.25 --batch-size 8 --image-size 12 --optimizer adam"
        " --learning-rate 0.01 --epochs 2 --jit off",
        figures=CLASSIFIED | {"top5"},
        plots=("depth_flow", "confusion"),
        data=write_images,
        inputs=image_files,
        reads_lines=False,
    ),
    "actions": Row(
        flags="--width 0.5 --features 8 --units 6 --batch-size 8 --epochs 1 --jit off",
        figures=CLASSIFIED | {"baseline", "frame_accuracy", "frame_macro_f1", "frame_baseline"},
        plots=("error_flow", "depth_flow", "error_path", "gates", "confusion"),
        inputs=lambda folder: [str(film(folder / "a.gif", 1)), str(film(folder / "b.gif", 2))],
        surroundings=few_clips,
    ),
    "captions": Row(
        flags=few_scenes.TINY,
        figures=frozenset(
            {"bleu", "baseline_bleu", "exact", "facts", "baseline_facts"}
            | {"facts_seen", "facts_unseen"}
        ),
        plots=("error_flow", "depth_flow", "error_path", "gates"),
        inputs=lambda folder: [str(photo(folder / name / "a.png", 80, 80)) for name in "xy"],
        surroundings=few_scenes.few_scenes("captions", "SceneCaptions"),
        packages=("sacrebleu",),
    ),
    "stories": Row(
        flags=few_scenes.TINY,
        figures=frozenset({"bleu", "baseline_bleu", "exact", "order", "events"})
        | {"baseline_order", "baseline_events"}
        | SEEN_AND_UNSEEN,
        plots=("error_flow", "depth_flow", "error_path", "gates"),
        inputs=lambda folder: [str(photo_folder(folder / "photos", 3, 80, 80))],
        surroundings=few_scenes.few_scenes("stories", "SceneStories"),
        packages=("sacrebleu",),
    ),
}
# Stories have the parts of captions, and take twice as long: they are left to the slow tests.
TASKS = [
    pytest.param(task, marks=pytest.mark.slow) if task == "stories" else task for task in TABLE
]
