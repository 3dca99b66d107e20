"""The path of a layer in its model, such as "encoder/bidirectional/forward_lstm"."""

from collections.abc import Iterator

import keras


def walk(layer: keras.Layer, path: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yield (path, layer) for all layers inside a layer or model, in depth order.

    A recurrent layer is not entered: its cell is left out. A layer that is used several times is
    yielded once, and a path that occurs several times gets a number.

    Args:
        layer: the model, or a layer that contains layers.
        path: the prefix of all paths.
    """
    visited: set[int] = set()
    counts: dict[str, int] = {}
    for name, part in _descend(layer, path):
        if id(part) in visited:
            continue
        visited.add(id(part))
        counts[name] = counts.get(name, 0) + 1
        yield (name if counts[name] == 1 else f"{name}_{counts[name]}"), part


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
