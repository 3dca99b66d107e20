"""LiteRT files (formerly TensorFlow Lite) of the parts of a network, in floats and in int8."""

import re
import warnings
from pathlib import Path
from typing import Any

import keras

from ..core.devices import stderr_held_back
from ..core.errors import UserError
from ..core.files import write_json
from .export import Job, Row, RunExamples, Written
from .export_parts import Batches, describe_parts
from .litert_files import one_by_one, run_litert
from .network_parts import Run, answered_by, named, parts_of, recorded
from .quantisation_process import ToQuantise, quantise_apart

FORMS = {"float": "", "int8": "_int8"}  # of the numbers, and what follows the name of the part
QUALITY = "accuracy.json"
NOT_ASKED_FOR = "--no-int8"  # the reason why there is no file in int8


def export_litert(job: Job, folder: Path) -> Written:
    """Write the network alone in floats and, if there are examples of the run, in int8.

    Strings stay outside: vocabularies and labels are in a file beside the network.
    """
    folder.mkdir()
    batches = recorded(job.model, lambda model: model(job.inputs.inputs))
    for name, part in parts_of(job.model).items():
        write_litert(part, folder / f"{name}.tflite")
    quality, reason = [], NOT_ASKED_FOR
    if job.examples is not None:
        calibration = recorded(job.model, job.examples.read)
        quality, reason = _quantise(job.model, folder, calibration, job.examples)
    difference = describe_parts(
        job,
        folder,
        runs_in(job.model, folder, "float"),
        batches,
        suffixes=[f"{end}.tflite" for form, end in FORMS.items() if form == "float" or not reason],
        batch=1,
        **_left_out(reason),
    )
    if not reason or job.examples is None:
        return Written(difference, quality=quality)
    left_out = f"no file in int8 ({reason}); that in floats is complete"
    return Written(difference, quality=quality, left_out=left_out)


def _left_out(reason: str) -> dict[str, Any]:
    return {"left_out": {"int8": reason}} if reason else {}


def _quantise(
    model: keras.Model, folder: Path, calibration: Batches, examples: RunExamples
) -> tuple[list[Row], str]:
    """Write the network in int8; return and write the figures of the original and of each form.

    Beside them stands the reason why there is no int8; "" if there is.
    """
    floats, int8 = (files_of(model, folder, form) for form in FORMS)
    reason = quantise_apart(
        [ToQuantise(floats[name], one_by_one(calibration[name]), int8[name]) for name in int8]
    )
    rows: list[Row] = [{"network": "original", "bytes": None, **examples.measure(model)}]
    for form in ("float",) if reason else FORMS:
        figures = examples.measure(answered_by(model, runs_in(model, folder, form)))
        size = sum(path.stat().st_size for path in files_of(model, folder, form).values())
        rows.append({"network": form, "bytes": size, **figures})
    content = {"test_examples": examples.measured, "networks": rows, **_left_out(reason)}
    write_json(folder / QUALITY, content)
    return rows, reason


def files_of(model: keras.Model, folder: Path, form: str) -> dict[str, Path]:
    """Return the file of each part of a serving model; `form` is "float" or "int8"."""
    return {name: folder / f"{name}{FORMS[form]}.tflite" for name in parts_of(model)}


def runs_in(model: keras.Model, folder: Path, form: str) -> dict[str, Run]:
    """Return the functions that run these files."""
    return {name: run_litert(path) for name, path in files_of(model, folder, form).items()}


def write_litert(part: keras.Model, path: Path) -> None:
    """Write a part of a network in floats, for one example, with LiteRT's own operations only.

    Args:
        part: the network.
        path: the file, with the suffix .tflite.

    Raises:
        UserError: LiteRT lacks an operation of the network.
    """
    import tensorflow as tf

    options: dict = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    model = named(part)
    specs = {
        name: tf.TensorSpec([1, *tensor.shape[1:]], tensor.dtype, name=name)
        for name, tensor in model.input.items()
    }
    try:
        # Keras passes `training` to what it converts; on a GPU, layers would then choose cuDNN.
        with tf.device("CPU:0"), stderr_held_back(), warnings.catch_warnings(action="ignore"):
            model.export(path, format="litert", input_signature=[specs], verbose=False, **options)
    except Exception as error:  # of the converter, whose classes TensorFlow does not name
        raise UserError(f"litert: {part.name!r} cannot be converted: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return what a converter lacks, from its message of many lines."""
    text = str(error)
    lacking = sorted({*re.findall(r"'(tf\.\w+)' op", text)})
    if lacking:
        return f"LiteRT does not have all that the network needs ({', '.join(lacking)})"
    return next((line[:200] for line in text.splitlines() if line.strip()), type(error).__name__)
