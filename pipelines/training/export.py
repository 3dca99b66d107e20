"""Export a trained model to other formats; each is checked against the original's outputs."""

import contextlib
import importlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import UserError
from ..core.files import write_text
from ..core.requirements import EXTRAS, require_packages
from ..core.system_errors import writing

TOLERANCE = 1e-4  # maximum difference between probabilities
CORE = "core"  # the name, in every serving model, of the network that was trained


def check_formats(formats: str) -> list[str]:
    """Parse "keras,onnx"; raise `UserError` if a format is unknown or a package is missing."""
    names = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        got = ", ".join(unknown) or "nothing"
        raise UserError(f"--format takes {', '.join(FORMATS)} separated by commas, got {got}")
    if "onnx" in names:
        require_packages("--format onnx", EXTRAS["onnx"])
    return list(dict.fromkeys(names))


Outputs = tuple[np.ndarray, np.ndarray]  # of the exported model, of the original


class ExportInputs(NamedTuple):
    """A batch of examples on which the outputs of two models are compared.

    Attributes:
        inputs: inputs of the serving model.
        core_inputs: the corresponding inputs of its core: an array, or arrays by name.
        meaning: the meaning of the core's inputs and outputs, for users of the ONNX file alone.
        meaning_file: the name of the file with `meaning`, next to the ONNX file.
        output: the name of the serving model's output to compare.
    """

    inputs: Any
    core_inputs: Any
    meaning: dict[str, Any]
    meaning_file: str
    output: str = "probabilities"


class Exported(NamedTuple):
    """A model that was written in another format."""

    format: str
    path: Path
    difference: float  # largest difference between its outputs and those of the original


def export_all(
    model: Any, formats: Sequence[str], folder: Path, inputs: ExportInputs
) -> Iterator[Exported]:
    """Write every format below `folder` and compare its outputs; yield each when it is done.

    Raises:
        UserError: the outputs differ; that file is deleted.
    """
    for name in formats:
        file, write = FORMATS[name]
        with _renamed_when_complete(folder / file) as path:
            outputs, expected = write(model, path, inputs)
            difference = float(np.abs(outputs - expected).max())
            if not difference < TOLERANCE:
                raise UserError(f"{name}: the exported model's outputs differ by {difference}")
        yield Exported(name, folder / file, difference)


def _outputs(model: Any, inputs: ExportInputs) -> np.ndarray:
    return model(inputs.inputs)[inputs.output].numpy()


@contextlib.contextmanager
def _renamed_when_complete(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, for a file or folder; rename it on success."""
    temporary = path.with_name(f".writing-{path.name}")
    with writing(path, lambda: "the run itself stays as it was; --to takes another folder"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(temporary)
            yield temporary
            _remove(path)
            temporary.rename(path)
        finally:
            _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keras(model: Any, path: Path, inputs: ExportInputs) -> Outputs:
    from ..models.serving import load

    model.save(path)
    return _outputs(load(path), inputs), _outputs(model, inputs)


def _saved_model(model: Any, path: Path, inputs: ExportInputs) -> Outputs:
    """Write a SavedModel with the serving model's inputs and outputs; its endpoint is `serve`."""
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return loaded.serve(inputs.inputs)[inputs.output].numpy(), _outputs(model, inputs)


def _onnx(model: Any, path: Path, inputs: ExportInputs) -> Outputs:
    """Write the core alone, and a file that explains its inputs and outputs."""
    path.mkdir()
    write_text(path / inputs.meaning_file, json.dumps(inputs.meaning, ensure_ascii=False, indent=1))
    import keras

    core = core_in(model)
    output, *_ = keras.tree.flatten(core(inputs.core_inputs))  # as the session sorts them
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # Keras' own, of NumPy
        core.export(path / "model.onnx", format="onnx", verbose=False)
    onnxruntime = importlib.import_module("onnxruntime")  # in the extra [onnx]
    session = onnxruntime.InferenceSession(path / "model.onnx")
    feeds = inputs.core_inputs
    feeds = feeds if isinstance(feeds, dict) else {session.get_inputs()[0].name: feeds}
    return session.run(None, feeds)[0], output.numpy()


def core_in(model: Any) -> Any:
    """Return the trained network in a serving model, also from the beam search around it."""
    names = [layer.name for layer in model.layers]
    return model.get_layer(CORE) if CORE in names else model.get_layer("search").core


FORMATS: dict[str, tuple[str, Callable[[Any, Path, ExportInputs], Outputs]]] = {
    "keras": ("model.keras", _keras),
    "saved_model": ("saved_model", _saved_model),
    "onnx": ("onnx", _onnx),
}
