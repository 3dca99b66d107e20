"""Where a layer stands in its model, in words."""

from collections.abc import Iterator

import keras


def walk(layer: keras.Layer, path: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """(path, layer) of all that a layer contains, in depth order: "encoder/bidirectional/…".

    A recurrent layer is one thing: its cell is not looked into. A layer met twice comes once, and
    a path met twice gets a number.
    """
    seen: set[int] = set()
    names: dict[str, int] = {}
    for name, found in _descend(layer, path):
        if id(found) in seen:
            continue
        seen.add(id(found))
        names[name] = names.get(name, 0) + 1
        yield (name if names[name] == 1 else f"{name}_{names[name]}"), found


def holders(model: keras.Model) -> dict[int, str]:
    """For each weight of a model (by its `id`) the path of its layer, in depth order.

    The innermost layer holds a weight, but a recurrent layer is one thing.
    """
    paths = [(model.name, model), *walk(model)]
    innermost = {id(w): place for place, (_, layer) in enumerate(paths) for w in layer.weights}
    in_order = sorted(innermost.items(), key=lambda item: item[1])
    return {weight: paths[place][0] for weight, place in in_order}


def _descend(layer, path):
    if isinstance(layer, keras.layers.RNN):
        return
    inside = (
        layer.layers
        if isinstance(layer, keras.Model)
        else layer._flatten_layers(include_self=False, recursive=False)
    )
    for part in inside:
        name = f"{path}/{part.name}" if path else part.name
        yield name, part
        yield from _descend(part, name)
