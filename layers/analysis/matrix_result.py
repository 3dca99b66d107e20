"""The object that `error_matrix` returns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .results import AnalysisResult, number, steps_in_words

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure


class ErrorMatrix(np.lib.mixins.NDArrayOperatorsMixin, AnalysisResult):
    """‖δ_i^(k)‖ = ‖dE_i/dh_k‖ of one batch, which works wherever an array [N, T] does.

    It has the attributes and methods of the array, can be indexed, compared and calculated with;
    the results are plain arrays.

    Args:
        values: float32 [N, T], the error of loss step i at time step k; see `error_matrix`.
        layer: the path of the layer.
    """

    def __init__(self, values: np.ndarray, layer: str = ""):
        self.values, self.layer = np.asarray(values), layer

    def plot(self, steps: Sequence[str] | None = None, title: str | None = None) -> "ResultFigure":
        """Return a map loss step × time step; of a single loss, a curve over the time steps.

        Args:
            steps: T names of the time steps of a map, such as characters, which also name the loss
                steps if there are as many; None: numbers from 1.
            title: None: the name of the layer.
        """
        from . import pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        if len(self.values) == 1:
            curves = {title or self.layer: {"‖dE/dh_k‖": self.values[0]}}
            return pictures.curves(curves, "time step k", "rms over the batch")
        titles = "time step k", "loss step i", "‖dE_i/dh_k‖, rms over the batch"
        return pictures.matrix(self.values, title or self.layer, *titles, steps)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each loss step and time step, N · T rows.

        loss_step  int      i, from 1
        time_step  int      k, from 1
        error      float32  ‖dE_i/dh_k‖, rms over the examples; NaN where no example has both
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        loss_step, time_step = np.indices(self.values.shape) + 1
        columns = {"loss_step": loss_step.ravel(), "time_step": time_step.ravel()}
        return pd.DataFrame({**columns, "error": self.values.ravel()})

    def _text(self) -> str:
        finite = np.isfinite(self.values)
        if not finite.any():
            return "‖dE_i/dh_k‖ is not a finite number for any loss step i and time step k"
        row = int(np.flatnonzero(finite.any(axis=1))[-1])
        errors, places = self.values[row], np.flatnonzero(finite[row])
        loss = f"loss step {row + 1:,}" if len(self.values) > 1 else "the loss"
        if not errors[places].any():
            return f"no error of {loss} arrives: ‖dE/dh_k‖ is 0 at every time step k"
        first, largest = int(places[0]), int(places[np.argmax(errors[places])])
        peak = number(errors[largest])
        text = f"the error of {loss} is largest at time step {largest + 1:,} ({peak})"
        if first != largest:
            share = number(float(errors[first]) / float(errors[largest]))
            text += f"; at time step {first + 1:,} it is {share} times that"
        infinite = int(np.isinf(errors).sum())
        return text + (f"; it is infinite at {steps_in_words(infinite)}" if infinite else "")

    # What makes it an array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [i.values if isinstance(i, ErrorMatrix) else i for i in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getitem__(self, key: Any) -> Any:
        return self.values[key]

    def __len__(self) -> int:
        return len(self.values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "values":
            raise AttributeError(name)
        return getattr(self.values, name)

    def __repr__(self) -> str:
        return f"ErrorMatrix({self.values!r}, layer={self.layer!r})"
