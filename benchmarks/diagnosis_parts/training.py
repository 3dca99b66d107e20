"""A small training whose fault has a severity: the dial."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

EXAMPLES, VALIDATION, BATCH, EPOCHS = 1600, 384, 32, 4  # 50 training steps per epoch
WORST = 2.0  # of the validation figure, also of one that is not finite


@dataclass(frozen=True)
class Training:
    """A network, its data, and a dial from healthy to sick.

    Attributes:
        fault: what the dial makes worse; the table has one row for each fault.
        network: what is trained. Fault and network together are the training's name.
        levels: positions of the dial; the first one is the healthy end.
        kinds: the kinds of the findings that name the fault.
        build: a function of the level that returns a compiled model. Keras' seed decides its
            initial weights.
        data: a function of the level and a NumPy generator that returns inputs and targets.
        changes_graph: whether the level changes more than initial weights and the learning rate,
            so that the training step has to be traced again.
        at_every_step: whether there is a prediction at every time step.
        joined: the paths of encoder and decoder.
    """

    fault: str
    network: str
    levels: tuple[float, ...]
    kinds: frozenset[str]
    build: Callable[[float], keras.Model]
    data: Callable[[float, np.random.Generator], tuple[Any, np.ndarray]]
    changes_graph: bool = False
    at_every_step: bool = False
    joined: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return f"{self.fault} / {self.network}"

    def split(self, level: float, seed: int):
        """Return ((x, y), (x, y)) for training and for validation."""
        x, y = self.data(level, np.random.default_rng(seed))
        head, tail = slice(EXAMPLES), slice(EXAMPLES, EXAMPLES + VALIDATION)
        return (take(x, head), y[head]), (take(x, tail), y[tail])


def take(x, rows):
    return [part[rows] for part in x] if isinstance(x, list) else x[rows]


def figure(losses, targets: np.ndarray) -> float:
    """Return the smallest validation loss, divided by the variance of the targets.

    0: every prediction is exact; 1: no better than their mean.
    """
    finite = [loss for loss in losses if np.isfinite(loss)]
    return float(min([WORST, *(loss / np.var(targets) for loss in finite)]))
