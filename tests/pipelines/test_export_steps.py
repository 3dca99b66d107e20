"""signature.json and the tables beside it are all that a program needs around an exported network.

This module follows the steps in its own words: NumPy and `unicodedata`, without errorflow.
"""

import itertools
import json
import re
import unicodedata

import numpy as np
import pytest
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.models.serving import load
from tasks import MAX_WORDS, TABLE, errorflow

ODD = [
    "",
    "  \t\u00a0",
    "Aeio\u0308s",
    "It's 5 … o’clock.",
    "the SOUP\u2003the salt\n" * 9,
    "bçd" * 40,
]


def among_of(text, chosen):
    """Whether each character belongs to one of some categories of Unicode, or of their groups."""
    return [unicodedata.category(sign).startswith(tuple(chosen)) for sign in text]


def replace(text, by, categories=(), characters=()):
    kinds = [
        s in characters or among for s, among in zip(text, among_of(text, categories), strict=True)
    ]
    return "".join(by if kind else sign for sign, kind in zip(text, kinds, strict=True))


def strip(text, chosen):
    kinds = among_of(text, chosen)
    kept = [place for place, kind in enumerate(kinds) if not kind]
    return text[kept[0] : kept[-1] + 1] if kept else ""


def separate(text, allowed, by):
    kinds = among_of(text, allowed)
    return "".join(s if kind else by + s + by for s, kind in zip(text, kinds, strict=True))


def each(value, function):
    """Apply a function to a text, or to each text of nested lists."""
    return [each(part, function) for part in value] if isinstance(value, list) else function(value)


def look_up(value, table, unknown):
    return each(value, lambda symbol: table.index(symbol) if symbol in table else unknown)


def cut(value, most, keep):
    """The innermost lists, cut."""
    assert keep == "first"
    if value and isinstance(value[0], list):
        return [cut(part, most, keep) for part in value]
    return value[:most]


def pad(value, filling, side, least):
    """Lists of one or two levels as an array."""
    assert side == "end"
    if value and isinstance(value[0], list):
        longest = max(least, *map(len, value))
        return np.array([[*part, *[filling] * (longest - len(part))] for part in value], np.int32)
    return np.array([*value, *[filling] * (least - len(value))], np.int32)


def weights(size, start, length, target):
    """A triangle around each new pixel, [target, size]: bilinear, and wider where it reduces."""
    scale = length / target
    centres = start + (np.arange(target) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(size) - centres[:, None]) / max(scale, 1)
    row = np.maximum(1 - distance, 0)
    row[:, : int(start)], row[:, int(start + length) :] = 0, 0
    return row / row.sum(axis=1, keepdims=True)


