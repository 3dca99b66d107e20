"""ONNX files of the parts of a network, with named inputs, outputs and axes."""

import importlib
import warnings
from pathlib import Path
from typing import Any

import keras

from .export import Job, Written
from .export_comparison import Arrays
from .export_parts import describe_parts
from .export_signature import one_of
from .network_parts import Run, named, parts_of, recorded


def export_onnx(job: Job, folder: Path) -> Written:
    """Write the network alone, and files that explain its inputs and outputs."""
    folder.mkdir()
    batches = recorded(job.model, lambda model: model(job.inputs.inputs))
    runs = {}
    for name, part in parts_of(job.model).items():
        write_onnx(part, folder / f"{name}.onnx", one_of(batches[name]))
        runs[name] = run_onnx(folder / f"{name}.onnx")
    return Written(describe_parts(job, folder, runs, batches, suffixes=[".onnx"], batch=None))


def write_onnx(part: keras.Model, path: Path, example: Arrays) -> None:
    """Write a part of a network.

    Args:
        part: the network.
        path: the file.
        example: inputs [1, …], by which Keras learns that the model can be called.
    """
    model = named(part)
    model(example)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # Keras' own, of NumPy
        model.export(path, format="onnx", verbose=False)
    _name_axes(path)


def run_onnx(path: Path) -> Run:
    """Return the function that runs a file."""
    onnxruntime: Any = importlib.import_module("onnxruntime")  # in the extra [onnx]
    session = onnxruntime.InferenceSession(path)
    inputs, outputs = (
        [tensor.name for tensor in tensors]
        for tensors in (session.get_inputs(), session.get_outputs())
    )

    def run(arrays: Arrays) -> Arrays:
        results = session.run(outputs, {name: arrays[name] for name in inputs})
        return dict(zip(outputs, results, strict=True))

    return run


def _name_axes(path: Path) -> None:
    """Name the axes of unknown size: batch, and INPUT_1, INPUT_2, …."""
    onnx: Any = importlib.import_module("onnx")
    content = onnx.load(path)
    for tensor in (*content.graph.input, *content.graph.output):
        for axis, size in enumerate(tensor.type.tensor_type.shape.dim):
            if size.HasField("dim_param"):
                size.dim_param = f"{tensor.name}_{axis}" if axis else "batch"
    onnx.save(content, path)
