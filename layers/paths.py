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
