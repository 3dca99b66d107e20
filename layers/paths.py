"""The path of a layer in its model, such as "encoder/bidirectional/forward_lstm"."""

from collections.abc import Iterator

import keras


def walk(layer: keras.Layer, path: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yield (path, layer) for all layers inside a layer or model, in depth order.

    The cell of a recurrent layer is left out; the cells of a stack (`StackedRNNCells`) are yielded.
    A layer that is used several times is yielded once, and a path that occurs several times gets a
    number.

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
    for part in _inside(layer):
        name = f"{path}/{part.name}" if path else part.name
        yield name, part
        yield from _descend(part, name)


def _inside(layer):
    if isinstance(layer, keras.layers.RNN):
        cells = getattr(layer.cell, "cells", ())
        return [cell for cell in cells if isinstance(cell, keras.Layer)]
    if isinstance(layer, keras.Model):
        return layer.layers
    return layer._flatten_layers(include_self=False, recursive=False)
