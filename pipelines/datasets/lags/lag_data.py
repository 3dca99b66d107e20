"""The data of the task `lags`: sequences of one long-lag problem in three splits."""

import dataclasses
import hashlib
from collections.abc import Sequence

from ..left_out import LeftOut
from .problems import make_problem
from .sequences import TEST, VALIDATION, LagSplit, LagStream, fresh


@dataclasses.dataclass(frozen=True)
class LagData:
    """The sequences of a problem in three splits.

    Attributes:
        train: sequences that are drawn during training.
        validation, test: fixed sequences that are never in train.
        labels: the classes; empty if a number or every step is predicted.
        content_hash: SHA-256 of the problem and of the test sequences.
        counts: {"sequences": {split: number}}.
        source: the problem, in words.
        problems: empty, as nothing is left out.
        left_out: each item that was left out.
    """

    train: LagStream
    validation: LagSplit
    test: LagSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    source: str
    problems: list[str] = dataclasses.field(default_factory=list)
    left_out: Sequence[LeftOut] = ()


def load_lags(name: str, steps: int | None, epochs: int) -> LagData:
    """Return the sequences of a problem.

    Args:
        name: a name in PROBLEMS, or "digits".
        steps: T; None for the default of the problem.
        epochs: number of epochs, which determines the number of training sequences.

    Raises:
        UserError: as `make_problem`.
    """
    if name == "digits":
        from . import sequential_digits  # imports TensorFlow

        problem, validation, test = sequential_digits.load_digit_sequences()
    else:
        problem = make_problem(name, steps)
        validation, test = fresh(problem, VALIDATION, 1), fresh(problem, TEST, 2)
    train = LagStream(problem, epochs * problem.epoch)
    sizes = {"train": len(train), "validation": len(validation), "test": len(test)}
    content = hashlib.sha256(f"{problem.name} {problem.steps}".encode() + test.x.tobytes())
    return LagData(
        train=train,
        validation=validation,
        test=test,
        labels=[] if problem.every_step else list(problem.labels),
        content_hash=content.hexdigest(),
        counts={"sequences": sizes},
        source=f"{problem.name}, {problem.steps} steps: {problem.about}",
    )
