"""The training step that is being traced, so that the layers in it know where a row comes from.

`fit` traces a model's training step inside `inside(step)` if a callback records it. A layer that is
called there asks `current` for the step; the backward pass of that call then carries the number of
the step and of the call, both computed by the graph of the training step itself. A backward pass
through a call that was made elsewhere, for a saliency map or in a validation, belongs to no step.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Protocol


class TrainingStep(Protocol):
    """What a layer needs to know of the training step.

    Attributes:
        number: int64 scalar, from 1.
        is_recorded: bool scalar: whether the rows of this step are kept.
        examples: B, the batch size of the loss; None: that of the layer.
        is_sum: whether the loss is a sum over the examples in place of their mean.
    """

    number: Any
    is_recorded: Any
    examples: Any
    is_sum: bool

    def loss_scale(self) -> Any:
        """Return the factor by which the loss is multiplied, or None; call it when it has been."""
        ...

    def make_room(self, record: Any, steps: int | None, alignments: int) -> None:
        """Make room in a layer's record for one more call in each training step."""
        ...


_current: contextvars.ContextVar[TrainingStep | None] = contextvars.ContextVar(
    "training_step", default=None
)


def current() -> TrainingStep | None:
    """Return the training step that is being traced, or runs eagerly, on this thread."""
    return _current.get()


@contextlib.contextmanager
def inside(step: TrainingStep) -> Iterator[None]:
    """Make `step` the current training step within the context."""
    token = _current.set(step)
    try:
        yield
    finally:
        _current.reset(token)
