"""The horizon of a recurrent layer: ‖dh_T/dh_t‖, which does not depend on a loss."""

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from .jacobians import jacobian_norms
from .recorded_calls import calls_of, has_maps, index_of_call
from .results import AnalysisResult, number, steps_in_words

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure


class Norms(NamedTuple):
    """The fields of a `Horizon`."""

    hidden: np.ndarray
    cell: np.ndarray | None
    bound: np.ndarray | None


class Horizon(AnalysisResult, Norms):
    """Norms of Jacobians, the rms over the examples that have a step t, each [T], float32.

    It is a tuple (hidden, cell, bound), and a notebook shows it as a sentence and a figure.

    Steps are in the order in which the layer reads them. Column -1 is the last step of every
    example, however long it is; there `hidden` is 1.

    Attributes:
        hidden: ‖dh_T/dh_t‖, the largest singular value; NaN where it is not finite.
        cell: ‖dh_T/dc_t‖ of an LSTM, including the path through h_t; None for other layers.
        bound: Π_k ‖ds_{k+1}/ds_k‖ over the steps from t to T, where s is the state: h, or h and c
            side by side. It is the textbook's upper bound of ‖ds_T/ds_t‖; None with `probes`.
        layer: the path of the layer.
    """

    def __new__(
        cls,
        hidden: np.ndarray,
        cell: np.ndarray | None = None,
        bound: np.ndarray | None = None,
        layer: str = "",
    ) -> "Horizon":
        horizon = super().__new__(cls, hidden, cell, bound)
        horizon.layer = layer
        return horizon

    def plot(self) -> "ResultFigure":
        """Return the norms as curves over the time steps before the last one."""
        from . import pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        labels = "‖dh_T/dh_t‖", "‖dh_T/dc_t‖", "product of single-step norms"
        norms = {name: n for name, n in zip(labels, self, strict=True) if n is not None}
        titles = "time steps before the last", "norm, rms over the batch"
        return pictures.curves({self.layer: norms}, *titles, from_end=True)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each time step, in the order in which the layer reads them.

        before_last  int      the number of time steps before the last one, from T-1 to 0
        hidden       float32  ‖dh_T/dh_t‖
        cell         float32  ‖dh_T/dc_t‖ (LSTM only)
        bound        float32  the product of the norms of the single steps (not with `probes`)
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        norms = {name: norm for name, norm in self._asdict().items() if norm is not None}
        return pd.DataFrame({"before_last": np.arange(len(self.hidden))[::-1], **norms})

    def _text(self) -> str:
        finite = np.flatnonzero(np.isfinite(self.hidden))
        if not len(finite):
            return "‖dh_T/dh_t‖ is not a finite number at any step"
        first, last, steps = finite[0], finite[-1], len(self.hidden)
        start, end = float(self.hidden[first]), float(self.hidden[last])
        at_end = "at the last step" if last == steps - 1 else _before_last(steps - 1 - last)
        if first == last:
            others = ", the only one" if steps == 1 else ", and not a finite number at any other"
            return f"‖dh_T/dh_t‖ is {number(end)} {at_end}{others}"
        change = "falls" if start < end else "grows" if start > end else "returns"
        text = (
            f"going back in time, ‖dh_T/dh_t‖ {change} from {number(end)} {at_end} to "
            f"{number(start)}, {_before_last(steps - 1 - first)}"
        )
        if min(start, end) > 0:
            factor = (start / end) ** (1 / (last - first))
            text += f", by a factor of {factor:.3g} per step on average"
        if self.cell is not None and np.isfinite(self.cell[first]):
            text += f"; ‖dh_T/dc_t‖ is {number(float(self.cell[first]))} there"
        infinite = int(np.isinf(self.hidden).sum())
        return text + (f"; it is infinite at {steps_in_words(infinite)}" if infinite else "")


def _before_last(count: int) -> str:
    return f"{steps_in_words(count)} before the last"


