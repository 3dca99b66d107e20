"""The calls of a layer that a model uses several times, in the order in which they were written."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from .paths import walk


def written_order(model: keras.Model) -> dict[int, list[int]]:
    """Return the numbers of a layer's calls in the model's code, in the order in which they run.

    Keras runs the parallel branches of a functional model in an order of its own: of
    `a = layer(x); b = layer(y)`, usually b first. Calls are numbered from 0.

    Returns:
        The numbers by the `id` of the layer, of layers that a functional model calls more than
        once. The calls inside other wrappers than `Bidirectional` are not known.
    """
    orders: dict[int, list[int]] = {}
    for part in (model, *(layer for _, layer in walk(model))):
        keys: dict[int, list[tuple[int, ...]]] = {}
        for layer, key in _calls(part, ()):
            keys.setdefault(id(layer), []).append(key)
        for layer_id, of_layer in keys.items():
            if len(of_layer) > 1:
                in_code = sorted(range(len(of_layer)), key=of_layer.__getitem__)
                orders.setdefault(layer_id, [in_code.index(n) for n in range(len(in_code))])
    return orders


def number_in_code(running: int, order: Sequence[int]) -> int:
    """Return the number of a call in the model's code.

    Args:
        running: its number in the order in which the calls run. If the model itself is called more
            than once, it goes on beyond the first execution.
        order: an entry of `written_order`, or nothing if both orders are the same.
    """
    if not order:
        return running
    execution, place = divmod(running, len(order))
    return execution * len(order) + order[place]


def _calls(model: Any, prefix: tuple[int, ...]) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Yield (layer, key) for each call of a layer, as they run; keys sort as the code."""
    by_depth = getattr(getattr(model, "_functional", model), "_nodes_by_depth", {})
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            layer = node.operation
            key = (*prefix, layer._inbound_nodes.index(node))
            if isinstance(layer, keras.layers.Bidirectional):
                yield layer.forward_layer, key
                yield layer.backward_layer, key
            elif isinstance(layer, keras.layers.RNN):
                yield layer, key
                yield from ((cell, key) for cell in getattr(layer.cell, "cells", ()))
            else:
                yield layer, key
                yield from _calls(layer, key)
