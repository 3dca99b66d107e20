"""What is known about an untreated training, from which a remedy takes its strength."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Figures of an untreated training; None: unknown.

    Attributes:
        norm: the median of the global norm of the gradient, before clipping, over the training
            steps at which it is finite.
        time_steps: the length of the sequences.
        training_steps: the number of training steps of a short training.
    """

    norm: float | None = None
    time_steps: int | None = None
    training_steps: int | None = None


class NotApplicable(Exception):
    """A remedy cannot be applied; the message is a clause: "the network has no LSTM"."""
