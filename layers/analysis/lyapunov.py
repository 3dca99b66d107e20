"""The Lyapunov spectrum of a recurrent layer along the states that a batch drives it through."""

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from .orthogonal_iteration import logarithmic_growth
from .recorded_calls import calls_of, has_maps, index_of_call
from .results import AnalysisResult, number

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure

SWEEP_STEPS = 100  # time steps of an example that the sweeps together have at least


class Spectrum(NamedTuple):
    """The fields of a `LyapunovSpectrum`."""

    exponents: np.ndarray
    spread: np.ndarray


class LyapunovSpectrum(AnalysisResult, Spectrum):
    """The k largest Lyapunov exponents of a recurrent layer, in 1 / time step, float32.

    It is a tuple (exponents, spread), and a notebook shows it as a sentence and a figure.

    Attributes:
        exponents: λ_1 … λ_k, the mean over the examples [k]. They decrease, up to what the
            iteration leaves open where two of them are nearly equal.
        spread: their standard deviation over the examples, [k].
        layer: the path of the layer.
        size: S, the size of the state: H, or 2 H for h and c of an LSTM.
    """

    size: int

    def __new__(
        cls, exponents: np.ndarray, spread: np.ndarray, layer: str = "", size: int = 0
    ) -> "LyapunovSpectrum":
        spectrum = super().__new__(cls, exponents, spread)
        spectrum.layer, spectrum.size = layer, size or len(exponents)
        return spectrum

    @property
    def half_life(self) -> float:
        """-ln 2 / λ_1: the time steps in which an error halves going back, negative if it doubles.

        Infinite if λ_1 is 0.
        """
        largest = float(self.exponents[0])
        return -np.log(2) / largest if largest else np.inf

    @property
    def dimension(self) -> float:
        """The Kaplan–Yorke dimension j + (λ_1 + … + λ_j) / (-λ_{j+1}) of the attractor.

        j is the largest number of exponents with a sum of at least 0. It is 0 if λ_1 < 0, and NaN
        if fewer than S exponents are known and their sum is not negative.
        """
        sums = np.cumsum(self.exponents, dtype=np.float64)
        (negative,) = np.nonzero(sums < 0)
        if len(negative):
            j = int(negative[0])
            return j + (sums[j - 1] / -float(self.exponents[j]) if j else 0.0)
        return float(self.size) if self._is_whole and np.isfinite(sums[-1]) else np.nan

    @property
    def entropy_rate(self) -> float:
        """The sum of the positive exponents, in nats per time step.

        It is an upper bound of the Kolmogorov–Sinai entropy rate (Ruelle), and equal to it under
        the conditions of Pesin's theorem. NaN if all exponents are positive, and fewer than S.
        """
        positive = self.exponents[self.exponents > 0].astype(np.float64)
        known = self._is_whole or not self.exponents[-1] > 0
        return float(positive.sum()) if known and not np.isnan(self.exponents).any() else np.nan

    @property
    def _is_whole(self):
        return len(self.exponents) == self.size

    def plot(self) -> "ResultFigure":
        """Return the exponents, largest first, with their standard deviation over the examples."""
        from . import pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        return pictures.spectrum(self.layer, *self)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each exponent, the largest first.

        number    int      i, from 1
        exponent  float32  λ_i, the mean over the examples, in 1 / time step
        spread    float32  its standard deviation over the examples
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        numbers = np.arange(1, len(self.exponents) + 1)
        return pd.DataFrame({"number": numbers, "exponent": self.exponents, "spread": self.spread})

    def _text(self) -> str:
        largest, spread = float(self.exponents[0]), float(self.spread[0])
        if not np.isfinite(largest):
            nothing = "-∞: in some example, no error comes back from the last step to the first"
            return f"the largest Lyapunov exponent is {nothing if largest < 0 else 'not finite'}"
        text = f"the largest Lyapunov exponent is {number(largest)} per time step"
        text += f" (standard deviation over the examples {number(spread)})" if spread > 0 else ""
        if not largest:
            return f"{text}: going back in time, an error keeps its size on average"
        changes, halves = ("shrinks", "halves") if largest < 0 else ("grows", "doubles")
        text += (
            f": going back in time, an error {changes} by a factor of {np.exp(largest):.3g} per "
            f"step on average and {halves} every {_steps(abs(self.half_life))}"
        )
        return text + (self._chaos() if largest > 0 else "")

    def _chaos(self):
        """What follows from a positive exponent."""
        text = "; nearby states move apart, which is chaos if the states stay bounded"
        if np.isfinite(self.dimension):
            text += f" (Kaplan–Yorke dimension {number(self.dimension)} of {self.size:,}"
            text += f", entropy rate at most {number(self.entropy_rate)} nats per step)"
        return text


