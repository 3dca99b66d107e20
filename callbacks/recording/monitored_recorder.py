"""What callbacks have in common whose rows a monitor writes inside the training step."""

from typing import Any

from .step_recorder import StepRecorder
from .train_step_context import trace_train_step_in
from .training_steps import RING


class MonitoredRecorder(StepRecorder):
    """A callback that reads the rows of a monitor, a ring in the graph of the training step.

    A monitor has `fits(model, steps)`, `attached`, the context in which the training step is
    traced, `capacity` and `is_training`.
    """

    _monitor: Any = None

    def _make_monitor(self, rows: int) -> Any:
        """Return a new monitor of the model with so many rows."""
        raise NotImplementedError

    def _attach(self) -> None:
        before = self._monitor
        if before is None or not before.fits(self.model, self._steps_per_execution):
            if before is not None:
                before.is_training = False
            self._monitor = self._make_monitor(max(RING, self._steps_per_execution))
        self._monitor.is_training = True
        trace_train_step_in(self.model, self._monitor.attached)

    def _detach(self) -> None:
        self._monitor.is_training = False

    def _discard_rows(self) -> None:
        """Nothing: the rows of the ring are read by the number of their training step."""

    def _capacity(self) -> int:
        return self._monitor.capacity
