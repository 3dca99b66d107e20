"""The memory that a training needs at least, compared with what there is before it begins.

Every estimate here is a lower bound: a training that fits into memory is never refused.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from ...layers.paths import walk
from ...layers.text.each_step import EachStep
from ..core.config import TrainingConfig, flat
from ..core.memory import (
    OF_BATCHES,
    OF_IMAGES,
    OF_WEIGHTS,
    memory_limit,
    names_in,
    require_memory,
)
from .spec import TrainingSpec

FLOAT = 4  # bytes
SLOTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 0, "momentum": 1}  # of each trained weight
READY = 5  # batches in memory: `known_length` prefetches four


@contextlib.contextmanager
def limited_weights(config: TrainingConfig) -> Iterator[None]:
    """Raise `UserError` before a layer inside the block makes weights that are too large to train.

    Without that, the system may give more memory than there is, and then end the process. Keras has
    no hook for it: the method with which layers make their weights is replaced.
    """
    make, total, limit = keras.Layer.add_weight, 0, memory_limit()
    each, flags = _bytes_per_weight(config), names_in(config, OF_WEIGHTS + OF_IMAGES)

    def add_weight(self: keras.Layer, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal total
        total += math.prod(shape or ())
        if total * each > limit:
            what = f"a network of {total:,} parameters or more, with gradients and optimizer,"
            require_memory(total * each, what, flags)
        return make(self, shape, *args, **kwargs)

    keras.Layer.add_weight = add_weight  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        keras.Layer.add_weight = make  # pyright: ignore[reportAttributeAccessIssue]


def _bytes_per_weight(config: TrainingConfig) -> int:
    """Return the bytes of a weight and, unless it is frozen, its gradient and optimizer slots."""
    settings = flat(config)
    return FLOAT * (1 if settings.get("freeze") else 2 + SLOTS[settings["optimizer"]])


def check_training(spec: TrainingSpec, config: TrainingConfig) -> None:
    """Raise `UserError` if the weights and the activations of a batch do not fit into memory."""
    network, size = spec.network, spec.train_data.size
    longest = spec.train_data.longest
    weights = FLOAT * network.count_params()
    trained = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    slots = trained * FLOAT * (1 + SLOTS[(spec.optimisation or config.optimisation).optimizer])
    inputs = sum(_filled(x.shape, longest) for x in keras.tree.flatten(network.input))
    activation = FLOAT if config.hardware.mixed_precision == "off" else FLOAT // 2
    of_example = READY * FLOAT * inputs + activation * activations(network, longest)
    require_memory(
        weights + slots + size * of_example,
        f"a training step of {size:,} examples in a network of {network.count_params():,}"
        " parameters",
        names_in(config, OF_BATCHES + OF_IMAGES + OF_WEIGHTS),
    )


def activations(layer: keras.Layer, longest: int) -> int:
    """Return the numbers per example that the backward pass of a network needs, at least.

    These are the outputs of the layers with weights, and of recurrent layers the inputs of all
    gates at each step.

    Args:
        layer: a network, or a layer that has been called in one.
        longest: the number of steps that stand for each unknown length.
    """
    if isinstance(layer, keras.Model):
        return sum(activations(part, longest) for part in layer.layers)
    if not layer.weights:
        return 0
    output = _output_shape(layer, longest)
    if isinstance(layer, EachStep | keras.layers.TimeDistributed) and output:
        return output[1] * activations(layer.layer, longest) or math.prod(output)
    inside = [layer, *(part for _, part in walk(layer))]
    cells = [part.cell for part in inside if isinstance(part, keras.layers.RNN)]
    gates = sum(_columns(cell) for cell in cells) * (output[1] if len(output) > 2 else longest)
    return max(math.prod(output), gates)


def _columns(cell: Any) -> int:
    """Return the number of columns of a cell's input weights; 0 for those of other shapes."""
    kernel = getattr(cell, "kernel", None)
    return kernel.shape[-1] if kernel is not None and len(kernel.shape) == 2 else 0


def _output_shape(layer: keras.Layer, longest: int) -> list[int]:
    """Return the shape of a layer's first output, of one example; [] outside of a network."""
    try:
        outputs = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):
        return []
    return [1, *(size or longest for size in outputs[0].shape[1:])]


def _filled(shape: Sequence[int | None], longest: int) -> int:
    return math.prod(size or longest for size in shape[1:])
