"""Build any image model of the zoo by name, and find the outputs to take features from."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

from .alexnet import alexnet
from .convnet import convnet
from .googlenet import googlenet
from .lenet import lenet
from .mlp import mlp
from .resnet import resnet
from .vgg import vgg
from .zoo import MODELS

FAMILIES: dict[str, Callable[..., keras.Model]] = {
    "alexnet": alexnet,
    "convnet": convnet,
    "googlenet": googlenet,
    "lenet": lenet,
    "mlp": mlp,
    "resnet": resnet,
    "vgg": vgg,
}


def build(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> keras.Model:
    """Build an image model by name: images [B, H, W, C] → [B, num_classes].

    Args:
        name: a key of `zoo.MODELS`.
        input_shape: (H, W, C); by default that of the paper.
        num_classes: by default that of the paper.
        **options: every model takes `width`, which multiplies the number of channels, and `head`:
            "softmax", "logits" or "identity" (for regression). The function of the model's family
            documents the other options, for example `resnet.resnet`.

    Raises:
        ValueError: an unknown name, head or option, or images too small for the model.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose one of {', '.join(MODELS)}")
    entry = MODELS[name]
    shape = input_shape or entry.input_shape
    if min(shape[:2]) < entry.min_size:
        raise ValueError(
            f"{name} takes images of at least {entry.min_size}×{entry.min_size} pixels, got"
            f" {shape[0]}×{shape[1]}"
        )
    try:
        with _channels_last():
            return FAMILIES[entry.family](name, shape, num_classes or entry.num_classes, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        option = str(error).split("'")[1]
        raise ValueError(f"{name} has no option {option!r}") from None


@contextlib.contextmanager
def _channels_last() -> Iterator[None]:
    """Let layers take [B, H, W, C] by default, also if keras.json says "channels_first"."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def endpoints(model: keras.Model) -> dict[str, Any]:
    """Return {layer name: output} of the last layer with weights at each resolution, in order.

    Take features from these: `keras.Model(model.inputs, endpoints(model)["stage3_block4"])`.
    """
    last_at_size = {}
    for layer in model.layers:
        shape = getattr(layer.output, "shape", ())
        if layer.weights and len(shape) == 4:
            last_at_size[shape[1:3]] = (layer.name, layer.output)
    return dict(last_at_size.values())
