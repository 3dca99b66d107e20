"""Which loss step sends how much error to which earlier step, as a model learns."""

from pathlib import Path
from typing import Any

import numpy as np

from ..layers import error_matrix
from . import pictures
from .looks import Onlooker
from .rows import one_row


class ErrorMatrix(Onlooker):
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

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        log_dir: str | Path | None = None,
        every: int = 1,
        layer: str | None = None,
    ):
        folder = None if log_dir is None else Path(log_dir) / "error_matrix"
        super().__init__(self._see, folder, every)
        self.inputs, self.targets, self.layer = inputs, targets, layer

    def _begin_anew(self):
        super()._begin_anew()
        self._looks: dict[int, np.ndarray] = {}

    @property
    def history(self) -> dict[str, np.ndarray]:
        """What was seen so far; empty before training.

        step    [N]        0 before training, then the epoch, from 1
        matrix  [N, I, K]  float32: of loss step i at step k; 0 for k > i
        """
        if not self._looks:
            return {}
        return {
            "step": np.array([*self._looks]),
            "matrix": np.stack([*self._looks.values()]),
        }

    def _see(self):
        return [error_matrix(self.model, self.inputs, self.targets, self.layer)]

    def _write(self, seen, step):
        (matrix,) = seen
        self._looks[step] = matrix
        if self._log is None:
            return
        losses, steps = matrix.shape
        rows = {str(number + 1): row for number, row in enumerate(matrix)}
        name, content = self.layer or "", {"statistics": [*rows]}  # a statistic: a loss step
        self._log.write("error_matrix", {name: one_row(step, rows)}, {name: content}, {}, step)
        columns = [str(number + 1) for number in range(steps)]
        titles = ("reaches step k", "norm of dE_i/dh_k")
        scale, numbers = pictures.scale([matrix]), np.arange(1, losses + 1)
        shown = np.where(matrix > 0, matrix, np.nan)
        picture = pictures.heat_map(shown, numbers, columns, scale, titles, rows="loss step i")
        self._log.image("error_matrix", picture, _DESCRIPTION)


_DESCRIPTION = "The error that the loss after step i (a line) sends back to each step k (a column)."
