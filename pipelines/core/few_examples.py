"""A setting of tasks whose batches are fitted to the number of examples."""

import dataclasses
from typing import Literal

from .config import Optimisation


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedOptimisation(Optimisation):
    """How a network is trained, on many examples or few."""

    batch_size: int | Literal["auto"] = "auto"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Number of examples per training step: a number, or auto: with few examples, smaller batches
    and several passes per epoch."""
