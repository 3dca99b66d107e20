"""Looks through the latest recorded errors for faults, as seldom as is enough."""

from collections.abc import Collection

from ..findings.error_warnings import error_kind, error_warnings
from ..findings.finding import MIN_STEPS
from ..findings.training_warning import Scope, TrainingWarning
from .memory import Memory
from .tables import layer_path, tables


class ErrorWatch:
    """Judges the error over time of each layer in a `Memory`.

    The latest rows are judged first. Where they are healthy, a fault cannot fill the window before
    another window has passed; until then the layer is left alone.

    Attributes:
        healthy: the training step in which a layer was healthy, by its name.
    """

    def __init__(self) -> None:
        self.healthy: dict[str, int] = {}

    def warnings(
        self, memory: Memory, step: int, backwards: Collection[str], scope: Scope
    ) -> list[TrainingWarning]:
        """Return what is wrong in the training steps that were read so far.

        Args:
            memory: the rows of each layer.
            step: the last training step that was read.
            backwards: the paths of layers that read their input from the last step to the first.
            scope: what is judged.
        """
        scope, found = scope.every(memory.stride), []
        for name, rows in memory.latest(MIN_STEPS).items():
            is_known = {("vanishing", name), ("exploding", name)} & {*scope.known}
            if is_known or step < self.healthy.get(name, 0) + scope.window:
                continue
            is_backwards = layer_path(name) in backwards
            if error_kind(tables(rows), is_backwards):
                latest = tables(memory.latest(scope.rows)[name])
                found += error_warnings(name, latest, is_backwards, scope)
            else:
                self.healthy[name] = step
        return found
