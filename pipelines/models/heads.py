"""Parts that the families of image models share."""

from typing import Any

import keras

HEADS = ("softmax", "logits", "identity")


def scaled_channels(channels: int, width: float, multiple: int = 1) -> int:
    """Return channels × width, rounded to a positive multiple of `multiple`."""
    return max(1, round(channels * width / multiple)) * multiple


def head_layer(x: Any, num_classes: int, head: str, **options: Any) -> Any:
    """Apply the output layer: [B, D] → [B, num_classes], in float32 under mixed precision too.

    Args:
        x: features [B, D].
        num_classes: number of outputs.
        head: "softmax" for probabilities, "logits" for the inputs of that softmax, "identity" for
            regression.
        **options: for `keras.layers.Dense`.
    """
    check_head(head)
    name = {"softmax": "probabilities", "logits": "logits", "identity": "outputs"}[head]
    activation = "softmax" if head == "softmax" else None
    dense = keras.layers.Dense(num_classes, activation, dtype="float32", name=name, **options)
    return dense(x)


def check_head(head: str) -> None:
    """Raise `ValueError` unless `head` is one of `HEADS`."""
    if head not in HEADS:
        raise ValueError(f"head must be {', '.join(HEADS[:-1])} or {HEADS[-1]}, got {head!r}")


def hidden_layer(x: Any, units: int, name: str, dropout: float = 0.0, **options: Any) -> Any:
    """Apply a dense layer with ReLU, then dropout: [B, D] → [B, units].

    Args:
        x: [B, D].
        units: size of the layer.
        name: name of the dense layer.
        dropout: rate; 0 adds no dropout layer.
        **options: for `keras.layers.Dense`; they override ReLU and He initialisation.
    """
    options = {"activation": "relu", "kernel_initializer": "he_normal"} | options
    x = keras.layers.Dense(units, name=name, **options)(x)
    return keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