def resize(pixels, height, width):
    rows, columns = pixels.shape[:2]
    used = min(rows, int(columns * height / width)), min(columns, int(rows * width / height))
    down = weights(rows, (rows - used[0]) // 2, used[0], height)
    across = weights(columns, (columns - used[1]) // 2, used[1], width)
    return np.einsum("hr,rcd,wc->hwd", down, pixels, across)


def follow(steps, value, tables):
    """Follow steps; return the result, or a dict of those of each input that "for" names."""
    common = list(itertools.takewhile(lambda step: "for" not in step, steps))
    for step in common:
        value = done(step, value, tables)
    names = dict.fromkeys(step["for"] for step in steps[len(common) :])
    branches = {}
    for name in names:
        own = [
            {key: step[key] for key in step if key != "for"}
            for step in steps
            if step.get("for") == name
        ]
        branches[name] = follow(own, value, tables)
    return branches or value


def done(step, value, tables):
    """Do a step; one, or a setting, that is not known here is an error."""
    settings = {key: step[key] for key in step if key != "step"}
    return STEPS[step["step"]](value, tables, **settings)


def scale(x, tables, formula):
    assert formula == "scale * x + offset"
    return np.array(tables["scale"]) * x + np.array(tables["offset"])


def tokens(text, _, pattern, pattern_of):
    assert pattern_of == "Python's re"
    return [found.group() for found in re.finditer(pattern, text)]


def decode_image(pixels, _, channels, range, exif_orientation):
    assert (channels, range, exif_orientation) == ("RGB", [0, 255], "applied")
    return pixels


def resize_image(pixels, _, height, width, crop, interpolation, antialias):
    assert crop.startswith("first, in the middle") and interpolation == "bilinear" and antialias
    return resize(pixels, height, width)


def split(text, _, into=None, at=None):
    if into == "characters":
        return each(text, list)
    return [part for part in text.split(at) if part]


STEPS = {
    "normalize_unicode": lambda text, _, form: unicodedata.normalize(form, text),
    "strip": lambda text, _, categories: strip(text, categories),
    "replace": lambda text, _, by, **which: each(text, lambda part: replace(part, by, **which)),
    "lower_case": lambda text, _: each(text, str.lower),
    "separate": lambda text, _, all_but_categories, by: separate(text, all_but_categories, by),
    "find_tokens": tokens,
    "join": lambda symbols, _, by: by.join(symbols),
    "split": split,
    "cut": lambda symbols, _, max_length, keep: cut(symbols, max_length, keep),
    "look_up": lambda symbols, tables, table, unknown: look_up(symbols, tables[table], unknown),
    "pad": lambda ids, _, value, side, min_length: pad(ids, value, side, min_length),
    "decode_image": decode_image,
    "resize": resize_image,
    "scale": scale,
}


@pytest.fixture
def network(finished_run, tmp_path):
    """Return, for a task: its serving model, the network in ONNX, signature.json and the tables."""
    for package in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    import onnxruntime

    def export(task):
        with finished_run(task) as where:
            flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
            assert errorflow(task, "export", where, *flags) == 0
            model = load(RunFolder(where / task / "a").best)
        folder = tmp_path / "onnx"
        signature = json.loads((folder / "signature.json").read_text(encoding="utf-8"))
        tables = json.loads((folder / signature["tables"]).read_text(encoding="utf-8"))
        (name,) = signature["files"]
        session = onnxruntime.InferenceSession(folder / name)

        def answer(raw):
            inputs = follow(signature["preprocessing"]["outside"], raw, tables)
            if not isinstance(inputs, dict):
                inputs = {session.get_inputs()[0].name: inputs}
            batch = {
                tensor.name: inputs[tensor.name][None].astype(
                    np.int32 if tensor.type == "tensor(int32)" else np.float32
                )
                for tensor in session.get_inputs()
            }
            (probabilities,) = session.run(["probabilities"], batch)
            argmax, labels = signature["decoding"]["outside"]
            assert argmax == {"step": "argmax", "of": "probabilities"}
            assert labels == {"step": "look_up", "table": "labels"}
            places = probabilities[0].argmax(axis=-1)
            return probabilities[0], np.array(tables["labels"])[places].tolist()

        return model, answer, signature

    return export


@pytest.mark.parametrize(
    "task", ["names", "documents", pytest.param("tags", marks=pytest.mark.slow)]
)
def test_texts_are_read_by_the_written_steps(task, network, tmp_path):
    model, answer, signature = network(task)
    texts = [
        text for text in [*TABLE[task].inputs(tmp_path), *ODD] if task != "tags" or text.strip()
    ]
    for text in texts:
        raw = unicodedata.normalize("NFC", text)
        if task == "tags":
            from errorflow.pipelines.datasets.tags.tokens import tokens_of

            raw = " ".join(tokens_of(text))
        expected = {key: y.numpy()[0] for key, y in model(np.array([raw], object)).items()}
        probabilities, label = answer(text)
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)
        assert label == each(np.asarray(expected["label"]).tolist(), bytes.decode)
    if task == "documents":
        limits = [step for step in signature["preprocessing"]["outside"] if step["step"] == "cut"]
        assert limits == [{"step": "cut", "max_length": MAX_WORDS, "keep": "first"}]


@pytest.mark.parametrize("size", [(12, 12), (30, 17), (5, 40)], ids=str)
def test_images_are_read_by_the_written_steps(size, network):
    model, answer, _ = network("images")
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.float32)
    expected = {key: y.numpy()[0] for key, y in model(pixels[None]).items()}
    probabilities, label = answer(pixels)
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-4)
    assert label == expected["label"].decode()
