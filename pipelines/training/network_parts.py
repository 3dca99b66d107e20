"""The networks inside a serving model that run by themselves in another program.

They are the trained network "model"; or, of an encoder-decoder with beam search, its "encoder" and
the step of its "decoder". A part has an input and an output for each name: {name: [B, …]}.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...layers.text.beam_search import BeamSearch
from .export_comparison import Arrays

CORE = "core"  # the name, in every serving model, of the network that was trained
SEARCH = "search"  # the name of the beam search around it, if there is one
KEPT = {"decoder": 8}  # examples of a recorded batch; a beam search has a batch for each symbol
Run = Callable[[Arrays], Arrays]  # a part in another program: inputs by name → outputs by name


def core_in(serving_model: keras.Model) -> keras.Model:
    """Return the trained network in a serving model, also from the beam search around it."""
    names = [layer.name for layer in serving_model.layers]
    return serving_model.get_layer(CORE) if CORE in names else serving_model.get_layer(SEARCH).core


def parts_of(serving_model: keras.Model) -> dict[str, keras.Model]:
    """Return the networks that run by themselves: {"model"}, or {"encoder", "decoder"}."""
    core = core_in(serving_model)
    if CORE in [layer.name for layer in serving_model.layers]:
        return {"model": core}
    return {name: core.get_layer(name) for name in ("encoder", "decoder")}


def input_names(part: keras.Model) -> list[str]:
    """Return the names of a part's inputs, in the order of `keras.tree.flatten`."""
    return _names(part.input, part.input.name if _is_tensor(part.input) else "")


def output_names(part: keras.Model) -> list[str]:
    """Return the names of a part's outputs; those of new states differ from the old ones'."""
    names = _names(part.output, part.output_names[0] if _is_tensor(part.output) else "")
    taken = {*input_names(part)}
    return [f"next_{name}" if name in taken else name for name in names]


def _is_tensor(structure: Any) -> bool:
    return not keras.tree.is_nested(structure)


def _names(structure: Any, name: str) -> list[str]:
    """Return {"a": x, "states": [y, z]} → ["a", "states_1", "states_2"]."""
    if _is_tensor(structure):
        return [name]
    paths = [path for path, _ in keras.tree.flatten_with_path(structure)]
    return ["_".join(str(k + 1 if isinstance(k, int) else k) for k in path) for path in paths]


def named(part: keras.Model) -> keras.Model:
    """Return a part as a model {name: [B, …]} → {name: [B, …]}."""
    tensors = zip(input_names(part), keras.tree.flatten(part.input), strict=True)
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in tensors
    }
    outputs = part(keras.tree.pack_sequence_as(part.input, [*inputs.values()]))
    by_name = dict(zip(output_names(part), keras.tree.flatten(outputs), strict=True))
    return keras.Model(inputs, by_name, name=part.name)


def answered_by(serving_model: keras.Model, runs: Mapping[str, Run]) -> keras.Model:
    """Return a serving model whose networks are run by other programs.

    Args:
        serving_model: the model, which stays as it is.
        runs: a function for each of its parts.
    """
    parts = parts_of(serving_model)
    new: dict[str, Any] = {name: _answered(part, runs[name]) for name, part in parts.items()}
    if "model" in new:
        return _with(serving_model, {CORE: new["model"]})
    search = serving_model.get_layer(SEARCH)
    core = _with(core_in(serving_model), new)
    options = search.width, search.length_norm, search.longest
    return _with(serving_model, {SEARCH: BeamSearch(core, *options, name=SEARCH)})


def recorded(serving_model: keras.Model, read: Callable[[Any], Any]) -> dict[str, list[Arrays]]:
    """Return the batches that each part reads while a serving model is used; see `KEPT`.

    Args:
        serving_model: the model.
        read: a function that uses a model that gives the same answers.
    """
    batches: dict[str, list[Arrays]] = {name: [] for name in parts_of(serving_model)}

    def recording(name: str, part: keras.Model) -> Run:
        run = in_keras(part)

        def record(inputs: Arrays) -> Arrays:
            count = len(next(iter(inputs.values())))
            step = -(-count // KEPT.get(name, count))
            batches[name].append({key: array[::step].copy() for key, array in inputs.items()})
            return run(inputs)

        return record

    runs = {name: recording(name, part) for name, part in parts_of(serving_model).items()}
    read(answered_by(serving_model, runs))
    return batches


def in_keras(part: keras.Model) -> Run:
    """Return the function that runs a part as it is."""
    model = named(part)

    def run(inputs: Arrays) -> Arrays:
        return {name: tensor.numpy() for name, tensor in model(inputs, training=False).items()}

    return run


def _with(model: keras.Model, layers: Mapping[str, Any]) -> keras.Model:
    """Return a functional model with other layers in the place of those of these names."""
    return keras.models.clone_model(
        model, clone_function=lambda layer: layers.get(layer.name, layer)
    )


def _answered(part: keras.Model, run: Run) -> keras.Model:
    """Return a model with the name, the inputs and the outputs of a part, computed by `run`."""
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name),
        part.input,
    )
    layer = _Elsewhere(run, input_names(part), output_names(part), keras.tree.flatten(part.output))
    outputs = layer(keras.tree.flatten(inputs))
    return keras.Model(inputs, keras.tree.pack_sequence_as(part.output, outputs), name=part.name)


class _Elsewhere(keras.layers.Layer):
    """A layer whose outputs a function of NumPy arrays computes: a list of tensors → a list."""

    def __init__(self, run: Run, inputs: list[str], outputs: list[str], specs: list[Any]):
        super().__init__(autocast=False)
        self.supports_jit = False
        self._run, self._names, self._specs = run, (inputs, outputs), specs
        self.supports_masking = True

    def call(self, inputs: list[Any]) -> list[Any]:
        types = [spec.dtype for spec in self._specs]
        results = tf.nest.flatten(tf.numpy_function(self._compute, inputs, types))
        for result, spec in zip(results, self._specs, strict=True):
            result.set_shape([None, *spec.shape[1:]])
        return results

    def _compute(self, *arrays: np.ndarray) -> list[np.ndarray]:
        inputs, outputs = self._names
        results = self._run(dict(zip(inputs, arrays, strict=True)))
        specs = zip(outputs, self._specs, strict=True)
        return [np.asarray(results[name], spec.dtype) for name, spec in specs]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def compute_output_spec(self, inputs: list[Any]) -> list[keras.KerasTensor]:
        return [keras.KerasTensor(spec.shape, spec.dtype) for spec in self._specs]
