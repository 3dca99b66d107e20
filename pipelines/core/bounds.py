"""The largest values of settings; beyond them arithmetic or memory fails in the middle of a run."""

import math
from collections.abc import Mapping
from typing import Any

from .errors import require

# Far above anything useful. A name means the same in every task, so there is one table.
MOST = {
    "epochs": 1_000_000,
    "batch_size": 1_000_000,
    "learning_rate": 1_000,
    "weight_decay": 1_000,
    "units": 16_384,
    "character_units": 16_384,
    "embedding": 16_384,
    "features": 16_384,
    "layers": 100,
    "width": 64,
    "beam": 1_000,
    "length_norm": 100,
    "chrono": 1_000_000,
    "auxiliary": 1_000_000,
    "pretrain": 1_000_000,
    "max_length": 1_000_000,
    "vocabulary": 10_000_000,
    "steps": 100_000,
    "frames": 10_000,
    "size": 4_096,
    "image_size": 4_096,
    "workers": 1_000,
    "seeds": 1_000,
}
MOST_INT = 2**31 - 1  # of other settings: an int32
MOST_FLOAT = 1e30  # finite in 32 bits


def check_bounds(settings: Mapping[str, Any]) -> None:
    """Raise `UserError` for a number that is not finite, or too large for its setting."""
    for key, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            require(False, key, "a finite number", value)
        if isinstance(value, int | float):
            most = MOST.get(key, MOST_INT if isinstance(value, int) else MOST_FLOAT)
            require(value <= most, key, f"at most {most}", value)
