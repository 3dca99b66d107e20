"""Layers that no loss depends on, because the outputs that they lead to have the weight 0."""

from typing import Any

import keras


def layers_without_loss(model: keras.Model) -> set[str]:
    """Return the names of the model's layers that lead only to outputs with the loss weight 0.

    Empty if the model is not functional, or gives its losses in another way.
    """
    weights = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    outputs: Any = getattr(model, "outputs", None)
    if not weights or isinstance(weights, float) or not outputs:
        return set()
    if isinstance(weights, dict):
        names = _output_names(model)
        used = [o for name, o in zip(names, outputs, strict=True) if weights.get(name, 1)]
    else:
        used = [o for weight, o in zip(weights, outputs, strict=True) if weight]
    if not used or len(used) == len(outputs):
        return set()
    reached = keras.Model(model.inputs, used).layers
    return {layer.name for layer in model.layers if not any(layer is other for other in reached)}


def _output_names(model):
    """The keys by which `compile` takes the loss weights, in the order of the outputs."""
    structure = model.output
    return sorted(structure) if isinstance(structure, dict) else model.output_names
