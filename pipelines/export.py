"""Writes a trained model in other formats, and believes none before it has answered alike."""

import contextlib
import importlib
import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .config import UserError
from .files import write_text

TOLERANCE = 1e-4  # between probabilities


def check_formats(formats: str) -> list[str]:
    """`"keras,onnx"` → ["keras", "onnx"]; `UserError` for what is unknown or not installed."""
    names = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        got = ", ".join(unknown) or "nothing"
        raise UserError(f"--format takes {', '.join(FORMATS)} separated by commas, got {got}")
    needed = ("tf2onnx", "onnx", "onnxruntime") if "onnx" in names else ()
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"onnx needs {', '.join(missing)}: pip install 'errorflow[onnx]'")
    return list(dict.fromkeys(names))


def export_all(best: Path, formats: Sequence[str], folder: Path, texts: Sequence[str]) -> Iterator:
    """Writes every format below `folder`, asking each for `texts`; yields a line about each.

    Raises:
        UserError: what was written does not answer as the model does; it is not kept then.
    """
    from .models.text import load, probabilities

    package = load(best)
    expected = probabilities(package, texts)
    for name in formats:
        file, write = FORMATS[name]
        with _made_whole(folder / file) as path:
            difference = float(np.abs(write(package, path, texts) - expected).max())
            if not difference < TOLERANCE:
                raise UserError(f"{name}: what was written answers differently, by {difference}")
        yield f"{name}: {folder / file} (read back; answers differ by {difference:.0e} at most)"


@contextlib.contextmanager
def _made_whole(path: Path) -> Iterator[Path]:
    """A place beside `path` for a file or folder, which takes its place when all went well."""
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        yield temporary
        _remove(path)
        temporary.rename(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keras(package: Any, path: Path, texts: Sequence[str]) -> np.ndarray:
    from .models.text import load, probabilities

    package.save(path)
    return probabilities(load(path), texts)


def _saved_model(package: Any, path: Path, texts: Sequence[str]) -> np.ndarray:
    """Takes strings [B], gives "label" and "probabilities"; the endpoint is `serve`."""
    import tensorflow as tf

    from .models.text import normal

    package.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return loaded.serve(tf.constant([normal(t) for t in texts]))["probabilities"].numpy()


def _onnx(package: Any, path: Path, texts: Sequence[str]) -> np.ndarray:
    """Takes ids [B, T]; vocabulary.json beside it says what they and the answers mean."""
    from .models.text import labels_in, vectorize, vocabulary_in

    path.mkdir()
    vocabulary = vocabulary_in(package)
    meaning = {
        "ids": ["", "[UNK]", *vocabulary],
        "padding": 0,
        "unknown": 1,
        "lower_case": True,
        "labels": labels_in(package),
    }
    write_text(path / "vocabulary.json", json.dumps(meaning, ensure_ascii=False, indent=1))
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # Keras' own, of NumPy
        package.get_layer("core").export(path / "model.onnx", format="onnx", verbose=False)
    onnxruntime = importlib.import_module("onnxruntime")  # in the extra [onnx]
    session = onnxruntime.InferenceSession(path / "model.onnx")
    ids = vectorize(texts, vocabulary)
    return session.run(None, {session.get_inputs()[0].name: ids})[0]


FORMATS: dict[str, tuple[str, Callable[[Any, Path, Sequence[str]], np.ndarray]]] = {
    "keras": ("model.keras", _keras),
    "saved_model": ("saved_model", _saved_model),
    "onnx": ("onnx", _onnx),
}
