"""Remedies for deep networks: activations, initial weights and normalisation of hidden layers."""

from collections.abc import Callable
from typing import Any

import keras

from ...layers.paths import walk
from .facts import Facts, NotApplicable
from .hidden_layers import (
    NORMALIZATIONS,
    RELU_LIKE,
    WEIGHTED,
    activation_after,
    activation_name,
    consumers,
    hidden_layers,
)
from .of_recurrent_layers import CONV_LSTMS, RECURRENT, Evidence
from .rewriting import Change, copied, rewritten

_SATURATING = {"sigmoid", "tanh", "hard_sigmoid", "hard_tanh", "softsign", "scaledtanh"}
_INITIALIZERS = ("kernel_initializer", "depthwise_initializer", "pointwise_initializer")
_ORTHOGONAL = "recurrent_initializer"
MIN_WIDTH = 4  # units of which mean and variance may be normalised: of one or two, little is left


def relu(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Put ReLU in place of sigmoid and tanh in hidden layers that are not recurrent."""
    rule = _activations(model, _SATURATING, "relu", "no hidden layer has a sigmoid or tanh")
    return rewritten(model, rule)


def leaky_relu(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Put a leaky ReLU, with Keras' slope of 0.2, in place of ReLU in hidden layers."""
    rule = _activations(model, {"relu", "relu6"}, "leaky_relu", "no hidden layer has a ReLU")
    return rewritten(model, rule)


def initial_weights(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Draw initial weights that preserve the variance.

    They are He's for layers before a ReLU or something like it, Glorot's elsewhere; recurrent
    kernels are orthogonal, and biases have Keras' defaults.
    """
    kinds = (*WEIGHTED, *RECURRENT, *CONV_LSTMS)
    layers = [layer for _, layer in walk(model) if isinstance(layer, kinds)]
    if not layers:
        raise NotApplicable("the network has no Dense, convolutional or recurrent layer of Keras")
    chosen = {id(layer): _initializers(layer) for layer in layers}

    def rule(layer):
        return Change(copied(layer, **chosen[id(layer)]), None) if id(layer) in chosen else None

    return rewritten(model, rule)


def batch_normalization(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Normalise over the batch between hidden layers and their activations."""
    return rewritten(model, _normalized(model, keras.layers.BatchNormalization, WEIGHTED))


def layer_normalization(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Normalise over the units between hidden layers and their activations.

    What a recurrent layer returns is normalised too, unless it returns its states.
    """
    kinds = (*WEIGHTED, *RECURRENT)
    return rewritten(model, _normalized(model, keras.layers.LayerNormalization, kinds))


def _activations(model, names: set[str], wanted: str, reason: str) -> Callable:
    """Return the rule that hidden layers get another activation."""
    chosen = {
        id(layer)
        for layer in hidden_layers(model)
        if activation_name(layer) in names and not _is_recurrent(layer)
    }
    if not chosen:
        raise NotApplicable(reason)

    def rule(layer):
        if id(layer) not in chosen:
            return None
        if "activation" in layer.get_config():
            return Change(copied(layer, activation=wanted))
        return Change(keras.layers.LeakyReLU(0.2, name=layer.name, dtype=layer.dtype_policy))

    return rule


def _is_recurrent(layer):
    return isinstance(layer, keras.layers.RNN) or hasattr(layer, "state_size")


def _initializers(layer) -> dict[str, Any]:
    config = layer.get_config()
    is_recurrent = isinstance(layer, (*RECURRENT, *CONV_LSTMS))
    like_relu = not is_recurrent and activation_after(layer) in RELU_LIKE
    options = dict.fromkeys(_INITIALIZERS, "he_normal" if like_relu else "glorot_uniform")
    options |= {_ORTHOGONAL: "orthogonal", "bias_initializer": "zeros", "unit_forget_bias": True}
    return {name: option for name, option in options.items() if name in config}


def _normalized(model, normalization: type, kinds: tuple[type, ...]) -> Callable:
    """Return the rule that these hidden layers are followed by a normalisation."""
    layers = [layer for layer in hidden_layers(model) if _can_be_normalized(layer, kinds)]
    if normalization is keras.layers.LayerNormalization:
        layers = [layer for layer in layers if _width(layer) >= MIN_WIDTH]
    chosen = {id(layer) for layer in layers if not _is_normalized(layer)}
    if not layers:
        raise NotApplicable("the network has no hidden layer that can be normalised")
    if not chosen:
        raise NotApplicable("the hidden layers are normalised already")

    def rule(layer):
        if id(layer) not in chosen:
            return None
        options = {"dtype": layer.dtype_policy}
        axis = 1 if getattr(layer, "data_format", "") == "channels_first" else -1
        normalize = normalization(axis, name=f"{layer.name}_normalization", **options)
        if isinstance(layer, RECURRENT):
            return Change(copied(layer), after=(normalize,))
        after = (normalize,)
        if activation_name(layer):
            name = f"{layer.name}_activation"
            after += (keras.layers.Activation(layer.activation, name=name, **options),)
        return Change(copied(layer, activation="linear"), after=after)

    return rule


def _can_be_normalized(layer, kinds):
    if isinstance(layer, RECURRENT):
        return type(layer) in kinds and not layer.return_state
    return isinstance(layer, kinds) and activation_name(layer) != "softmax"


def _width(layer) -> int:
    """Return the number of units or filters; a depthwise convolution has as many as its input."""
    return getattr(layer, "units", None) or getattr(layer, "filters", None) or MIN_WIDTH


def _is_normalized(layer):
    following = consumers(layer)
    return bool(following) and all(isinstance(each, NORMALIZATIONS) for each in following)
