"""Which layer holds a weight, in words."""

import keras

from ...layers.paths import walk


def holders(model: keras.Model) -> dict[int, str]:
    """For each weight of a model (by its `id`) the path of its layer, in depth order.

    The innermost layer holds a weight, but a recurrent layer is one thing.
    """
    paths = [(model.name, model), *walk(model)]
    innermost = {id(w): place for place, (_, layer) in enumerate(paths) for w in layer.weights}
    in_order = sorted(innermost.items(), key=lambda item: item[1])
    return {weight: paths[place][0] for weight, place in in_order}


def of_units(model: keras.Model) -> list[set[int]]:
    """The weights, by their `id`, of each layer whose weights all have its units as last axis."""
    kinds = keras.layers.Dense | keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D
    layers = [layer for _, layer in walk(model) if isinstance(layer, kinds)]
    return [{id(w) for w in layer.weights if w.name in ("kernel", "bias")} for layer in layers]
