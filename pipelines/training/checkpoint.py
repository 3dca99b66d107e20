"""Keeps a run folder up to date while a model trains, so that a killed run can go on."""

import math
import sys
import time
from typing import Any

import keras

from ..core.config import CommonConfig
from ..core.files import atomic, read_json, write_json, write_rows
from ..core.run_folder import Run, read_history


class Keeper(keras.callbacks.Callback):
    """Writes history, best, last and backup after each epoch; stops when nothing gets better.

    Keras' own callbacks forget on resume what the best value was and how long it has stood. Here
    all of that is one file, `backup/state.json`, put in place after everything it speaks of.

    Args:
        run: the folder to keep.
        config: for `patience` and `epochs`.
        package: the model that best.keras and last.keras hold, on the weights that train.
        monitor: the figure of an epoch that says which is best, and `mode`, "max" or "min".
        feed: has an `epoch` that its next pass through the data is shuffled by.
    """

    def __init__(self, run: Run, config: CommonConfig, package, monitor: str, mode: str, feed):
        super().__init__()
        self.run, self.config, self.package, self.feed = run, config, package, feed
        self.monitor, self.sign = monitor, 1 if mode == "max" else -1
        self.rows: list[dict[str, Any]] = []
        self.best, self.best_epoch, self.waited = -math.inf, 0, 0
        self.failure: str | None = None

    def restore(self, model: keras.Model) -> int:
        """Brings back weights, optimizer, dropout's seeds and the counts; returns epochs done."""
        state = read_json(self.run.backup / "state.json")
        if not state:
            return 0
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.run.backup / state["weights"])
        for variable, value in zip(_random_states(model), state["random"], strict=True):
            variable.assign(value)
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.waited = state["waited"]
        self.rows = read_history(self.run)[: state["epochs"]]
        return state["epochs"]

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.config.patience <= self.waited

    @property
    def ending(self) -> str:
        """Why training ended."""
        if self.exhausted:
            return f"no better {self.monitor} for {self.waited} epochs"
        left = self.config.epochs - len(self.rows)
        return f"done {left} epochs early" if left else f"all {self.config.epochs} epochs done"

    def on_epoch_begin(self, epoch: int, logs=None):
        self.feed.epoch = epoch
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None):
        row = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - self.began, 3)}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row |= {key: float(value) for key, value in (logs or {}).items()}
        if not math.isfinite(row["loss"]):
            self.failure = f"the loss is no longer a number ({row['loss']} in epoch {epoch + 1})"
            self.model.stop_training = True
            return
        self.rows.append(row)
        better = self._judge(row)
        self._write(better)
        if not sys.stdout.isatty():
            print(_in_one_line(row, self.config.epochs, better), flush=True)
        self.model.stop_training |= self.exhausted

    def _judge(self, row: dict[str, float]) -> bool:
        value = self.sign * row[self.monitor]
        if value > self.best:
            self.best, self.best_epoch, self.waited = value, int(row["epoch"]), 0
            return True
        self.waited += 1
        return False

    def _write(self, better: bool):
        write_rows(self.run.history_file, self.rows)
        for path in [self.run.last] + [self.run.best] * better:
            with atomic(path) as temporary:
                self.package.save(temporary)
        epochs = len(self.rows)
        weights = self.run.backup / f"epoch-{epochs:04d}.weights.h5"
        with atomic(weights) as temporary:
            self.model.save_weights(temporary)
        write_json(
            self.run.backup / "state.json",
            {
                "epochs": epochs,
                "weights": weights.name,
                "random": [v.numpy() for v in _random_states(self.model)],
                "best": self.best,
                "best_epoch": self.best_epoch,
                "waited": self.waited,
            },
        )
        for old in self.run.backup.glob("*.weights.h5"):
            if old != weights:
                old.unlink()


def _random_states(model: keras.Model) -> list[Any]:
    """The states of the model's random generators, which a weights file leaves out."""
    return [v for v in model.variables if v.name == "seed_generator_state"]


def _in_one_line(row: dict[str, float], epochs: int, better: bool) -> str:
    names = sorted(row, key=lambda key: (key.startswith("val_"), "loss" not in key))
    shown = [key for key in names if key not in ("epoch", "seconds", "learning_rate")]
    figures = "  ".join(f"{key} {row[key]:.4f}" for key in shown)
    mark = "  best" if better else ""
    return f"epoch {int(row['epoch'])}/{epochs}  {row['seconds']:.1f} s  {figures}{mark}"
