"""Which layer of a model a weight belongs to."""

import keras

from ...layers.paths import walk


def owner_paths(model: keras.Model) -> dict[int, str]:
    """Return the path of the layer that owns each weight, by the weight's `id`, in depth order.

    The owner is the innermost layer; a recurrent layer owns the weights of its cell.
    """
    paths = [(model.name, model), *walk(model)]
    innermost = {id(w): place for place, (_, layer) in enumerate(paths) for w in layer.weights}
    in_order = sorted(innermost.items(), key=lambda item: item[1])
    return {weight: paths[place][0] for weight, place in in_order}


def weights_by_units(model: keras.Model) -> list[set[int]]:
    """Return the `id`s of kernel and bias of each layer whose units are their last axis."""
    kinds = keras.layers.Dense | keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D
    layers = [layer for _, layer in walk(model) if isinstance(layer, kinds)]
    return [{id(w) for w in layer.weights if w.name in ("kernel", "bias")} for layer in layers]
