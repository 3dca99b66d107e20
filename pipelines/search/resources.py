"""The CPU cores and GPUs of this machine, divided among several processes."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

_GPU_FILES = ("nvidia*", "kfd", "dxg")  # in /dev: of NVIDIA, of AMD, and of Windows below Linux
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class WorkerResources:
    """The CPU cores and GPUs that a worker uses.

    Attributes:
        number: the number of the worker, from 0.
        cores: the CPU cores that its trials run on; None: all.
        gpus: its GPUs, as in CUDA_VISIBLE_DEVICES; None: all.
        shares_gpu: whether other workers use them, too.
    """

    number: int = 0
    cores: Sequence[int] | None = None
    gpus: str | None = None
    shares_gpu: bool = False

    def pin(self, process: int) -> None:
        """Let a process run on these cores only, before it starts threads."""
        if self.cores:
            with contextlib.suppress(ProcessLookupError):  # it has already ended
                os.sched_setaffinity(process, self.cores)


def divide_resources(workers: int, gpus: Sequence[str] | None = None) -> list[WorkerResources]:
    """Divide CPU cores and GPUs among workers; if there are too few, several workers share one.

    Args:
        workers: the number of workers.
        gpus: the GPUs, as in CUDA_VISIBLE_DEVICES; None: those that TensorFlow sees.
    """
    if workers < 2:
        return [WorkerResources()] * workers
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = _visible_gpus() if gpus is None else gpus
    return [
        WorkerResources(
            number,
            _part(number, workers, cores) or None,
            ",".join(_part(number, workers, gpus)) or None,
            shares_gpu=0 < len(gpus) < workers,
        )
        for number in range(workers)
    ]


def _part(number: int, workers: int, items: Sequence[T]) -> Sequence[T]:
    """Return every `workers`-th item, from `number` on; at least one, unless there are none."""
    return items[number::workers] or items[number % (len(items) or 1) :][:1]


def may_have_gpus() -> bool:
    """Whether this machine may have GPUs, without TensorFlow, which takes seconds to load."""
    folder = Path("/dev")
    is_known = sys.platform == "linux" and folder.is_dir()
    return not is_known or any(path for name in _GPU_FILES for path in folder.glob(name))


def _visible_gpus() -> list[str]:
    """Return the names of the GPUs, as CUDA_VISIBLE_DEVICES holds them."""
    if not may_have_gpus():
        return []
    import tensorflow as tf

    numbers = [str(number) for number, _ in enumerate(tf.config.list_physical_devices("GPU"))]
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return names.split(",")[: len(numbers)] if names else numbers
