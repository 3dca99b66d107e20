"""All trainings, and the positions of their dials."""

from collections.abc import Sequence

from . import gates, optimization, over_depth, over_time
from .training import Training


def catalogue() -> list[Training]:
    """Return all trainings, in the order of the table."""
    modules = (over_time, over_depth, optimization, gates)
    found = [training for module in modules for training in module.trainings()]
    return sorted(found, key=lambda t: [f.fault for f in found].index(t.fault))


def jobs(trainings: Sequence[Training], seeds: Sequence[int]):
    """Return (training, level, seeds); seeds stand together because they share a traced step."""
    return [(training, level, list(seeds)) for training in trainings for level in training.levels]
