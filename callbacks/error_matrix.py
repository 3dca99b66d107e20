"""How much error each loss step sends to each earlier step, after each epoch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..layers import error_matrix
from ..layers.analysis.matrix_result import ErrorMatrix as MatrixOfBatch
from .drawing.heat_maps import common_scale, heat_map
from .drawing.notebook_figure import NothingRecorded
from .findings.finding import Finding
from .recording.frames import labelled
from .recording.snapshot import LayerSnapshotCallback, recurrent_paths

if TYPE_CHECKING:
    import pandas as pd


class ErrorMatrix(LayerSnapshotCallback):
    """Records ‖δ_i^(k)‖ = ‖dE_i/dh_k‖ of one batch: the error of each loss step i at each step k.

    `errorflow.layers.error_matrix` describes the figures and the models that have them. A matrix is
    recorded when training begins and after each epoch.

        matrix = ErrorMatrix(x[:8], y[:8], log_dir="logs")
        model.fit(x, y, callbacks=[matrix])
        matrix.history["matrix"]  # [N, T, T]

    Args:
        inputs, targets: the batch; a few examples are enough.
        log_dir: event files are written to `log_dir`/train: each matrix as a row (see
            `recording.blocks`) and as an image. None: no files.
        every: record after every `every`-th epoch.
        layer: see `errorflow.layers.error_matrix`.

    A model that the analysis does not support becomes a warning.

    Raises:
        ValueError: when training begins, if the model has no recurrent layer, or none at `layer`.
    """

    kind = "error_matrix"

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        log_dir: str | Path | None = None,
        every: int = 1,
        layer: str | None = None,
    ):
        super().__init__(self._measure, log_dir, every)
        self.inputs, self.targets, self.layer = inputs, targets, layer

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The recorded tables; empty before training.

        step    [N]        0 before training, then the epoch, from 1
        matrix  [N, I, K]  float32: the error of loss step i at step k; 0 for k > i
        """
        recorded = self._recorded().get(self._name, {})
        if not recorded:
            return {}
        rows = [table for figure, table in recorded.items() if figure != "step"]
        return {"step": recorded["step"], "matrix": np.stack(rows, axis=1)}

    def findings(self) -> list[Finding]:
        """Return where the error of the last loss step arrives after the last recorded epoch."""
        history = self.history
        if not history:
            return []
        epoch, matrix = int(history["step"][-1]), MatrixOfBatch(history["matrix"][-1])
        kind = "measured" if np.isfinite(matrix).any() else "not finite"
        headline = f"the error of each loss step after epoch {epoch:,}"
        text = f"{matrix.sentence} (epoch {epoch:,})"
        return [Finding(self._name, kind, headline, text, {"epoch": epoch})]

    def plot(self, epoch: int | None = None) -> Figure:
        """Return the matrix of one epoch as a map loss step × time step.

        Args:
            epoch: a number from `history["step"]`; None: the last one.

        Raises:
            ValueError: nothing was recorded, or nothing in this epoch.
        """
        history = self.history
        if not history:
            raise NothingRecorded
        epochs = history["step"].tolist()
        if epoch is not None and epoch not in epochs:
            raise ValueError(f"plot: no matrix of epoch {epoch} was recorded, only of {epochs}")
        row = -1 if epoch is None else epochs.index(epoch)
        return MatrixOfBatch(history["matrix"][row], f"epoch {epochs[row]:,}").plot()

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each epoch, loss step and time step.

        epoch      int      0 before training, then from 1
        loss_step, time_step, error: as in the table of `errorflow.layers.error_matrix`
        """
        history = self.history
        recorded = zip(history.get("step", ()), history.get("matrix", ()), strict=True)
        parts = (({"epoch": int(n)}, MatrixOfBatch(matrix).to_frame()) for n, matrix in recorded)
        return labelled(parts, ("epoch", "loss_step", "time_step", "error"))

    @property
    def _name(self) -> str:
        return self.layer or ""

    def _check(self) -> None:
        if not self.model.built:
            return
        paths = recurrent_paths(self)
        if self.layer and not any(f"/{path}".endswith(f"/{self.layer}") for path in paths):
            raise ValueError(
                f"ErrorMatrix: no recurrent layer {self.layer!r}; there are: {', '.join(paths)}"
            )

    def _measure(self):
        return [error_matrix(self.model, self.inputs, self.targets, self.layer)]

    def _write(self, snapshot: Any, step: int) -> None:
        matrix = np.asarray(snapshot[0])
        by_loss_step = {str(number): row for number, row in enumerate(matrix, start=1)}
        self._record(step, {self._name: by_loss_step}, {})
        if self._log is not None:
            self._log.image("error_matrix", _image(matrix), _DESCRIPTION)


def _image(matrix):
    losses, steps = matrix.shape
    positive = np.where(matrix > 0, matrix, np.nan)
    columns, numbers = [str(step) for step in range(1, steps + 1)], np.arange(1, losses + 1)
    titles = ("time step k", "norm of dE_i/dh_k")
    scale = common_scale([matrix])
    return heat_map(positive, numbers, columns, scale, titles, row_title="loss step i")


_DESCRIPTION = "The error that the loss at step i (row) sends back to each time step k (column)."
