"""The gradient of every layer, from the first to the last, recorded while a model trains."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .drawing import figures
from .drawing.depth_images import depth_image
from .findings.finding import Finding, counted
from .findings.gradient_warnings import gradient_warnings
from .findings.layer_gradients import gradient_findings, listed
from .findings.training_warning import Scope, TrainingWarning
from .recording import frames
from .recording.event_reader import Key, Recorded
from .recording.gradient_monitor import GradientMonitor
from .recording.gradient_statistics import STATISTICS
from .recording.monitored_recorder import MonitoredRecorder
from .recording.relu import has_relu
from .recording.rows import Rows
from .recording.unused_outputs import layers_without_loss
from .recording.weight_owners import owner_paths

if TYPE_CHECKING:
    import pandas as pd


class LayerGradients(MonitoredRecorder):
    """Records ‖dE/dW‖ of every layer, and its ratio to ‖W‖, for any Keras model.

    E is the mean loss over the batch. The gradients are those of the real backward pass, as they
    are handed to a Keras optimizer, that of the model or any other: of the unscaled loss, before
    clipping; of all replicas together under a distribution strategy; of each single batch under
    gradient accumulation. Weights that are applied more than once count with the sum of their
    gradients.

        gradients = LayerGradients(log_dir="logs")
        model.fit(x, y, callbacks=[gradients])
        gradients.history["norm"]  # [N, L]

    When training begins, the training step is traced with this callback. This happens once for each
    model and callback, and again after each `compile`. Neither the model nor the
    optimizer is changed.

    Args:
        log_dir: event files for TensorBoard are written to `log_dir`/train, and those of
            further trainings to `log_dir`/2/train, …; None: no files. They hold the rows
            (see `recording.blocks`), a heat map layer × training step after each epoch, and the
            scalar `global_norm`.
        every: record every `every`-th training step, those that are divisible by it.

    The records of long runs stay small in the same way as those of `ErrorFlow`.

    Source: X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural
    networks, 2010.
    """

    kind = "layer_gradients"
    without_findings = "no fault was found in the gradient over depth"

    def __init__(self, log_dir: str | Path | None = None, every: int = 1):
        super().__init__(log_dir, every)
        self._facts: tuple[set[str], bool | None] | None = None  # of the model that is trained
        self._layers: list[str] = []  # all that have weights
        self._columns: list[list[int]] = []  # of each layer, its variables in the monitor's rows

    @property
    def history(self) -> dict[str, Any]:
        """The recorded tables; empty before training.

            step    [N]     the training step, from 1
            layers          L names of the layers that were trained, from input to loss
            norm    [N, L]  ‖dE/dW‖, W all weights of the layer
            ratio   [N, L]  ‖dE/dW‖ / ‖W‖
            dead    [N, L]  of a `Dense` or `Conv` layer, the share of its units (or filters) whose
                            gradient was zero in this and the 99 recorded steps before; NaN for
                            others
            skipped [N]     whether the loss scale skipped the training step

        All are NaN in training steps in which a layer was frozen. Norm and ratio are infinite where
        the gradient is not finite.
        """
        self.catch_up()
        rows = self._memory.all().get("")
        return {} if rows is None else self._tables(rows)

    def _tables(self, rows: Rows) -> dict[str, Any]:
        trained = ~np.isnan(rows.values[0]).all(axis=0)
        layers = [
            name for name, is_trained in zip(self._layers, trained, strict=True) if is_trained
        ]
        tables = dict(zip(rows.statistics, rows.values[:, :, trained], strict=True))
        return {"step": rows.steps, "layers": layers, "skipped": rows.were_skipped, **tables}

    def findings(self) -> list[Finding]:
        """Return the findings on the gradient over depth; none if it is healthy.

        A layer whose gradient no Keras optimizer was handed is named.
        """
        history = self.history
        if not history:
            return self._gaps() or self._nothing_arrived()
        findings = self._missing_layers(history) + gradient_findings(
            history["step"],
            history["layers"],
            history["norm"],
            history["ratio"],
            history["dead"],
            self._clip_norm(),
            skipped=history["skipped"],
            every=self.every,
            relu=has_relu(self._recorded_model),
        )
        return findings + self._gaps()

    def warnings(self, scope: Scope) -> list[TrainingWarning]:
        """Return what is wrong in the training steps read so far; see `EarlyWarning`."""
        scope = scope.every(self._memory.stride)
        rows = self._memory.latest(scope.rows).get("")
        if rows is None:
            return []
        if self._facts is None:
            self._facts = layers_without_loss(self._recorded_model), has_relu(self._recorded_model)
        history, (unused, relu) = self._tables(rows), self._facts
        without_loss = {name for name in history["layers"] if name.partition("/")[0] in unused}
        return gradient_warnings(history, scope, without_loss=without_loss, relu=relu)

    def _nothing_arrived(self):
        if self._step < self.every:
            return []
        text = (
            f"no Keras optimizer was handed a gradient in {self._step:,} training steps; where the "
            "training step updates weights by itself, their gradients are not recorded"
        )
        headline = f"no gradient recorded in {self._step:,} training steps"
        return [Finding("", "too little", headline, text)]

    def _missing_layers(self, history):
        handed = {*history["layers"]}
        trained = [n for n, places in zip(self._layers, self._columns, strict=True) if places]
        missing = [name for name in trained if name not in handed]
        if not missing:
            return []
        steps = f"in {len(history['step']):,} recorded training steps"
        headline = f"no gradient of {counted(len(missing), 'layer')} recorded"
        if len(missing) == 1:
            text = f"no Keras optimizer was handed its gradient {steps}"
            return [Finding(missing[0], "too little", headline, text)]
        text = f"no Keras optimizer was handed the gradient of {listed(missing)} {steps}"
        return [Finding("", "too little", headline, text)]

    def _clip_norm(self) -> float | None:
        optimizer = getattr(self.model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
        return getattr(optimizer, "global_clipnorm", None)

    def plot(self, statistic: str = "norm") -> Figure:
        """Return a heat map layer × training step of "norm" or "ratio"."""
        history = self.history
        return figures.layer_gradients({"gradients": history} if history else {}, statistic)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each training step and each layer that was not frozen in it.

        step     int       the training step, from 1
        layer    category  its path; the categories are in the order from input to loss
        depth    int       its place among them, from 1
        norm     float32   ‖dE/dW‖, W all weights of the layer
        ratio    float32   ‖dE/dW‖ / ‖W‖
        dead     float32   the share of dead units; NaN for layers without units
        skipped  bool      whether dynamic loss scaling skipped the training step
        """
        return frames.over_depth(self.history)

    # Going on in another process

    def state(self) -> dict[str, Any]:
        return super().state() | {"quiet_units": self._monitor.quiet_units()}

    def _fits(self, name: str, recorded: Recorded) -> bool:
        layers, statistics = recorded.about.get("layers", ()), recorded.about["statistics"]
        return not name and len(layers) == len(self._layers) and statistics == [*STATISTICS]

    def _take_back(self, state: Mapping[str, Any], recorded: Mapping[Key, Recorded]) -> None:
        self._columns = self._find_columns()
        self._monitor.go_on(state.get("quiet_units", ""))

    # Hooks that `StepRecorder` calls

    def _attach(self) -> None:
        self._facts = None
        super()._attach()

    def _make_monitor(self, rows: int) -> GradientMonitor:
        self._columns = []
        return GradientMonitor(self.model, rows, self.every)

    def _read_rows(self, steps: np.ndarray) -> dict[str, Rows]:
        chosen = steps[-self._capacity() :]
        chosen = chosen[chosen % self._memory.stride == 0]
        if not len(chosen) or self._monitor.variables is None:
            return {}
        self._columns = self._columns or self._find_columns()
        gradient, weight, dead = self._measure(chosen)
        arrived = ~np.isnan(gradient).all(axis=1)
        chosen, gradient, weight, dead = (a[arrived] for a in (chosen, gradient, weight, dead))
        ratio = np.divide(
            gradient,
            weight,
            out=np.full_like(gradient, np.nan),
            where=(weight > 0) & (weight < np.inf),
        )
        ratio[np.isinf(gradient)] = np.inf
        lengths = np.full(len(chosen), len(self._layers))
        values = np.stack([gradient, ratio, dead]).astype(np.float32)
        return {"": Rows(chosen, lengths, values, STATISTICS)}

    def _measure(self, steps):
        """→ ‖dE/dW‖, ‖W‖ and the share of dead units of each layer, each [N, L]"""
        measured, arrived = self._monitor.read(steps)  # [N, variables, 3], [N, variables]
        squares = np.where(arrived[:, :, None], measured[:, :, :2], 0.0)
        shares = np.where(arrived, measured[:, :, 2], np.nan)
        gradient, weight, dead = np.full([3, len(steps), len(self._layers)], np.nan)
        for column, places in enumerate(self._columns):
            rows = arrived[:, places].any(axis=1)
            norms = np.sqrt(squares[:, places][rows].sum(axis=1))
            norms = np.where(np.isfinite(norms), norms, np.inf)
            gradient[rows, column], weight[rows, column] = norms.T
            dead[:, column] = np.fmax.reduce(shares[:, places], axis=1, initial=np.nan)
        return gradient, weight, dead

    def _find_columns(self):
        """The places of each layer's trained variables in the monitor's rows."""
        path_of = owner_paths(self.model)
        self._layers = list(dict.fromkeys(path_of.values()))
        trained = [path_of[id(v)] for v in self._monitor.variables]
        return [[i for i, p in enumerate(trained) if p == path] for path in self._layers]

    def _about(self) -> Mapping[str, Any]:
        return {
            "layers": self._layers,
            "clip_norm": self._clip_norm(),
            "every": self.every,
            "relu": has_relu(self.model),
        }

    def _scalars(self, new: Mapping[str, Rows]) -> Mapping[str, Mapping[str, float]]:
        return {
            name: {"global_norm": float(np.median(np.linalg.norm(rows.values[0], axis=1)))}
            for name, rows in new.items()
        }

    def _images(self) -> Iterator[tuple[str, np.ndarray, str]]:
        history = self.history
        if not history:
            return
        about = "The norm of each layer's gradient."
        table, steps = history["norm"], history["step"]
        yield depth_image(table, steps, history["layers"], "norm of dE/dW", about)
