"""SavedModels in the layout of TensorFlow Serving: NAME/1/, with a named signature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ..core.errors import UserError
from .export import Job, Written
from .export_comparison import Arrays, arrays_of, difference
from .export_signature import described, in_list, write_sample, write_signature

SIGNATURE = "serving_default"
VERSION = "1"


def export_saved_model(job: Job, folder: Path) -> Written:
    """Write the whole serving model: raw inputs, such as texts or pixels, to labels or texts.

    sample_request.json and sample_answer.json are JSON of TensorFlow Serving's REST interface.
    """
    inside = f"{job.name}/{VERSION}"
    job.model.export(folder / inside, format="tf_saved_model", verbose=False)
    answer = run_saved_model(folder / inside)
    outputs = answer(job.inputs.inputs)
    expected = arrays_of(job.model(job.inputs.inputs))
    (first,) = tf.nest.flatten(tf.nest.map_structure(np.asarray, job.inputs.inputs[:1]))
    write_signature(folder, job, {inside: _described(folder / inside)}, has_steps_inside=True)
    request = {"signature_name": SIGNATURE, "instances": in_list(first)}
    write_sample(folder, request, {"predictions": _rows(answer(first))})
    return Written(difference(outputs, expected), inside)


def run_saved_model(path: Path) -> Callable[[Any], Arrays]:
    """Return the function that answers raw inputs by the signature of a SavedModel."""
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures[SIGNATURE]
    ((name, _),) = serve.structured_input_signature[1].items()

    def answer(inputs: Any, keep: Any = loaded) -> Arrays:  # the model lives as long as this
        return arrays_of(serve(**{name: tf.constant(inputs)}))

    return answer


def saved_model_in(folder: Path) -> Path:
    """Return the place of the SavedModel in the folder of the format.

    Earlier versions wrote it into this folder itself.

    Raises:
        UserError: there is none, or several.
    """
    if (folder / "saved_model.pb").exists():
        return folder
    found = [path.parent for path in folder.glob(f"*/{VERSION}/saved_model.pb")]
    if len(found) != 1:
        raise UserError(f"{folder}: {len(found)} SavedModels in it, expected one; export it again")
    return found[0]


def _described(path: Path) -> dict[str, Any]:
    serve = tf.saved_model.load(path).signatures[SIGNATURE]
    tensors = {"inputs": serve.structured_input_signature[1], "outputs": serve.structured_outputs}
    return {"signature": SIGNATURE} | {
        kind: [described(name, tensor.dtype.name, tensor.shape) for name, tensor in specs.items()]
        for kind, specs in tensors.items()
    }


def _rows(outputs: Arrays) -> list[Any]:
    """Return the answer of TensorFlow Serving: an object per example; one output has no name."""
    if len(outputs) == 1:
        return in_list(next(iter(outputs.values())))
    lists = {name: in_list(array) for name, array in outputs.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
