"""The parts of `benchmarks/gpu.py`. Nothing here imports TensorFlow.

A part is a module with a function `run(form) -> Report`. In the reduced form it does the same on a
CPU with small sizes, in seconds.
"""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Part(NamedTuple):
    """What a part answers, and the most seconds that it may take."""

    question: str
    seconds: float


# What is checked comes first, and then what is measured, in the time that is left.
PARTS = {
    "devices": Part("which GPU, driver and versions are these", 120),
    "exact": Part("are outputs, gradients and errors those of float64 on the CPU", 200),
    "cudnn": Part("which loop do the layers run, and is cuDNN's kernel in the graph", 80),
    "precision": Part("are the errors right in mixed precision", 80),
    "mirrored": Part("do two replicas record the errors of the whole batch", 100),
    "export": Part("does a model that was trained here answer alike on a CPU", 120),
    "resume": Part("does a training that was killed go on", 120),
    "search": Part("do two workers of a search share the GPU, also after a kill", 180),
    "epochs": Part("how long is an epoch of names and ResNet-20, and how much of it waiting", 120),
    "cost": Part("what does recording the error cost", 60),
    "speed": Part("how long do training, evaluation and prediction take", 150),
}


@dataclasses.dataclass(frozen=True)
class Form:
    """The form in which a part runs.

    Attributes:
        reduced: on a CPU, with small sizes.
        folder: an empty folder for files.
        deadline: the reading of `time.monotonic` at which the part is stopped.
    """

    reduced: bool
    folder: Path
    deadline: float

    def choose(self, full: Any, reduced: Any) -> Any:
        """Return the value for this form."""
        return reduced if self.reduced else full

    @property
    def seconds_left(self) -> float:
        """The seconds before the part is stopped."""
        return self.deadline - time.monotonic()

    @property
    def device(self) -> str:
        """The device on which TensorFlow places operations."""
        return "CPU:0" if self.reduced else "GPU:0"


@dataclasses.dataclass(frozen=True)
class Report:
    """What a part found.

    Attributes:
        summary: one line.
        figures: all that was measured, as JSON holds it.
        failures: a sentence for each thing that is wrong; none if the part passed.
    """

    summary: str
    figures: dict[str, Any]
    failures: list[str] = dataclasses.field(default_factory=list)


class Failures(list[str]):
    """Sentences on what is wrong."""

    @contextlib.contextmanager
    def guard(self, case: str) -> Iterator[None]:
        """Let an exception in the block be a failure of this case, so that others still run."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            reason = str(error).strip().splitlines() or [""]
            self.append(f"{case}: {type(error).__name__}: {reason[0][:200]}")


def too_large(case: str, differences: Mapping[str, float], limit: float) -> list[str]:
    """Return a failure for each difference of a case that is beyond the limit, or is no number."""
    return [
        f"{case}: {name} differs by {value:.1e}, more than {limit:.1e}"
        for name, value in differences.items()
        if not value <= limit
    ]


def largest(figures: Mapping[str, Mapping[str, float]]) -> float:
    """Return the largest difference of all cases; NaN if there is none."""
    return max((max(by_name.values()) for by_name in figures.values()), default=float("nan"))
