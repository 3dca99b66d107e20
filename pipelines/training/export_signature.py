"""What stands beside an exported model: its inputs and outputs, and a request with its answer."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..core.files import write_json, write_text
from .export import Job
from .export_comparison import Arrays
from .network_parts import CORE, SEARCH

REQUEST, ANSWER, SIGNATURE = "sample_request.json", "sample_answer.json", "signature.json"
_AROUND = ("one_example_at_least", "outputs")  # they let a batch be empty


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
    before, after = steps_around(job.model)
    inside, outside = ("inside", "outside") if has_steps_inside else ("outside", "inside")
    content = {
        "task": job.task,
        "run": job.name,
        "files": files,
        "preprocessing": {inside: before, outside: []},
        "decoding": {inside: after, outside: []},
        **further,
    }
    if job.model.input.dtype == "string":
        content["preprocessing"]["outside"] = [
            "texts in Unicode's composed form (NFC)",
            *content["preprocessing"]["outside"],
        ]
    write_json(folder / SIGNATURE, content)


def steps_around(model: keras.Model) -> tuple[list[str], list[str]]:
    """Return the steps of a serving model before and after its network, as texts."""
    steps = [
        step
        for step in model.operations
        if not isinstance(step, keras.layers.InputLayer) and step.name not in _AROUND
    ]
    place = next(n for n, step in enumerate(steps) if step.name in (CORE, SEARCH))
    after = steps[place:] if steps[place].name == SEARCH else steps[place + 1 :]
    return [_in_words(step) for step in steps[:place]], [_in_words(step) for step in after]


def _in_words(step: Any) -> str:
    if step.name == SEARCH:
        options = f"width {step.width}, length_norm {step.length_norm:g}, longest {step.longest}"
        return f"{step.name}: BeamSearch, {options}"
    if type(step).__name__ == "GetItem":
        return "cut: the first symbols, max_length of config.yaml"
    return f"{step.name}: {type(step).__name__}"


def described(name: str, dtype: Any, shape: Sequence[int | None]) -> dict[str, Any]:
    """Return an input or output for signature.json."""
    return {"name": name, "dtype": dtype, "shape": [*shape]}


def write_meaning(folder: Path, job: Job) -> None:
    """Write the vocabularies, labels or the scale of the pixels, for users of the network alone."""
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