def lyapunov(
    model: keras.Model, x: Any, layer: str | None = None, exponents: int | None = None
) -> LyapunovSpectrum:
    """Return the largest Lyapunov exponents of a recurrent layer along the states of a batch.

        λ_i = 1/T Σ_t ln R_ii(t)     with  Q_t R_t = J_t Q_{t-1},  J_t = ds_t/ds_{t-1}   t = 1 … T

    s is the whole state: h, or h and c of an LSTM side by side, of size S. Q_t [S, k] has
    orthonormal columns, R_t [k, k] is upper triangular with R_ii ≥ 0. The states are those that x
    drives the layer through, from its initial state on. Each example has its own T, the number of
    steps that are not masked, and its own exponents; the result is their mean and standard
    deviation over the examples.

    In the limit of large T the exponents do not depend on Q_0; for the T of real sequences they do.
    So Q_0 is not arbitrary: the same iteration with J_tᵀ brings it back from the last step to the
    first, once or (below 100 steps) several times. The exponents are then those of finite time,

        λ_i → 1/T ln σ_i(ds_T/ds_0),     σ_i: the i-th singular value,

    and no step has to be left out as a transient. The sum of all S exponents is the mean of
    ln(abs(det J_t)) exactly.

    How the numbers relate to the others of errorflow:

    * Error that goes back n steps changes by about e^(λ_1 n): e^λ_1 per step, and its half-life is
      -ln 2 / λ_1 time steps (`half_life`; negative: it doubles). `ErrorFlow` shows what a loss
      makes of it.
    * `horizon` returns ‖dh_T/dh_t‖ for every t; it goes as e^(λ_1 (T-t)) far from T. λ_1 is the
      mean slope of its logarithm, and the other exponents show in how many directions error
      survives.
    * λ_1 > 0: nearby states move apart, and gradients explode. If the states stay bounded, as with
      tanh, the layer is chaotic along these inputs; `dimension` and `entropy_rate` measure it.

    One scan computes all of it, in float64. Its cost grows with S k² T; `benchmarks/lyapunov.py`
    measures it. Exponents far below λ_1, by more than about 36 in 1 / time step, are rounding
    errors: there a Jacobian is singular.

    Args:
        model: a model with recurrent layers of errorflow or Keras; it is called at
            `training=False`.
        x: a batch.
        layer: the recurrent layer, as in `error_matrix`. Of a stack of cells, each cell is a layer.
        exponents: k, from 1 to S; None: all S.

    Returns:
        The exponents, with a figure and a sentence; a notebook shows them. NaN where a weight or a
        state is not finite, or no example has a step.

    Raises:
        ValueError: there is no such layer, it is called more than once, it is a ConvLSTM, or k is
            not from 1 to S. Also as `watch`.
        TypeError: as `watch`.

    Sources: G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn: Lyapunov characteristic
    exponents for smooth dynamical systems and for Hamiltonian systems; a method for computing all
    of them, 1980. R. Engelken, F. Wolf, L. Abbott: Lyapunov spectra of chaotic recurrent neural
    networks, 2020. R. Vogt, M. Puelma Touzel, E. Shlizerman, G. Lajoie: On Lyapunov exponents for
    RNNs, 2020. Singular values of long products: D. E. Stewart: A new algorithm for the SVD of a
    long product of matrices, 1997.
    """
    calls = calls_of(model, x)
    call = calls[index_of_call(calls, layer, "lyapunov")]
    if has_maps(call):
        raise ValueError(
            f"lyapunov: layer {call.name!r} is a ConvLSTM, and the state of its maps has too many "
            "values; layer.error and error_matrix show the error that comes back in it"
        )
    size = _size(call)
    whole = isinstance(exponents, int) and not isinstance(exponents, bool)
    if exponents is not None and not (whole and 1 <= exponents <= size):
        raise ValueError(
            f"lyapunov: exponents must be a whole number from 1 to {size}, the size of the state "
            f"of layer {call.name!r}, not {exponents!r}"
        )
    return _of_call(call, exponents or size)


def lyapunovs(model: keras.Model, x: Any, exponents: int) -> dict[str, LyapunovSpectrum]:
    """Return the `lyapunov` of every recurrent layer that is called once, by the layer's path.

    ConvLSTMs are left out. Of a layer whose state is smaller than `exponents`, all are returned.
    """
    calls = [call for call in calls_of(model, x) if not has_maps(call)]
    names = [call.name for call in calls]
    return {
        call.name: _of_call(call, min(exponents, _size(call)))
        for call in calls
        if names.count(call.name) == 1
    }


def _steps(count):
    """Return "step" or "3.1 steps"."""
    return "step" if number(count) == "1" else f"{number(count)} steps"


def _size(call):
    """S"""
    return sum(state.shape[-1] for state in call.sequence.states)


def _of_call(call, count):
    steps, batch = call.sequence.x.shape[:2]
    lengths = np.full(batch, steps)
    if call.mask is not None:
        lengths = call.mask.numpy()[:, :, 0].sum(axis=0)
    lengths, has_steps = lengths[lengths > 0], lengths > 0
    size = _size(call)
    if not len(lengths):
        unknown = np.full(count, np.nan, np.float32)
        return LyapunovSpectrum(unknown, unknown, call.name, size)
    growth = logarithmic_growth(call.equations, call.sequence.states.hidden.shape[-1])(
        call.sequence,
        call.weights,
        call.mask,
        tf.constant(_directions(size, count)),
        tf.constant(1 + SWEEP_STEPS // lengths.min(), tf.int32),
    )
    exponents = growth.numpy()[has_steps] / lengths[:, None]  # [B, k]
    with np.errstate(invalid="ignore"):  # of -∞, which singular Jacobians have
        mean, spread = exponents.mean(axis=0), exponents.std(axis=0)
    return LyapunovSpectrum(mean.astype(np.float32), spread.astype(np.float32), call.name, size)


def _directions(size, count):
    """Return k random orthonormal columns [S, k]; those of a smaller k are the first of them."""
    rows = np.random.default_rng(0).normal(size=(count, size))
    return np.linalg.qr(rows.T)[0]
