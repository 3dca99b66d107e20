"""Writes a trained model in other formats, and believes none before it has answered alike."""

import contextlib
import importlib
import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.config import UserError
from ..core.files import write_text

TOLERANCE = 1e-4  # between probabilities
CORE = "core"  # the name, in every package, of the network that was trained


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


Answers = tuple[np.ndarray, np.ndarray]  # of what was written; of what it was written from


class Probe(NamedTuple):
    """A batch of examples to compare answers on.

    Attributes:
        inputs: as the packaged model takes them.
        core_inputs: the same as its core takes them: an array, or several by name.
        meaning: of the core's inputs and outputs, for who has nothing but an ONNX file.
        meaning_file: where that is told, beside the ONNX file.
        answer: the packaged model's output to compare.
    """

    inputs: Any
    core_inputs: Any
    meaning: dict[str, Any]
    meaning_file: str
    answer: str = "probabilities"


def export_all(package: Any, formats: Sequence[str], folder: Path, probe: Probe) -> Iterator[str]:
    """Writes every format below `folder`, asking each for its answers; yields a line about each.

    Raises:
        UserError: what was written does not answer as the model does; it is not kept then.
    """
    for name in formats:
        file, write = FORMATS[name]
        with _made_whole(folder / file) as path:
            given, expected = write(package, path, probe)
            difference = float(np.abs(given - expected).max())
            if not difference < TOLERANCE:
                raise UserError(f"{name}: what was written answers differently, by {difference}")
        yield f"{name}: {folder / file} (read back; answers differ by {difference:.0e} at most)"


def _answers(package: Any, probe: Probe) -> np.ndarray:
    return package(probe.inputs)[probe.answer].numpy()


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


def _keras(package: Any, path: Path, probe: Probe) -> Answers:
    from ..models.serving import load

    package.save(path)
    return _answers(load(path), probe), _answers(package, probe)


def _saved_model(package: Any, path: Path, probe: Probe) -> Answers:
    """Takes and gives what the package does; the endpoint is `serve`."""
    import tensorflow as tf

    package.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return loaded.serve(probe.inputs)[probe.answer].numpy(), _answers(package, probe)


def _onnx(package: Any, path: Path, probe: Probe) -> Answers:
    """The core alone; a file beside it says what its inputs and outputs mean."""
    path.mkdir()
    write_text(path / probe.meaning_file, json.dumps(probe.meaning, ensure_ascii=False, indent=1))
    import keras

    core = core_in(package)
    answer, *_ = keras.tree.flatten(core(probe.core_inputs))  # as the session sorts them
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # Keras' own, of NumPy
        core.export(path / "model.onnx", format="onnx", verbose=False)
    onnxruntime = importlib.import_module("onnxruntime")  # in the extra [onnx]
    session = onnxruntime.InferenceSession(path / "model.onnx")
    given = probe.core_inputs
    given = given if isinstance(given, dict) else {session.get_inputs()[0].name: given}
    return session.run(None, given)[0], answer.numpy()


def core_in(package: Any) -> Any:
    """The network that was trained, which stands in the package or in the search around it."""
    names = [layer.name for layer in package.layers]
    return package.get_layer(CORE) if CORE in names else package.get_layer("search").core


FORMATS: dict[str, tuple[str, Callable[[Any, Path, Probe], Answers]]] = {
    "keras": ("model.keras", _keras),
    "saved_model": ("saved_model", _saved_model),
    "onnx": ("onnx", _onnx),
}