def horizon(
    model: keras.Model, x: Any, layer: str | None = None, probes: int | None = None
) -> Horizon:
    """Return how much the last state h_T of a recurrent layer changes with its state at each step.

        dh_T/dh_t = Π_{k=t}^{T-1} dh_{k+1}/dh_k        (for an LSTM, of h and c together)

    No loss is involved: the horizon shows how much error can come back through time, and
    `ErrorFlow` records how much does come back. T is the last step of an example that is not
    masked.

    The H rows of the Jacobian go back through time as H copies of the batch. A call therefore takes
    as long as a training step on H times as many examples, plus the singular values of T·B matrices
    H × H (`benchmarks/snapshot_cost.py` measures it).

    Args:
        model: a model with recurrent layers of errorflow or Keras; it is called at
            `training=False`.
        x: a batch.
        layer: the recurrent layer, as in `error_matrix`.
        probes: P, for large layers: use P random orthonormal directions of h_T instead of all H.
            The norms are then estimates, σ(P rows) · √(H/P). They are correct on average where one
            direction outweighs the others, as it does far from T.

    Returns:
        The norms, with a figure and a sentence; a notebook shows them.

    Raises:
        ValueError: there is no such layer, it is called more than once, or it is a ConvLSTM: the
            Jacobian between two maps has too many rows. Also as `watch`.
        TypeError: as `watch`.
    """
    calls = calls_of(model, x)
    call = calls[index_of_call(calls, layer, "horizon")]
    if has_maps(call):
        raise ValueError(
            f"horizon: layer {call.name!r} is a ConvLSTM, and the Jacobian between two of its maps "
            "has too many rows; layer.error and error_matrix show the error that comes back in it"
        )
    return _of_call(call, probes)


def horizons(model: keras.Model, x: Any, probes: int | None = None) -> dict[str, Horizon]:
    """Return the `horizon` of every recurrent layer that is called once, by the layer's path.

    ConvLSTMs are left out.
    """
    calls = [call for call in calls_of(model, x) if not has_maps(call)]
    names = [call.name for call in calls]
    return {call.name: _of_call(call, probes) for call in calls if names.count(call.name) == 1}


def _of_call(call, probes):
    hidden = call.sequence.states.hidden
    units = hidden.shape[-1]
    if probes is not None and not 1 <= probes <= units:
        raise ValueError(f"horizon: probes must be from 1 to {units}, the layer's units")
    rows = np.eye(units) if probes is None else _directions(probes, units)
    function = jacobian_norms(call.equations, units, probes is None)
    norms, single = function(
        call.sequence, call.weights, call.mask, tf.constant(rows, hidden.dtype)
    )
    valid = np.ones(call.sequence.x.shape[:2], bool)
    valid = valid if call.mask is None else call.mask.numpy()[:, :, 0]
    of_hidden, *of_cell = [_aligned_at_the_end(n.numpy(), valid) for n in norms]
    bound = None if probes else _aligned_at_the_end(_products(single.numpy(), valid), valid)
    return Horizon(of_hidden, of_cell[0] if of_cell else None, bound, call.name)


def _directions(count, units):
    """Return random orthonormal rows [P, H], scaled by √(H/P); the same at every call."""
    random = np.random.default_rng(0)
    rows, _ = np.linalg.qr(random.normal(size=(units, count)))
    return rows.T * np.sqrt(units / count)


def _products(single, valid):
    """Return Π ‖ds_{k+1}/ds_k‖ from each step to the last one, [T, B].

    single[t] is the norm for the step from t-1 to t.
    """
    following = np.concatenate([np.where(valid, single, 1)[1:], np.ones_like(single[:1])])
    return np.cumprod(following[::-1], axis=0)[::-1]


def _aligned_at_the_end(norms, valid):
    """Return the rms [T] over the examples, with the last valid step of each in column -1."""
    steps, places = len(norms), np.arange(len(norms))[:, None]
    last = steps - 1 - valid[::-1].argmax(axis=0)  # [B]
    source = places - (steps - 1 - last)
    counted = (source >= 0) & np.take_along_axis(valid, np.maximum(source, 0), axis=0)
    squares = np.take_along_axis(norms, np.maximum(source, 0), axis=0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((squares * counted).sum(axis=1) / counted.sum(axis=1)).astype(np.float32)
