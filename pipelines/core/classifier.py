"""Settings that all tasks with classes share."""

import dataclasses

from .config import Optimisation
from .errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierOptimisation(Optimisation):
    """How a classifier is trained."""

    balance: float = 0.0
    """Exponent of the class weights in the loss, (share of the examples)^-balance. 0: no weights;
    1: all classes have the same total weight."""

    def check(self) -> None:
        super().check()
        require(0 <= self.balance <= 1, "balance", "from 0 to 1", self.balance)
