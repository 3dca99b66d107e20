"""LiteRT files (formerly TensorFlow Lite) of the parts of a network, in floats and in int8."""

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from ..core.devices import stderr_held_back
from ..core.errors import UserError
from ..core.files import write_json
from .export import Job, Row, RunExamples, Written
from .export_comparison import Arrays
from .export_parts import Batches, describe_parts
from .network_parts import Run, answered_by, named, parts_of, recorded

SIGNATURE = "serving_default"
CALIBRATION = 200  # examples from which the ranges of the activations are measured
FORMS = {"float": "", "int8": "_int8"}  # of the numbers, and what follows the name of the part
QUALITY = "accuracy.json"


def export_litert(job: Job, folder: Path) -> Written:
    """Write the network alone in floats and, if there are examples of the run, in int8.

    Strings stay outside: vocabularies and labels are in a file beside the network.
    """
    folder.mkdir()
    batches = recorded(job.model, lambda model: model(job.inputs.inputs))
    for name, part in parts_of(job.model).items():
        write_litert(part, folder / f"{name}.tflite")
    runs = runs_in(job.model, folder, "float")
    difference = describe_parts(job, folder, runs, batches, suffix="tflite", batch=1)
    if job.examples is None:
        return Written(difference)
    calibration = recorded(job.model, job.examples.read)
    return Written(difference, quality=_quantise(job.model, folder, calibration, job.examples))


def _quantise(
    model: keras.Model, folder: Path, calibration: Batches, examples: RunExamples
) -> list[Row]:
    """Write the network in int8; return and write the figures of the original and of each form."""
    for name, part in parts_of(model).items():
        write_litert(part, folder / f"{name}_int8.tflite", calibration[name])
    rows: list[Row] = [{"network": "original", "bytes": None, **examples.measure(model)}]
    for form in FORMS:
        figures = examples.measure(answered_by(model, runs_in(model, folder, form)))
        size = sum(path.stat().st_size for path in files_of(model, folder, form).values())
        rows.append({"network": form, "bytes": size, **figures})
    write_json(folder / QUALITY, {"test_examples": examples.measured, "networks": rows})
    return rows


def files_of(model: keras.Model, folder: Path, form: str) -> dict[str, Path]:
    """Return the file of each part of a serving model; `form` is "float" or "int8"."""
    return {name: folder / f"{name}{FORMS[form]}.tflite" for name in parts_of(model)}


def runs_in(model: keras.Model, folder: Path, form: str) -> dict[str, Run]:
    """Return the functions that run these files."""
    return {name: run_litert(path) for name, path in files_of(model, folder, form).items()}


def write_litert(part: keras.Model, path: Path, examples: Sequence[Arrays] | None = None) -> None:
    """Write a part of a network for a batch of one example, with LiteRT's own operations only.

    Args:
        part: the network.
        path: the file, with the suffix .tflite.
        examples: batches of examples for quantisation to int8 after the training: weights, and the
            activations of all operations that have an int8 form, are rounded to 8 bits. None: all
            numbers stay floats.

    Raises:
        UserError: LiteRT lacks an operation of the network.
    """
    import tensorflow as tf

    options: dict = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if examples is not None:
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
        options["representative_dataset"] = lambda: one_by_one(examples)
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


def one_by_one(batches: Sequence[Arrays], most: int = CALIBRATION) -> Iterator[Arrays]:
    """Yield up to `most` examples [1, …] of batches, spread evenly over them."""
    places = [(batch, n) for batch in batches for n in range(len(_first(batch)))]
    for chosen in np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).astype(int)):
        batch, n = places[chosen]
        yield {name: array[n : n + 1] for name, array in batch.items()}


def run_litert(path: Path) -> Run:
    """Return the function that runs a file, example by example."""
    from ai_edge_litert.interpreter import Interpreter  # in the extra [litert]

    with stderr_held_back():
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()  # prints a message
        runner = interpreter.get_signature_runner(SIGNATURE)

    def run(inputs: Arrays) -> Arrays:
        rows = [runner(**example) for example in one_by_one([inputs], most=len(_first(inputs)))]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return run


def _first(arrays: Arrays) -> np.ndarray:
    return next(iter(arrays.values()))


def _reason(error: Exception) -> str:
    """Return what a converter lacks, from its message of many lines."""
    text = str(error)
    lacking = sorted({*re.findall(r"'(tf\.\w+)' op", text)})
    if lacking:
        return f"LiteRT does not have all that the network needs ({', '.join(lacking)})"
    return next((line[:200] for line in text.splitlines() if line.strip()), type(error).__name__)
