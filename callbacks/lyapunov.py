"""The Lyapunov exponents of each recurrent layer, after each epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..layers.analysis.lyapunov import lyapunovs
from .drawing.exponents import exponents_figure
from .findings.finding import Finding
from .findings.lyapunov import half_life, lyapunov_finding
from .recording.frames import stacked
from .recording.snapshot import LayerSnapshotCallback, recurrent_paths
from .recording.tables import chosen

if TYPE_CHECKING:
    import pandas as pd


class Lyapunov(LayerSnapshotCallback):
    """Records the largest Lyapunov exponents of every recurrent layer along one batch.

    They show how fast error fades (λ_1 < 0) or explodes (λ_1 > 0) on its way back through time,
    whatever the loss, and in how many directions; `errorflow.layers.lyapunov` describes them. They
    are recorded when training begins and after each epoch, by one call of the model with
    `training=False`, which does not change the model.

        lyapunov = Lyapunov(x[:8], log_dir="logs")
        model.fit(x, y, callbacks=[lyapunov])
        lyapunov.history["lstm"]["exponent"][:, 0]  # λ_1 of each epoch, [N]

    Args:
        inputs: the batch, as the model takes it; a few examples are enough.
        log_dir: event files are written to `log_dir`/train; None: no files. For each layer they
            hold a row (see `recording.blocks`), and the scalars `largest`, which is λ_1 in
            1 / time step, and `half_life`, -ln 2 / λ_1 in time steps.
        every: record after every `every`-th epoch.
        exponents: k, the number of exponents; all of a layer whose state has fewer values. The
            time that it takes grows with k².

    Source: R. Engelken, F. Wolf, L. Abbott: Lyapunov spectra of chaotic recurrent neural networks,
    2020.

    ConvLSTMs are left out: the states of their maps have too many values.

    A model that the analysis does not support, such as one that calls all its recurrent layers
    twice, becomes a warning.

    Raises:
        ValueError: `exponents` or `every` is not a whole number from 1; when training begins, if
            the model has no recurrent layer.
    """

    kind = "lyapunov"

    def __init__(
        self,
        inputs: Any,
        log_dir: str | Path | None = None,
        every: int = 1,
        exponents: int = 8,
    ):
        if not isinstance(exponents, int) or exponents < 1:
            raise ValueError(
                f"Lyapunov: `exponents` must be a whole number from 1, not {exponents!r}"
            )
        super().__init__(self._measure, log_dir, every)
        self.inputs, self.exponents = inputs, exponents

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """The recorded tables, by the path of the layer, float32.

        step      [N]     0 before training, then the epoch, from 1
        exponent  [N, k]  λ_1 … λ_k, the mean over the examples, in 1 / time step
        spread    [N, k]  their standard deviation over the examples
        """
        return self._recorded()

    def findings(self) -> list[Finding]:
        """Return the largest exponent of each layer after the last recorded epoch, in words."""
        return [lyapunov_finding(layer, history) for layer, history in self.history.items()]

    def plot(self, layers: Sequence[str] | None = None) -> Figure:
        """Return the exponents over the epochs, one panel for each layer.

        Args:
            layers: names from `history`; None: all.

        Raises:
            ValueError: nothing was recorded, or nothing of a layer in `layers`.
        """
        history = self.history
        return exponents_figure(chosen(history, layers or history))

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each layer, epoch and exponent.

        layer     category  a name from `history`
        epoch     int       0 before training, then from 1
        number    int       i, from 1
        exponent  float32   λ_i, the mean over the examples, in 1 / time step
        spread    float32   its standard deviation over the examples
        """
        columns = ("layer", "epoch", "number", "exponent", "spread")
        return stacked({name: _columns(tables) for name, tables in self.history.items()}, columns)

    def _check(self) -> None:
        if self.model.built:
            recurrent_paths(self)

    def _measure(self):
        by_layer = lyapunovs(self.model, self.inputs, self.exponents)
        if not by_layer:
            raise ValueError(
                f"model {self.model.name!r} calls no recurrent layer exactly once; "
                "ConvLSTMs do not count, their Lyapunov exponents are not computed"
            )
        return by_layer

    def _write(self, snapshot: Any, step: int) -> None:
        figures = {
            layer: {"exponent": spectrum.exponents, "spread": spectrum.spread}
            for layer, spectrum in snapshot.items()
        }
        scalars = {}
        for layer, spectrum in snapshot.items():
            largest = float(spectrum.exponents[0])
            scalars[f"lyapunov/largest/{layer}"] = largest
            scalars[f"lyapunov/half_life/{layer}"] = half_life(largest)
        self._record(step, figures, scalars)


def _columns(tables):
    epochs, count = tables["exponent"].shape
    return {
        "epoch": np.repeat(tables["step"], count),
        "number": np.tile(np.arange(1, count + 1), epochs),
        "exponent": tables["exponent"].ravel(),
        "spread": tables["spread"].ravel(),
    }
