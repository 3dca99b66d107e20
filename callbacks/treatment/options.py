"""How trials are run and compared."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["min", "max"]


@dataclass(frozen=True)
class Options:
    """How trials are run and compared.

    Attributes:
        seeds: of the trials; the first one is that of the screening.
        monitor: the validation figure, "val_loss".
        direction: "min" if a lower figure is better, else "max".
        first_cure: try one remedy after the other, and end with the first cure.

    Raises:
        ValueError: fewer than two seeds, a seed twice, or another direction.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    monitor: str = "val_loss"
    direction: Direction = "min"
    first_cure: bool = False

    def __post_init__(self) -> None:
        if len(self.seeds) < 2 or len({*self.seeds}) < len(self.seeds):
            raise ValueError(
                f"seeds: {self.seeds}; at least two different ones are needed, since one training"
                " says nothing about the spread"
            )
        if self.direction not in ("min", "max"):
            raise ValueError(f'direction: {self.direction!r}; use "min" or "max"')

    def gain(self, before: float, after: float) -> float:
        """Return by how much a figure is better after than before; negative if it is worse."""
        return before - after if self.direction == "min" else after - before
