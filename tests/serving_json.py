"""The JSON of TensorFlow Serving's REST interface, answered by the signature of a SavedModel.

https://www.tensorflow.org/tfx/serving/api_rest#predict_api: the row format. The server itself is
not needed, and not run.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

JSON_TYPES = {"string": (str, bytes), "float32": (int, float)}  # bytes: from {"b64": …}


def predict(path: Path, request: dict[str, Any]) -> list[Any]:
    """Return the "predictions" of the answer; fail where the server refuses the request.

    An object for each instance, or its value where the model has a single output.
    """
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures[request["signature_name"]]
    ((name, spec),) = serve.structured_input_signature[1].items()
    assert isinstance(request["instances"], list)
    rows = [_parsed(row, JSON_TYPES[spec.dtype.name]) for row in request["instances"]]
    inputs = tf.constant(rows, spec.dtype)
    assert spec.shape.is_compatible_with(inputs.shape)
    outputs = serve(**{name: inputs})
    assert {len(value) for value in outputs.values()} == {len(rows)}
    assert not [name for name in outputs if name.endswith("_bytes")]  # these would be base64
    lists = {name: _texts(value.numpy().tolist()) for name, value in outputs.items()}
    if len(lists) == 1:
        return next(iter(lists.values()))
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _parsed(value: Any, types: tuple[type, ...]) -> Any:
    if isinstance(value, list):
        return [_parsed(part, types) for part in value]
    if isinstance(value, dict):
        assert {*value} == {"b64"}
        value = base64.b64decode(value["b64"], validate=True)
    assert isinstance(value, types) and not isinstance(value, bool)
    return value


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(part) for part in value]
    return value.decode() if isinstance(value, bytes) else value


def assert_sample_is_answered(folder: Path) -> None:
    """The signature is that of signature.json, and gives the sample answer to the sample request.

    Args:
        folder: saved_model/ of an export.
    """
    ((inside, described),) = _read(folder / "signature.json")["files"].items()
    request, answer = (_read(folder / f"sample_{kind}.json") for kind in ("request", "answer"))
    serve = tf.saved_model.load(folder / inside).signatures[described["signature"]]
    assert request["signature_name"] == described["signature"]
    tensors = {"inputs": serve.structured_input_signature[1], "outputs": serve.structured_outputs}
    for kind, specs in tensors.items():
        rows = {row["name"]: (row["dtype"], row["shape"]) for row in described[kind]}
        assert rows == {n: (spec.dtype.name, spec.shape.as_list()) for n, spec in specs.items()}
    for row, expected in zip(predict(folder / inside, request), answer["predictions"], strict=True):
        one, other = (_named(answered) for answered in (row, expected))
        assert one.keys() == other.keys()
        for name, value in one.items():
            if np.asarray(value).dtype.kind == "f":
                np.testing.assert_allclose(value, other[name], rtol=1e-5, atol=1e-6)
            else:
                assert value == other[name]


def _named(answered: Any) -> dict[str, Any]:
    return answered if isinstance(answered, dict) else {"": answered}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
