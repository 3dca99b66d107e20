"""Which trials to run next."""

from dataclasses import dataclass

from .options import Options as Options


@dataclass(frozen=True)
class Request:
    """A trial to run.

    Attributes:
        remedies: the names of the remedies to apply; (): an untreated training.
        seed: its seed.
    """

    remedies: tuple[str, ...]
    seed: int
