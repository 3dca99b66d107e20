"""Whether a network has a ReLU, whose units can die."""

from typing import Any

import keras

from ...layers.paths import walk

_NAMES = {"relu", "relu6", "threshold"}


def has_relu(model: keras.Model) -> bool | None:
    """Return whether the model has a ReLU; None if it has code that cannot be searched for one.

    A leaky ReLU is none: its units cannot die.
    """
    parts = [layer for _, layer in walk(model)]
    operations = [op for part in [model, *parts] for op in getattr(part, "operations", [])]
    if any(map(_is_relu, [*parts, *operations])):
        return True
    return False if all(map(_is_known, parts)) else None


def _is_relu(part: Any) -> bool:
    activation = getattr(part, "activation", None)
    names = {type(part).__name__.lower(), getattr(activation, "__name__", "").lower()}
    if isinstance(part, keras.layers.ReLU):
        return not part.negative_slope
    return bool(names & _NAMES)


def _is_known(part: Any) -> bool:
    """Whether a layer runs no code of somebody else."""
    ours = __name__.partition(".")[0]
    known = type(part).__module__.partition(".")[0] in ("keras", ours)
    return known and not isinstance(part, keras.layers.Lambda)
