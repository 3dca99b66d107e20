"""How far back in time each recurrent layer can see, after each epoch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..layers.analysis.horizon import Horizon as HorizonOfBatch
from ..layers.analysis.horizon import horizons
from .drawing import figures
from .drawing.heat_maps import common_scale, heat_map
from .findings.finding import Finding
from .findings.horizon import half_life, horizon_finding
from .recording.frames import labelled
from .recording.snapshot import LayerSnapshotCallback, recurrent_paths
from .recording.tables import chosen

if TYPE_CHECKING:
    import pandas as pd


class Horizon(LayerSnapshotCallback):
    """Records ‖dh_T/dh_t‖ of every recurrent layer for one batch, and writes it for TensorBoard.

    It shows how much error the recurrence can carry back through time, whatever the loss;
    `ErrorFlow` records how much it does carry. `errorflow.layers.horizon` describes the figures.
    They are recorded when training begins and after each epoch, by one call of the model with
    `training=False`, which does not change the model.

        horizon = Horizon(x[:8], log_dir="logs")
        model.fit(x, y, callbacks=[horizon])
        horizon.history["lstm"]["hidden"]  # [N, T]

    Args:
        inputs: the batch, as the model takes it; a few examples are enough.
        log_dir: event files are written to `log_dir`/train; None: no files. For each layer they
            hold a row (see `recording.blocks`), a heat map, and the scalar `half_life` in time
            steps, of ‖dh_T/dc_t‖ for an LSTM.
        every: record after every `every`-th epoch.
        probes: see `errorflow.layers.horizon`; for large layers.

    Source: R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent neural
    networks, 2013.

    ConvLSTMs are left out: the Jacobian between two maps is too large.

    A model that the analysis does not support, such as one that calls all its recurrent layers
    twice, becomes a warning.

    Raises:
        ValueError: when training begins, if the model has no recurrent layer.
    """

    kind = "horizon"

    def __init__(
        self,
        inputs: Any,
        log_dir: str | Path | None = None,
        every: int = 1,
        probes: int | None = None,
    ):
        super().__init__(self._measure, log_dir, every)
        self.inputs, self.probes = inputs, probes

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """The recorded tables, by the path of the layer, float32.

            step    [N]     0 before training, then the epoch, from 1
            hidden  [N, T]  ‖dh_T/dh_t‖
            cell    [N, T]  ‖dh_T/dc_t‖ (LSTM only)
            bound   [N, T]  the product of the norms of the single steps (only without `probes`)

        The last step of every example is in column -1.
        """
        return self._recorded()

    def findings(self) -> list[Finding]:
        """Return how far back each layer can see after the last recorded epoch."""
        return [horizon_finding(layer, history) for layer, history in self.history.items()]

    def plot(self, statistic: str = "hidden", layers: Sequence[str] | None = None) -> Figure:
        """Return heat maps time step × epoch, with one common colour scale.

        Args:
            statistic: "hidden", "cell" or "bound", see `history`.
            layers: names from `history`; None: all.

        Raises:
            ValueError: nothing was recorded, or nothing of a layer in `layers`.
        """
        history = self.history
        return figures.horizon(chosen(history, layers or history), statistic)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each layer, epoch and time step.

        layer        str      a name from `history`
        epoch        int      0 before training, then from 1
        before_last, hidden, cell, bound: as in the table of `errorflow.layers.horizon`
        """
        parts = (
            ({"layer": layer, "epoch": epoch}, of_epoch.to_frame())
            for layer, history in self.history.items()
            for epoch, of_epoch in _by_epoch(history)
        )
        return labelled(parts, ("layer", "epoch", "before_last", "hidden", "cell", "bound"))

    def _check(self) -> None:
        if self.model.built:
            recurrent_paths(self)

    def _measure(self):
        by_layer = horizons(self.model, self.inputs, self.probes)
        if not by_layer:
            raise ValueError(
                f"model {self.model.name!r} calls no recurrent layer exactly once; "
                "ConvLSTMs do not count, they have no horizon"
            )
        return by_layer

    def _write(self, snapshot: Any, step: int) -> None:
        figures = {
            layer: {name: table for name, table in h._asdict().items() if table is not None}
            for layer, h in snapshot.items()
        }
        scalars = {
            f"horizon/half_life/{layer}": half_life(h.hidden if h.cell is None else h.cell)
            for layer, h in snapshot.items()
        }
        self._record(step, figures, scalars)
        if self._log is not None:
            for layer, history in self.history.items():
                self._log.image(f"horizon/heat_map/{layer}", _image(history), _DESCRIPTION)


def _by_epoch(history: Mapping[str, np.ndarray]) -> Iterator[tuple[int, HorizonOfBatch]]:
    """Yield each epoch and its norms."""
    for row, epoch in enumerate(history["step"].tolist()):
        norms = {name: table[row] for name, table in history.items()}
        yield epoch, HorizonOfBatch(norms["hidden"], norms.get("cell"), norms.get("bound"))


def _image(history):
    table = history["hidden"]
    columns = [str(n) for n in range(table.shape[-1])][::-1]
    titles = ("time steps before the last", "norm of dh_T/dh_t")
    return heat_map(
        table, history["step"], columns, common_scale([table]), titles, row_title="epoch"
    )


_DESCRIPTION = (
    "How much the last state changes with the state at each earlier time step, whatever the loss: "
    "the largest singular value of the Jacobian, root mean square over the batch. Each row is one "
    "epoch."
)
