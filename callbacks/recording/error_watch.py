"""Looks through the latest recorded errors for faults, as seldom as is enough."""

from ..findings.error_warnings import error_kind, error_warnings
from ..findings.finding import MIN_STEPS
from ..findings.training_warning import Scope, TrainingWarning
from .error_layers import ErrorLayers
from .memory import Memory


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
        self, memory: Memory, step: int, layers: ErrorLayers, scope: Scope
    ) -> list[TrainingWarning]:
        """Return what is wrong in the training steps that were read so far.

        Args:
            memory: the rows of each layer.
            step: the last training step that was read.
            layers: the recurrent layers of the model.
            scope: what is judged.
        """
        scope, found = scope.every(memory.stride), []
        for name, rows in memory.latest(MIN_STEPS).items():
            is_known = {("vanishing", name), ("exploding", name)} & {*scope.known}
            if is_known or step < self.healthy.get(name, 0) + scope.window:
                continue
            is_backwards = layers.is_backwards(name)
            if error_kind(layers.tables(name, rows), is_backwards):
                latest = layers.tables(name, memory.latest(scope.rows)[name])
                found += error_warnings(name, latest, is_backwards, scope)
            else:
                self.healthy[name] = step
        return found
