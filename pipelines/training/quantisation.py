"""LiteRT files in int8: python -m errorflow.pipelines.training.quantisation FLOAT EXAMPLES INT8 …

FLOAT is a file in floats, EXAMPLES the inputs on which its ranges are measured (see
`write_examples`), INT8 the file to write; any number of these three may follow. Exit code 1: a file
cannot be quantised; the reason is printed. `quantisation_process` runs this in a process of its
own, because an error in TensorFlow's quantiser, or in LiteRT, may end the process.
"""

import sys
import traceback
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.devices import load_tensorflow
from ..core.stop_request import stop_with_parent
from .export_comparison import Arrays
from .litert_files import run_litert


class Place(NamedTuple):
    """The place of a tensor in a LiteRT file."""

    graph: int
    tensor: int


def quantise(content: bytes, examples: Iterable[Arrays]) -> bytes:
    """Return a LiteRT file in int8, quantised after the training.

    Weights, and the activations of all operations that have an int8 form, are rounded to 8 bits.
    Inputs and outputs stay floats.

    Args:
        content: the file in floats.
        examples: inputs [1, …] by name, on which the ranges of the activations are measured.
    """
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize import calibrator

    content = bytes(calibrator.add_intermediate_tensors(content))
    unread = unread_constants(content)
    # TensorFlow's calibrator reads all float tensors, also those that its loop has freed, and is
    # ended by SIGSEGV (tensorflow issue 75140); it does not read integers.
    measuring = calibrator.Calibrator(_with_type(content, unread, "INT32"))
    with warnings.catch_warnings(action="ignore"):
        measured = measuring.calibrate(lambda: examples)
    return mlir_quantize(_with_type(measured, unread, "FLOAT32"))


def unread_constants(content: bytes) -> list[Place]:
    """Return the results of loops that no step changes and nobody reads, which LiteRT frees."""
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator, TensorType

    model = _parsed(content)
    places = []
    for number, graph in enumerate(model.subgraphs):
        read = {*graph.outputs}.union(*(_indices(op.inputs) for op in graph.operators))
        for op in graph.operators:
            if model.operatorCodes[op.opcodeIndex].builtinCode != BuiltinOperator.WHILE:
                continue
            body = model.subgraphs[op.builtinOptions.bodySubgraphIndex]
            passed = zip(op.outputs, body.inputs, body.outputs, strict=True)
            unread = {int(result) for result, before, after in passed if before == after} - read
            places += [Place(number, tensor) for tensor in sorted(unread)]
    is_float = TensorType.FLOAT32
    return [p for p in places if model.subgraphs[p.graph].tensors[p.tensor].type == is_float]


def _indices(tensors: Any) -> set[int]:
    return set() if tensors is None else {*map(int, tensors)}


def _with_type(content: bytes, places: Sequence[Place], name: str) -> bytes:
    """Return a file in which tensors are declared to have another type."""
    from tensorflow.lite.python.schema_py_generated import TensorType
    from tensorflow.lite.tools.flatbuffer_utils import convert_object_to_bytearray

    if not places:
        return content
    model = _parsed(content)
    for graph, tensor in places:
        model.subgraphs[graph].tensors[tensor].type = getattr(TensorType, name)
    return bytes(convert_object_to_bytearray(model))


def _parsed(content: bytes) -> Any:
    from tensorflow.lite.tools.flatbuffer_utils import convert_bytearray_to_object

    return convert_bytearray_to_object(content)


def write_examples(path: Path, examples: Iterable[Arrays]) -> None:
    """Write examples, whose arrays may differ in shape, as an .npz file."""
    arrays: dict[str, Any] = {
        f"{number} {name}": array
        for number, example in enumerate(examples)
        for name, array in example.items()
    }
    with path.open("wb") as file:
        np.savez(file, **arrays)


def read_examples(path: Path) -> list[Arrays]:
    """Return what `write_examples` has written."""
    examples: dict[str, Arrays] = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            number, name = key.split(" ", 1)
            examples.setdefault(number, {})[name] = arrays[key]
    return [*examples.values()]


def main(arguments: Sequence[str]) -> int:
    """Write files in int8, and run each of them; return the exit code."""
    stop_with_parent()
    load_tensorflow()
    paths = [*map(Path, arguments)]
    try:
        for source, examples, target in zip(paths[::3], paths[1::3], paths[2::3], strict=True):
            measured_on = read_examples(examples)
            target.write_bytes(quantise(source.read_bytes(), measured_on))
            run = run_litert(target)  # LiteRT cannot run all that TensorFlow writes
            for example in measured_on:
                run(example)
    except Exception as error:  # of the quantiser, whose classes TensorFlow does not name
        print(traceback.format_exception_only(error)[-1].strip())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
