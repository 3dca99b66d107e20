"""The base class of callbacks whose records go on when a training is resumed in another process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..findings.finding import Finding
from .event_log import EventLog
from .event_reader import Key, Recorded, recorded_rows_of_chief
from .memory import Memory
from .results import ResultsCallback
from .run_places import TRAIN, folder_of
from .training_steps import TrainingSteps


class ResumableRecorder(ResultsCallback):
    """A callback that reads its own event files back, so that it knows the whole training.

    After an epoch, when the weights are saved, `state` returns what is not in the event files. When
    another process has restored the weights, `resume` takes it, before `fit` is called. Rows of
    later training steps are in the files too if the first process was killed: these steps are
    repeated, so they are left out.

    A subclass implements `_fits`, and `_take_back` if it has a state of its own.
    """

    kind: str
    log_dir: Path | None
    _memory: Memory
    _log: EventLog | None
    _steps: TrainingSteps
    _step: int
    _drawn: int
    _earlier: Mapping[str, Any] | None = None  # the state to go on from
    _lost = 0  # rows of the earlier process that could not be read

    def state(self) -> dict[str, Any]:
        """Return what a training that goes on in another process needs besides the event files."""
        return {"step": self._steps.count, "rows": self._memory.count, "drawn": self._drawn}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Let the next call of `fit` go on with the training of an earlier process.

        Args:
            state: that of the earlier process when it saved the weights that the model now has;
                empty if it is unknown.
        """
        self._earlier = state

    def _fits(self, name: str, recorded: Recorded) -> bool:
        """Return whether rows that were read back are of the model that is trained."""
        raise NotImplementedError

    def _take_back(self, state: Mapping[str, Any], recorded: Mapping[Key, Recorded]) -> None:
        """Go on from the state of the earlier process, and from its rows of other kinds."""

    def _go_on(self) -> None:
        """Go on as `resume` demands, if it does, when the callback is attached to the model."""
        state, self._earlier, self._lost = self._earlier, None, 0
        if state is None:
            return
        self._step = self._steps.go_on(self.model, state.get("step"))
        self._drawn = state.get("drawn", 0)
        if self.log_dir is None:
            return
        folder = folder_of(self.log_dir, TRAIN, self.kind)
        strategy = self.model.distribute_strategy
        recorded = recorded_rows_of_chief(strategy, folder, until=self._step)
        if self._log is not None:
            self._log.go_on_after({key: of_key.blocks for key, of_key in recorded.items()})
        self._take_back(state, recorded)
        own = {name: of_key for (kind, name), of_key in recorded.items() if kind == self.kind}
        self._memory.add({n: of_key.rows for n, of_key in own.items() if self._fits(n, of_key)})
        self._lost = max(state.get("rows", 0) - self._memory.count, 0)

    def _gaps(self) -> list[Finding]:
        """Return what is to be said if the rows of the earlier process are not complete."""
        if not self._lost or self.log_dir is None:
            return []
        folder = folder_of(self.log_dir, TRAIN, self.kind)
        text = (
            f"{self._lost:,} rows that were recorded before the training was resumed could not be "
            f"read from {folder}: the findings are not about the whole training"
        )
        headline = f"{self._lost:,} rows from before the resume are lost"
        return [Finding("", "too little", headline, text)]
