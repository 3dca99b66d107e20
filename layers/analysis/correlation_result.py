"""The object that `gradient_correlation` returns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .results import AnalysisResult, number

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure

HALF = 0.5  # the autocorrelation whose lag and distance the sentence names


class Correlations(NamedTuple):
    """The fields of a `GradientCorrelation`."""

    layers: tuple[str, ...]
    correlation: np.ndarray
    autocorrelation: np.ndarray
    distance: np.ndarray


class GradientCorrelation(AnalysisResult, Correlations):
    """Correlations of gradients over R layers and K lags; see `gradient_correlation`.

    It is a tuple (layers, correlation, autocorrelation, distance), and a notebook shows it as a
    sentence and a figure. A lag is a number of inputs along the path.

    Attributes:
        layers: R paths of layers in the order in which they are called, after "input".
        correlation: float32 [R, K+1], from -1 to 1, at lags 0 to K; 1 at lag 0. NaN where the
            gradient is zero or not finite.
        autocorrelation: float32 [R, K+1], the same after the mean over the path is subtracted. NaN
            also where the gradient is the same at all inputs.
        distance: float32 [K+1], the rms of ‖x_{i+k} - x_i‖, in the unit of x. NaN if no input has a
            gradient.
        layer: the name of the model.
    """

    def __new__(
        cls,
        layers: Sequence[str],
        correlation: np.ndarray,
        autocorrelation: np.ndarray,
        distance: np.ndarray,
        layer: str = "",
    ) -> "GradientCorrelation":
        result = super().__new__(cls, tuple(layers), correlation, autocorrelation, distance)
        result.layer = layer
        return result

    def plot(self) -> "ResultFigure":
        """Return the autocorrelation over the lag, and both measures of neighbours over depth."""
        from . import pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        return pictures.correlations(
            self.layers, self.correlation, self.autocorrelation, self.layer
        )

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each layer and lag, R · (K+1) rows.

        layer            category  its path, or "input"
        lag              int       the number of inputs along the path, from 0
        distance         float32   the rms of ‖x_{i+lag} - x_i‖
        correlation      float32   of the gradients at inputs that are `lag` apart
        autocorrelation  float32   the same after the mean over the path is subtracted
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        rows, lags = self.correlation.shape
        frame = pd.DataFrame(
            {
                "layer": np.repeat(self.layers, lags),
                "lag": np.tile(np.arange(lags), rows),
                "distance": np.tile(self.distance, rows),
                "correlation": self.correlation.ravel(),
                "autocorrelation": self.autocorrelation.ravel(),
            }
        )
        return frame.astype({"layer": "category"})

    def _text(self) -> str:
        neighbours = self.correlation[:, 1]
        finite = np.flatnonzero(np.isfinite(neighbours))
        if not len(finite):
            return "the gradient is zero or not a finite number at every layer"
        first, last = int(finite[0]), int(finite[-1])
        return self._over_depth(first, last, neighbours) + self._over_distance(first)

    def _over_depth(self, first, last, neighbours):
        subject, end = "the gradients at neighbouring inputs", float(neighbours[first])
        if first == last:
            return f"{subject} have a correlation of {number(end)} at {self._place(first)}"
        start = float(neighbours[last])
        text = (
            f"going back from {self._place(last)} to {self._place(first)}, the correlation of "
            f"{subject}"
        )
        if number(start) == number(end):
            return f"{text} stays at {number(end)}"
        text += f" {'falls' if end < start else 'grows'} from {number(start)} to {number(end)}"
        if min(start, end) > 0:
            factor = (end / start) ** (1 / (last - first))
            text += f", by a factor of {factor:.3g} per layer on average"
        return text

    def _over_distance(self, row):
        values, place = self.autocorrelation[row], self._place(row)
        if not np.isfinite(values).all():
            return f"; at {place} the gradient is the same for all x"
        below = np.flatnonzero(values < HALF)
        if not len(below):
            return (
                f"; at {place} the autocorrelation stays above {HALF} up to lag {len(values) - 1}"
            )
        text = f"; at {place} the autocorrelation is below {HALF} from lag {below[0]}"
        distance = float(self.distance[below[0]])
        return text + (f", a distance of {number(distance)}" if np.isfinite(distance) else "")

    def _place(self, row):
        return "the input" if self.layers[row] == "input" else self.layers[row]
