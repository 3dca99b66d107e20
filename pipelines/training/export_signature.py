"""What stands beside an exported model: its inputs and outputs, and a request with its answer."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import write_json, write_text
from .export import Job
from .export_comparison import Arrays

REQUEST, ANSWER, SIGNATURE = "sample_request.json", "sample_answer.json", "signature.json"


def write_signature(
    folder: Path, job: Job, files: Mapping[str, Any], has_steps_inside: bool, **further: Any
) -> None:
    """Write signature.json.

    Args:
        folder: the folder of the format.
        job: what is exported.
        files: for each file, {"inputs": [{"name", "dtype", "shape"}], "outputs": […]}; a size that
            is not fixed is null.
        has_steps_inside: whether preprocessing and decoding are part of the model.
        further: further entries.
    """
    outside, before, after = map(list, job.inputs.steps)
    if has_steps_inside:
        preprocessing = {"inside": before, "outside": outside}
        decoding = {"inside": after, "outside": []}
    else:
        preprocessing = {"inside": [], "outside": outside + before}
        decoding = {"inside": [], "outside": after}
    content = {
        "task": job.task,
        "run": job.name,
        "files": files,
        "preprocessing": preprocessing,
        "decoding": decoding,
        **further,
    }
    write_json(folder / SIGNATURE, content)


def described(name: str, dtype: Any, shape: Sequence[int | None]) -> dict[str, Any]:
    """Return an input or output for signature.json."""
    return {"name": name, "dtype": dtype, "shape": [*shape]}


def write_meaning(folder: Path, job: Job) -> None:
    """Write the tables that the steps around the network name."""
    text = json.dumps(job.inputs.meaning, ensure_ascii=False, indent=1)
    write_text(folder / job.inputs.meaning_file, text)


def write_sample(folder: Path, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Write a request and its answer, each in one line."""
    for name, content in ((REQUEST, request), (ANSWER, answer)):
        write_text(folder / name, json.dumps(content, ensure_ascii=False) + "\n")


def in_lists(arrays: Arrays) -> dict[str, Any]:
    """Return arrays as nested lists for JSON."""
    return {name: in_list(array) for name, array in arrays.items()}


def in_list(array: np.ndarray) -> Any:
    """Return an array as a nested list for JSON, floats with as many digits as float32 has."""
    if array.ndim:
        return [in_list(part) for part in array] if array.ndim > 1 else [*map(_item, array)]
    return _item(array.item() if array.dtype.kind != "f" else array[()])


def _item(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return float(str(value)) if isinstance(value, np.floating) else np.asarray(value).item()


def one_of(batches: Iterable[Arrays]) -> Arrays:
    """Return the first example [1, …] of batches."""
    return {name: array[:1] for name, array in next(iter(batches)).items()}
