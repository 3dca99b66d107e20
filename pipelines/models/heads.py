"""What the families of image models share."""

from typing import Any

import keras

HEADS = ("softmax", "logits", "identity")


def scaled(channels: int, width: float, multiple: int = 1) -> int:
    """A number of channels times `width`, at least `multiple` and divisible by it."""
    return max(1, round(channels * width / multiple)) * multiple


def head(x: Any, num_classes: int, kind: str, **options: Any) -> Any:
    """The last dense layer, [B, D] → [B, num_classes], in float32 under mixed precision.

    "softmax" gives probabilities; "logits" what would go into the softmax; "identity" is for
    regression.
    """
    check_head(kind)
    name = {"softmax": "probabilities", "logits": "logits", "identity": "outputs"}[kind]
    activation = "softmax" if kind == "softmax" else None
    dense = keras.layers.Dense(num_classes, activation, dtype="float32", name=name, **options)
    return dense(x)


def check_head(kind: str) -> None:
    if kind not in HEADS:
        raise ValueError(f"head must be {', '.join(HEADS[:-1])} or {HEADS[-1]}, got {kind!r}")


def hidden(x: Any, units: int, name: str, dropout: float = 0.0, **options: Any) -> Any:
    """A dense layer with ReLU, then dropout: [B, D] → [B, units]."""
    options = {"activation": "relu", "kernel_initializer": "he_normal"} | options
    x = keras.layers.Dense(units, name=name, **options)(x)
    return keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
