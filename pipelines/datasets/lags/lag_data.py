"""The data of the task `lags`: sequences of one long-lag problem in three splits."""

import dataclasses
import hashlib

from .problems import make_problem
from .sequences import TEST, VALIDATION, LagSplit, LagStream, fresh


@dataclasses.dataclass(frozen=True)
class LagData:
    """A problem's sequences; other attributes as in `text.TextData`."""

    train: LagStream
    validation: LagSplit
    test: LagSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    source: str


def load_lags(name: str, steps: int | None, epochs: int) -> LagData:
    """The sequences of a problem: `epochs` times its epoch for training, at most.

    Raises:
        UserError: as `problem`.
    """
    if name == "digits":
        from . import sequential_digits  # imports TensorFlow

        made, validation, test = sequential_digits.load_digit_sequences()
    else:
        made = make_problem(name, steps)
        validation, test = fresh(made, VALIDATION, 1), fresh(made, TEST, 2)
    train = LagStream(made, epochs * made.epoch)
    sizes = {"train": len(train), "validation": len(validation), "test": len(test)}
    content = hashlib.sha256(f"{made.name} {made.steps}".encode() + test.x.tobytes())
    return LagData(
        train=train,
        validation=validation,
        test=test,
        labels=[] if made.every_step else list(made.labels),
        content_hash=content.hexdigest(),
        counts={"sequences": sizes},
        source=f"{made.name}, {made.steps} steps: {made.about}",
    )
