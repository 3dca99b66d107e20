"""Which layers of a Keras model are hidden, and which activation their outputs pass."""

from collections.abc import Iterator
from typing import Any

import keras

from ...layers.paths import walk
from ...layers.rnn.rewriting import is_plain

CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
WEIGHTED = (keras.layers.Dense, *CONVOLUTIONS)
RELU_LIKE = {
    "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus",
}  # fmt: skip
NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.UnitNormalization,
    keras.layers.RMSNormalization,
)
_ACTIVATION_LAYERS = {
    keras.layers.ReLU: "relu",
    keras.layers.LeakyReLU: "leaky_relu",
    keras.layers.PReLU: "leaky_relu",
    keras.layers.ELU: "elu",
}
_PASSED = (*NORMALIZATIONS, keras.layers.Dropout, keras.layers.SpatialDropout1D,
           keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)  # fmt: skip


def hidden_layers(model: keras.Model) -> list[Any]:
    """Return the layers of a model that are not part of its head, also in nested models.

    The head of a model consists of the last layers with weights before its outputs, and of what
    comes after them.
    """
    head = _head(model)
    return [
        layer
        for _, layer in walk(model)
        if id(layer) not in head and not isinstance(layer, keras.Model)
    ]


def _head(model) -> set[int]:
    """Return the ids of the layers of the head."""
    head: set[int] = set()
    tensors = list(model.outputs)
    while tensors:
        layer, node_index, _ = tensors.pop()._keras_history
        if id(layer) in head:
            continue
        head.add(id(layer))
        if is_plain(layer):
            head |= _head(layer)
        elif isinstance(layer, keras.layers.Layer) and layer.weights:
            head |= {id(part) for _, part in walk(layer)}
        else:
            tensors += layer._inbound_nodes[node_index].input_tensors
    return head


def activation_name(layer: Any) -> str:
    """Return the name of the activation of a layer, or of an activation layer; "" if it has none.

    "linear" is none.
    """
    if type(layer) in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[type(layer)]
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", type(activation).__name__.lower() if activation else "")
    return "" if name == "linear" else name


def activation_after(layer: Any) -> str:
    """Return the name of the activation that the output of a layer passes first; "" if none.

    It is its own, or that of a layer behind it, after normalisation and dropout.
    """
    name = activation_name(layer)
    while not name:
        following = list(_consumers(layer))
        if len(following) != 1:
            return ""
        (layer,) = following
        if isinstance(layer, keras.layers.Activation) or type(layer) in _ACTIVATION_LAYERS:
            return activation_name(layer)
        if not isinstance(layer, _PASSED):
            return ""
    return name


def consumers(layer: Any) -> list[Any]:
    """Return the layers and operations that take an output of a layer."""
    return list(_consumers(layer))


def _consumers(layer) -> Iterator[Any]:
    seen: set[int] = set()
    for node in layer._outbound_nodes:
        if node.operation is not None and id(node.operation) not in seen:
            seen.add(id(node.operation))
            yield node.operation
