"""How far back each recurrent layer can see, as it learns."""

from pathlib import Path
from typing import Any

import numpy as np

from ..layers.analysis.horizon import horizons
from .drawing import heat_maps as pictures
from .findings.of_snapshots import half_life
from .recording.snapshot import LayerOnlooker


class Horizon(LayerOnlooker):
    """Records ‖dh_T/dh_t‖ of every recurrent layer for one batch, and writes it for TensorBoard.

    It is what can come back through time, whatever the loss: `ErrorFlow` records what does come.
    See `errorflow.layers.horizon` for what is measured. It looks when training begins and after
    each epoch, by one call of the model with `training=False`, which changes nothing.

        seen = Horizon(x[:8], log_dir="logs")
        model.fit(x, y, callbacks=[seen])
        seen.history["lstm"]["hidden"]  # [N, T]

    Args:
        inputs: the batch, as the model takes it; a few examples are enough.
        log_dir: event files go to `log_dir`/horizon; None: nowhere. After each look, of each layer:
            a row (see `blocks`), a heat map, and the scalar `half_life` (in time steps).
        every: look after each `every`-th epoch.
        probes: as `errorflow.layers.horizon` takes it, for large layers.

    Raises:
        ValueError: when training begins, and the model has no recurrent layer that it calls once.
    """

    kind = "horizon"

    def __init__(
        self,
        inputs: Any,
        log_dir: str | Path | None = None,
        every: int = 1,
        probes: int | None = None,
    ):
        super().__init__(self._see, log_dir, every)
        self.inputs, self.probes = inputs, probes

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """What was seen so far, by the path of the layer, float32.

        step    [N]     0 before training, then the epoch, from 1
        hidden  [N, T]  ‖dh_T/dh_t‖
        cell    [N, T]  ‖dh_T/dc_t‖ (LSTM only)
        bound   [N, T]  the product of the single steps' norms (without `probes` only)

        In column -1 stands the last step of every example.
        """
        return self._recorded()

    def _see(self):
        found = horizons(self.model, self.inputs, self.probes)
        if not found:
            raise ValueError(
                f"Horizon: model {self.model.name!r} has no recurrent layer that it calls once"
            )
        return found

    def _write(self, seen, step):
        figures = {
            name: {part: table for part, table in one._asdict().items() if table is not None}
            for name, one in seen.items()
        }
        half_lives = {
            f"horizon/half_life/{name}": half_life(one.hidden) for name, one in seen.items()
        }
        self._remember(step, figures, half_lives)
        if self._log is not None:
            for name, parts in self.history.items():
                self._log.image(f"horizon/heat_map/{name}", _picture(parts), _DESCRIPTION)


def _picture(history):
    table = history["hidden"]
    columns = [str(n) for n in range(table.shape[-1])][::-1]
    titles = ("time steps before the last", "norm of dh_T/dh_t")
    scale = pictures.scale([table])
    return pictures.heat_map(table, history["step"], columns, scale, titles, rows="epoch")


_DESCRIPTION = (
    "How much the last state changes with the state at each earlier time step, whatever the loss: "
    "the largest singular value of the Jacobian, rms over the batch. Each line is one epoch."
)
