"""The simple recurrent cell: h_t = φ(x_t W + h_{t-1} R + b) (Elman 1990)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras

from ..activations import derivative
from .base import RecurrentLayer, VisibleCell
from .equations import HiddenState, Sequence, StepOps, Weights
from .fused_errors import FusedCell, FusedSimpleRNN
from .matrix_products import MatrixProducts, kernel_gradients, product


class NoResiduals(NamedTuple):
    """The simple RNN saves nothing besides its states: φ' follows from h_t."""


@dataclass(frozen=True)
class SimpleRNNEquations:
    """One step of the simple RNN forward, and the same step of BPTT backward.

    See `Equations` for the meaning of each method. Weights: kernel W [D, H], recurrent_kernel R
    [H, H], bias b [H].
    """

    activation: Callable[[Any], Any]
    state: ClassVar[type] = HiddenState
    linear: MatrixProducts = MatrixProducts()
    residuals: ClassVar[type] = NoResiduals
    preactivation_widths: ClassVar[tuple[int, ...]] = (1,)  # δz
    fused: ClassVar[FusedCell] = FusedSimpleRNN()

    def input_product(self, x: Any, weights: Weights) -> Any:
        """Return x W + b."""
        return product(x, weights.kernel, weights.bias)

    def forward(
        self, z: Any, before: HiddenState, weights: Weights, ops: StepOps
    ) -> tuple[HiddenState, NoResiduals]:
        """Compute h_t = φ(z_t + h_{t-1} R)."""
        z = z + ops.recurrent_product(before.hidden, weights.recurrent_kernel)
        return HiddenState(self.activation(z)), NoResiduals()

    def total_errors(
        self, arriving: HiddenState, after: HiddenState, residuals: NoResiduals
    ) -> HiddenState:
        """Return the arriving errors, which are δ_t."""
        return arriving

    def backward(
        self,
        errors: HiddenState,
        before: HiddenState,
        after: HiddenState,
        residuals: NoResiduals,
        transposed_kernel: Any,
        ops: StepOps,
    ) -> tuple[tuple[Any, ...], HiddenState]:
        """Compute δz = δ_t ⊗ φ'(z_t); δz Rᵀ goes back to step t-1."""
        dz = errors.hidden * derivative(self.activation)(after.hidden)
        return (dz,), HiddenState(ops.recurrent_errors(dz, transposed_kernel))

    def weight_gradients(
        self,
        sequence: Sequence,
        preactivation_errors: tuple[Any, ...],
        ops: StepOps,
        outer: Callable[[Any, Any], Any],
    ) -> Weights:
        """Return Σ_t x_tᵀ δz_t, Σ_t h_{t-1}ᵀ δz_t, Σ_t δz_t."""
        (dz,), h = preactivation_errors, ops.dropout(sequence.states.hidden[:-1])
        return Weights(*kernel_gradients((sequence.x, h), dz, outer))

    def input_errors(self, preactivation_errors: tuple[Any, ...]) -> Any:
        """Return δz."""
        return preactivation_errors[0]


@keras.saving.register_keras_serializable("errorflow")
class SimpleRNNCell(VisibleCell, keras.layers.SimpleRNNCell):
    """The simple recurrent cell h_t = φ(x_t W + h_{t-1} R + b).

    Arguments, weights and their shapes are those of `keras.layers.SimpleRNNCell`: `kernel` W
    [D, H], `recurrent_kernel` R [H, H], `bias` b [H].

    Raises:
        ValueError: `activation` is not one that `activations.derivative` knows.
    """

    @property
    def equations(self) -> SimpleRNNEquations:
        return SimpleRNNEquations(self.activation)


@keras.saving.register_keras_serializable("errorflow")
class SimpleRNN(RecurrentLayer):
    """`SimpleRNNCell` over a sequence, with the error of every time step in `layer.error`.

    A drop-in replacement of `keras.layers.SimpleRNN`: weights, outputs and gradients are the same.

    Source: Elman 1990.
    """

    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"
