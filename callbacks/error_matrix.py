"""Which loss step sends how much error to which earlier step, as a model learns."""

from pathlib import Path
from typing import Any

import numpy as np

from ..layers import error_matrix
from .drawing import heat_maps as pictures
from .recording.snapshot import LayerOnlooker


class ErrorMatrix(LayerOnlooker):
    """Records ‖δ_i^(k)‖ = ‖dE_i/dh_k‖ of one batch: the error of each loss step i at each step k.

    See `errorflow.layers.error_matrix` for what is measured, and on which models. It looks when
    training begins and after each epoch.

        matrix = ErrorMatrix(x[:8], y[:8], log_dir="logs")
        model.fit(x, y, callbacks=[matrix])
        matrix.history["matrix"]  # [N, T, T]

    Args:
        inputs, targets: the batch; a few examples are enough.
        log_dir: event files go to `log_dir`/error_matrix; None: nowhere. After each look: the
            matrix as a row (see `blocks`) and a picture.
        every: look after each `every`-th epoch.
        layer: as `errorflow.layers.error_matrix` takes it.

    Raises:
        ValueError, TypeError: when training begins; see `errorflow.layers.error_matrix`.
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
        super().__init__(self._see, log_dir, every)
        self.inputs, self.targets, self.layer = inputs, targets, layer

    @property
    def history(self) -> dict[str, np.ndarray]:
        """What was seen so far; empty before training.

        step    [N]        0 before training, then the epoch, from 1
        matrix  [N, I, K]  float32: of loss step i at step k; 0 for k > i
        """
        seen = self._recorded().get(self._name, {})
        rows = [table for figure, table in seen.items() if figure != "step"]
        return {"step": seen["step"], "matrix": np.stack(rows, axis=1)} if seen else {}

    @property
    def _name(self) -> str:
        return self.layer or ""

    def _see(self):
        return [error_matrix(self.model, self.inputs, self.targets, self.layer)]

    def _write(self, seen, step):
        (matrix,) = seen
        figures = {str(number): row for number, row in enumerate(matrix, start=1)}  # of each loss
        self._remember(step, {self._name: figures}, {})
        if self._log is not None:
            self._log.image("error_matrix", _picture(matrix), _DESCRIPTION)


def _picture(matrix):
    losses, steps = matrix.shape
    shown = np.where(matrix > 0, matrix, np.nan)
    columns, numbers = [str(step) for step in range(1, steps + 1)], np.arange(1, losses + 1)
    titles = ("reaches step k", "norm of dE_i/dh_k")
    scale = pictures.scale([matrix])
    return pictures.heat_map(shown, numbers, columns, scale, titles, rows="loss step i")


_DESCRIPTION = "The error that the loss after step i (a line) sends back to each step k (a column)."
