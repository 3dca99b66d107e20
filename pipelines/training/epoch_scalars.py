"""The figures of each epoch for TensorBoard, in the event files of the other callbacks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from ...callbacks.recording.chief_log import event_log
from ...callbacks.recording.event_log import EventLog
from ...callbacks.recording.guard import GuardedCallback, guarded
from ...callbacks.recording.run_places import TRAIN, VALIDATION

OF_VALIDATION = "val_"  # what Keras puts before the names of figures of the validation data


class EpochScalars(GuardedCallback):
    """Writes the same tags as keras.callbacks.TensorBoard, but no files of its own.

        epoch_<metric>, epoch_learning_rate   after each epoch, counted from 0, in `train`
        epoch_<metric>                        the same of the validation data, in `validation`
        evaluation_<metric>_vs_iterations     the same, by the number of applied training steps

    Args:
        log_dir: the folder of the other callbacks' event files.
    """

    def __init__(self, log_dir: Path):
        super().__init__()
        self.log_dir = log_dir
        self._logs: dict[str, EventLog] = {}  # none on workers that are not the chief

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.failure = None
        parts = TRAIN, VALIDATION
        logs_of = {part: event_log(self.log_dir / part, "", self.model) for part in parts}
        self._logs = {part: log for part, log in logs_of.items() if log is not None}
        self._has_begun = False

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if not self._has_begun:
            for log in self._logs.values():
                log.begin(self, epoch)
        self._has_begun = True

    @guarded
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._has_begun:  # `evaluate` outside `fit`
            return
        scalars = {f"evaluation_{n}_vs_iterations": float(v) for n, v in (logs or {}).items()}
        steps = keras.ops.convert_to_numpy(self.model.optimizer.iterations)  # of replicas, too
        self._write(VALIDATION, scalars, int(steps))

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        validation = {n: v for n, v in figures.items() if n.startswith(OF_VALIDATION)}
        train = {n: v for n, v in figures.items() if n not in validation}
        train["learning_rate"] = _learning_rate(self.model.optimizer)
        of_parts = {
            TRAIN: {f"epoch_{name}": value for name, value in train.items()},
            VALIDATION: {
                f"epoch_{name.removeprefix(OF_VALIDATION)}": value
                for name, value in validation.items()
            },
        }
        for part, scalars in of_parts.items():
            self._write(part, scalars, epoch)
        for log in self._logs.values():
            log.flush()

    def _write(self, part: str, scalars: Mapping[str, float], step: int) -> None:
        if part in self._logs:
            self._logs[part].scalars(scalars, step)

    @guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._has_begun = False
        for log in self._logs.values():
            log.close()

    def stop_recording(self) -> None:
        for log in self._logs.values():
            log.abandon()


def _learning_rate(optimizer: Any) -> float:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
