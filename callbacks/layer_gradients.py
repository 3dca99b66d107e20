"""The gradient of every layer, from the first to the last, recorded while a model trains."""

from typing import Any

import numpy as np

from .drawing import figures
from .drawing import heat_maps as pictures
from .findings.finding import Finding
from .findings.over_depth import of_gradients
from .recording.gradient_monitor import Tap
from .recording.rows import Rows
from .recording.step_recorder import RING, StepRecorder
from .recording.tracing import trace_inside
from .recording.weight_paths import holders

STATISTICS = ("norm", "ratio", "dead")


class LayerGradients(StepRecorder):
    """Records ‖dE/dW‖ of every layer, and its ratio to ‖W‖, for any Keras model while it trains.

    E is the mean loss over the batch. The gradients are those of the real backward pass, as they
    are handed to `model.optimizer`: of the unscaled loss, before clipping; of all replicas together
    under a distribution strategy; of each single batch under gradient accumulation. Weights that
    are applied more than once count with the sum of their gradients.

        gradients = LayerGradients(log_dir="logs")
        model.fit(x, y, callbacks=[gradients])
        gradients.history["norm"]  # [N, L]

    The training step is traced anew when training begins without it being in: once for a model and
    callback, unless it is compiled again. Neither the model nor the optimizer is changed.

    Args:
        log_dir: where to write event files for TensorBoard, in a run of its own,
            `layer_gradients`; None: nowhere. These are the rows, in blocks (see `blocks`), a heat
            map layer × training step after each epoch, and the scalar `global_norm`.
        every: record each `every`-th training step, those whose number it divides.

    A long run stays small in the same way as with `ErrorFlow`.
    """

    kind = "layer_gradients"

    def __init__(self, log_dir=None, every=1):
        super().__init__(log_dir, every)
        self._tap: Any = None
        self._layers: list[str] = []  # all that have weights

    @property
    def history(self) -> dict:
        """What was recorded so far; empty before training.

        step    [N]     the training step, from 1
        layers          L names of the layers that were trained, from input to loss
        norm    [N, L]  ‖dE/dW‖, W all weights of the layer
        ratio   [N, L]  ‖dE/dW‖ / ‖W‖
        dead    [N, L]  of a `Dense` or `Conv` layer, the share of its units (or filters) whose
                        gradient was zero in this and the 99 recorded steps before; NaN of others

        All are NaN in steps in which a layer was frozen; norm and ratio are infinite where the
        gradient is no finite number.
        """
        self._catch_up()
        recorded = self._memory.all().get("")
        if recorded is None:
            return {}
        trained = ~np.isnan(recorded.values[0]).all(axis=0)
        tables = dict(zip(STATISTICS, recorded.values[:, :, trained], strict=True))
        layers = [
            name for name, is_trained in zip(self._layers, trained, strict=True) if is_trained
        ]
        return {"step": recorded.steps, "layers": layers, **tables}

    def findings(self) -> list[Finding]:
        """What is wrong with the gradient over depth; nothing where it is healthy."""
        history = self.history
        if not history:
            return []
        return of_gradients(
            history["step"],
            history["layers"],
            history["norm"],
            history["ratio"],
            history["dead"],
            self._clip_norm(),
        )

    def _clip_norm(self) -> float | None:
        optimizer = getattr(self.model, "optimizer", None)
        return getattr(optimizer, "global_clipnorm", None)

    def plot(self, statistic="norm"):
        """A heat map layer × training step of "norm" or "ratio", as a `matplotlib` Figure."""
        history = self.history
        return figures.layer_gradients({"gradients": history} if history else {}, statistic)

    # What the recorder asks for

    def _attach(self):
        before = self._tap
        if before is None or not before.fits(self.model, self._pace):
            self._tap = Tap(self.model, max(RING, self._pace), self.every)
            self._columns = []
        self._tap.start_at(self._step)
        trace_inside(self.model, self._when_traced, anew=self._tap is not before)

    def _when_traced(self):
        return self._tap.open()

    def _ring(self):
        return self._tap.kept

    def _executed(self):
        return self._tap.count - self._step

    def _take(self, steps):
        chosen = steps[-self._ring() :]
        chosen = chosen[chosen % self._memory.stride == 0]
        if not len(chosen):
            return {}
        self._columns = self._columns or self._find_columns()
        measured = self._tap.read(chosen)  # [N, variables, 3]
        gradient, weight, dead = np.full([3, len(chosen), len(self._layers)], np.nan)
        for column, places in enumerate(self._columns):
            if places:
                found = np.sqrt(measured[:, places, :2].sum(axis=1))
                found = np.where(np.isfinite(found), found, np.inf)
                gradient[:, column], weight[:, column] = found.T
                dead[:, column] = np.fmax.reduce(measured[:, places, 2], axis=1)
        ratio = np.divide(
            gradient,
            weight,
            out=np.full_like(gradient, np.nan),
            where=(weight > 0) & (weight < np.inf),
        )
        ratio[np.isinf(gradient)] = np.inf
        lengths = np.full(len(chosen), len(self._layers))
        return {"": Rows(chosen, lengths, np.stack([gradient, ratio, dead]).astype(np.float32))}

    def _find_columns(self):
        """For each layer with weights, the places of those that are trained in the tap's rows."""
        path_of = holders(self.model)
        self._layers = list(dict.fromkeys(path_of.values()))
        trained = [path_of[id(v)] for v in self._tap.variables]
        return [[i for i, p in enumerate(trained) if p == path] for path in self._layers]

    def _content(self, rows):
        about = {"statistics": STATISTICS, "layers": self._layers}
        return about | {"clip_norm": self._clip_norm()}

    def _scalars(self, new):
        return {
            name: {"global_norm": float(np.median(np.linalg.norm(rows.values[0], axis=1)))}
            for name, rows in new.items()
        }

    def _pictures(self):
        history = self.history
        if not history:
            return
        columns = [str(i + 1) for i in range(len(history["layers"]))]
        titles = ("layer, from input to loss", "norm of dE/dW")
        scale = pictures.scale([history["norm"]])
        picture = pictures.heat_map(history["norm"], history["step"], columns, scale, titles)
        names = " · ".join(
            f"{i} {name}" for i, name in zip(columns, history["layers"], strict=True)
        )
        yield "", picture, f"{_DESCRIPTION} {names}"


_DESCRIPTION = "The gradient of each layer. Each line is one training step. The layers:"
