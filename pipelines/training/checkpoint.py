"""Keep a run folder up to date while a model trains, so that a killed run can be resumed."""

import math
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import keras

from ..core.backup import Backup
from ..core.config import Optimisation
from ..core.console import note, say
from ..core.errors import UserError
from ..core.files import atomic, write_rows
from ..core.generation import Generation
from ..core.integrity import is_whole_model
from ..core.run_folder import RunFolder, read_history
from ..core.run_lock import check_still_held
from ..models.keras_file import check_weights_file
from .checkpoint_space import require_checkpoint_space
from .spec import TrainingSpec


class Resumable(Protocol):
    """A callback that goes on recording when a training is resumed."""

    def state(self) -> dict[str, Any]:
        """Return what it needs in the process that resumes the training."""
        ...

    def resume(self, state: Mapping[str, Any]) -> None:
        """Take the state that was saved with the weights; it is empty if there is none."""
        ...


class RunCheckpoint(keras.callbacks.Callback):
    """Write history, best, last and backup after each epoch; stop when patience has run out.

    Of two epochs with the same value, the one with the lower validation loss is better: on a few
    validation examples, accuracy and macro-F1 have few values.

    When a training is resumed, Keras' own callbacks have forgotten the best value and the number of
    epochs since. This callback keeps both in the backup, see `Backup`.

    Args:
        run: the folder to keep up to date.
        settings: for `patience` and `epochs`.
        spec: what is trained; best.keras and last.keras hold its `serving_model`.
        records: callbacks by name that go on recording when the training is resumed.

    Attributes:
        history: one row per epoch, as in history.csv.
        best_epoch: counted from 1.
        failure: the reason why training cannot continue, or None.
    """

    def __init__(
        self,
        run: RunFolder,
        settings: Optimisation,
        spec: TrainingSpec,
        records: Mapping[str, Resumable] = MappingProxyType({}),
    ):
        super().__init__()
        self.records = records
        self.run, self.settings, self.spec = run, settings, spec
        self.backup = Backup(run)
        self.sign = 1 if spec.mode == "max" else -1
        self.history: list[dict[str, Any]] = []
        self.best, self.best_epoch, self.epochs_waited = -math.inf, 0, 0
        self.best_loss = math.inf
        self.failure: str | None = None

    def restore(self, model: keras.Model) -> int:
        """Restore weights, optimizer, dropout seeds and counters; return the epochs done.

        Raises:
            UserError: the backup is damaged so far that it is not known where to continue.
        """
        restart = self.backup.restart()
        if restart is None:
            return 0
        for line in self.backup.restore_files(restart):
            note(line)
        model.optimizer.build(model.trainable_variables)
        if restart.best is not None:
            _load(model, restart.best)
            self._save_again(self.run.best)
        _load(model, restart.generation)
        if not is_whole_model(self.run.last):
            self._save_again(self.run.last)
        self._restore_counters(restart.generation)
        if restart.best_is_last:
            self._take_last_as_best()
        self.backup.continue_from(restart.generation)
        return restart.generation.epochs

    def _restore_counters(self, generation: Generation) -> None:
        state = generation.state
        self.best = -math.inf if state["best"] is None else state["best"]
        self.best_epoch, self.epochs_waited = state["best_epoch"], state["waited"]
        loss = state.get("best_loss")  # None: not measured, or the state of an earlier version
        self.best_loss = -math.inf if loss is None else loss
        self.history = read_history(self.run)[: generation.epochs]
        for name, record in self.records.items():
            record.resume(state.get("records", {}).get(name, {}))

    def _take_last_as_best(self) -> None:
        """Compare the next epochs with the last one: best.keras is a copy of last.keras."""
        self.best, self.best_loss = -math.inf, math.inf
        self._compare(self.history[-1])

    def _save_again(self, path: Path) -> None:
        note(f"{path} was damaged or missing: written again from the backup")
        with atomic(path) as temporary:
            self.spec.serving_model.save(temporary)

    @property
    def is_exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.settings.patience <= self.epochs_waited

    @property
    def ending(self) -> str:
        """Why training ended."""
        if self.is_exhausted:
            return f"no better {self.spec.monitor} for {self.epochs_waited} epochs"
        left = self.settings.epochs - len(self.history)
        return f"done {left} epochs early" if left else f"all {self.settings.epochs} epochs done"

    def on_train_begin(self, logs: Any = None) -> None:
        check_still_held(self.run.lock_file)
        require_checkpoint_space(self.run, self.spec.serving_model, self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.spec.train_data.epoch = epoch
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        row = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - self._began, 3)}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row |= {key: float(value) for key, value in (logs or {}).items()}
        if not math.isfinite(row["loss"]):
            self.failure = f"the loss is no longer a number ({row['loss']} in epoch {epoch + 1})"
            self.model.stop_training = True
            return
        self.history.append(row)
        is_better = self._compare(row)
        self._write(is_better)
        if not sys.stdout.isatty():
            say(_in_one_line(row, self.settings.epochs, is_better))
        self.model.stop_training |= self.is_exhausted

    def _compare(self, row: dict[str, float]) -> bool:
        """Return whether this epoch is the best so far; count the epochs since the best."""
        value, loss = self.sign * row[self.spec.monitor], row.get("val_loss", math.inf)
        if (value, -loss) > (self.best, -self.best_loss):
            self.best, self.best_epoch, self.epochs_waited = value, int(row["epoch"]), 0
            self.best_loss = loss
            return True
        self.epochs_waited += 1
        return False

    def _write(self, is_better: bool) -> None:
        require_checkpoint_space(self.run, self.spec.serving_model, self.model)
        backup, last = self.backup, self.backup.pending(self.run.last)
        backup.discard_pending()
        write_rows(backup.pending(self.run.history_file), self.history)
        self.spec.serving_model.save(last)
        if is_better:  # a copy: to save a model takes longer than a small epoch
            shutil.copyfile(last, backup.pending(self.run.best))
        epochs = len(self.history)
        with atomic(backup.weights(epochs)) as temporary:
            self.model.save_weights(temporary)
        counters = {
            "random": [v.numpy() for v in _random_states(self.model)],
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "waited": self.epochs_waited,
            "records": {name: record.state() for name, record in self.records.items()},
        }
        backup.commit(epochs, counters)


def _load(model: keras.Model, generation: Generation) -> None:
    """Load weights, optimizer and random states.

    Raises:
        UserError: the file is damaged, and of an earlier version, which knew no checksums.
    """
    check_weights_file(generation.weights)
    try:
        model.load_weights(generation.weights)
        for variable, value in zip(_random_states(model), generation.state["random"], strict=True):
            variable.assign(value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{generation.weights} does not belong to this run: {error}") from None


def _random_states(model: keras.Model) -> list[Any]:
    """Return the states of the model's random generators, which a weights file leaves out."""
    return [v for v in model.variables if v.name == "seed_generator_state"]


def _in_one_line(row: dict[str, float], epochs: int, is_better: bool) -> str:
    names = sorted(row, key=lambda key: (key.startswith("val_"), "loss" not in key))
    shown = [key for key in names if key not in ("epoch", "seconds", "learning_rate")]
    figures = "  ".join(f"{key} {row[key]:.4f}" for key in shown)
    mark = "  best" if is_better else ""
    return f"epoch {int(row['epoch'])}/{epochs}  {row['seconds']:.1f} s  {figures}{mark}"
