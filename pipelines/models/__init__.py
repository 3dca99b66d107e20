"""Functional-API models composed from errorflow's layers; `build` makes any image model by name."""

import importlib
from typing import Any

from .zoo import MODELS


def build(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> Any:
    """A Keras model, images [B, H, W, C] → [B, num_classes].

    Args:
        name: one of `zoo.MODELS`.
        input_shape: (H, W, C); by default the paper's.
        num_classes: by default the paper's.
        options: every model takes `width` (multiplies all channels), `head`: "softmax", "logits"
            or "identity" (of regression), and what its family takes besides: `mlp`, `lenet5`,
            `alexnet`, `vgg`, `googlenet`, `resnet` in this package.

    Raises:
        ValueError: an unknown name, head or option, or images too small for the model.
    """
    if name not in MODELS:
        raise ValueError(f"no model {name!r}; there are: {', '.join(MODELS)}")
    entry = MODELS[name]
    shape = tuple(input_shape or entry.input_shape)
    if min(shape[:2]) < entry.least:
        raise ValueError(
            f"{name} takes images of {entry.least}×{entry.least} pixels at least, got"
            f" {shape[0]}×{shape[1]}"
        )
    family = importlib.import_module(f".{entry.family}", __package__)
    try:
        return family.build(name, shape, num_classes or entry.num_classes, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        option = str(error).split("'")[1]
        raise ValueError(f"{name} has no option {option!r}") from None


def endpoints(model: Any) -> dict[str, Any]:
    """{name: output} of the last layer with weights at each resolution, from input to output.

    What to take features from: `keras.Model(model.inputs, endpoints(model)["stage3_block4"])`.
    """
    last = {}
    for layer in model.layers:
        shape = getattr(layer.output, "shape", ())
        if layer.weights and len(shape) == 4:
            last[shape[1:3]] = (layer.name, layer.output)
    return dict(last.values())
