"""The activation and the initial weights of hidden layers, as settings name them."""

from typing import Any

import keras

from ...layers import leaky_relu
from ...layers.paths import walk

INITIALIZERS = {
    "he": keras.initializers.HeNormal,  # He et al. 2015, made for ReLU
    "glorot": keras.initializers.GlorotUniform,  # Glorot & Bengio 2010, for tanh
}


def activation_of(word: str | None) -> Any:
    """Return the activation of a setting: Maas et al.'s slope for "leaky_relu"."""
    return leaky_relu if word == "leaky_relu" else word


def initialise(network: keras.Model, word: str | None) -> None:
    """Draw the weights of all convolutions and dense layers anew; their biases become 0.

    Args:
        network: a network without recurrent layers.
        word: a key of `INITIALIZERS`; None leaves the weights as they are.
    """
    if word is None:
        return
    initializer = INITIALIZERS[word]
    for _, layer in walk(network):
        kernel: Any = getattr(layer, "kernel", None)
        bias: Any = getattr(layer, "bias", None)
        if kernel is not None:
            kernel.assign(initializer()(kernel.shape))
        if bias is not None:
            bias.assign(keras.ops.zeros(bias.shape))
