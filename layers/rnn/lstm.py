"""The long short-term memory, written around the constant error carousel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras

from ..activations import derivative
from .base import RecurrentLayer, VisibleCell
from .equations import LinearMaps, Sequence, StepOps, Weights
from .fused_errors import FusedCell, FusedLSTM
from .matrix_products import MatrixProducts


class LSTMState(NamedTuple):
    """The output and the cell state."""

    hidden: Any  # h_t
    cell: Any  # c_t


class LSTMResiduals(NamedTuple):
    """The activated gates and the candidate, in Keras' order."""

    input: Any  # i
    forget: Any  # f
    candidate: Any  # g
    output: Any  # o


class LSTM1997Residuals(NamedTuple):
    """The activated gates and the candidate of the LSTM without a forget gate."""

    input: Any
    candidate: Any
    output: Any


@dataclass(frozen=True)
class _CarouselEquations:
    """The part that both LSTMs share. z has the preactivations of all gates side by side.

    Weights: kernel W [D, G], recurrent_kernel R [H, G], bias b [G].
    """

    activation: Callable[[Any], Any]  # φ
    recurrent_activation: Callable[[Any], Any]  # σ
    linear: LinearMaps = MatrixProducts()
    state: ClassVar[type] = LSTMState

    def input_product(self, x: Any, weights: Weights) -> Any:
        """Return x W + b."""
        return self.linear.input_product(x, weights.kernel, weights.bias)

    def total_errors(self, arriving: LSTMState, after: LSTMState, residuals: Any) -> LSTMState:
        """Add to dE/dc_t the error that comes through h_t = o ⊗ φ(c_t)."""
        through_output = residuals.output * derivative(self.activation)(self.activation(after.cell))
        return LSTMState(arriving.hidden, arriving.cell + arriving.hidden * through_output)

    def weight_gradients(
        self,
        sequence: Sequence,
        preactivation_errors: tuple[Any, ...],
        ops: StepOps,
        outer: Callable[[Any, Any], Any],
    ) -> Weights:
        """Return Σ_t x_tᵀ δz_t, Σ_t h_{t-1}ᵀ δz_t, Σ_t δz_t."""
        (dz,), h = preactivation_errors, ops.dropout(sequence.states.hidden[:-1])
        return Weights(*self.linear.kernel_gradients((sequence.x, h), dz, outer))

    def input_errors(self, preactivation_errors: tuple[Any, ...]) -> Any:
        """Return δz."""
        return preactivation_errors[0]


@dataclass(frozen=True)
class LSTMEquations(_CarouselEquations):
    """One step of the LSTM forward, and the same step of BPTT backward.

    The carousel is the line c_t = f ⊗ c_{t-1} + i ⊗ g: the error that comes back along it is
    multiplied by f. See `Equations` for the meaning of each method. G = 4H.
    """

    residuals: ClassVar[type] = LSTMResiduals
    preactivation_widths: ClassVar[tuple[int, ...]] = (4,)  # δz of i, f, g, o
    fused: ClassVar[FusedCell] = FusedLSTM()

    def forward(
        self, z: Any, before: LSTMState, weights: Weights, ops: StepOps
    ) -> tuple[LSTMState, LSTMResiduals]:
        """Compute c_t = f ⊗ c_{t-1} + i ⊗ g and h_t = o ⊗ φ(c_t)."""
        sigma, phi = self.recurrent_activation, self.activation
        z = z + ops.recurrent_product(before.hidden, weights.recurrent_kernel)
        i, f, g, o = ops.split(z, 4)
        i, f, g, o = sigma(i), sigma(f), phi(g), sigma(o)
        cell = f * before.cell + i * g
        return LSTMState(o * phi(cell), cell), LSTMResiduals(i, f, g, o)

    def backward(
        self,
        errors: LSTMState,
        before: LSTMState,
        after: LSTMState,
        residuals: LSTMResiduals,
        transposed_kernel: Any,
        ops: StepOps,
    ) -> tuple[tuple[Any, ...], LSTMState]:
        """Compute δz; δz Rᵀ goes back to h_{t-1}, and dE/dc_t ⊗ f to c_{t-1} along the carousel."""
        d_sigma, d_phi = derivative(self.recurrent_activation), derivative(self.activation)
        (dh, dc), (i, f, g, o) = errors, residuals
        dz = ops.join(
            dc * g * d_sigma(i),
            dc * before.cell * d_sigma(f),
            dc * i * d_phi(g),
            dh * self.activation(after.cell) * d_sigma(o),
        )
        return (dz,), LSTMState(ops.recurrent_errors(dz, transposed_kernel), dc * f)


@dataclass(frozen=True)
class LSTM1997Equations(_CarouselEquations):
    """The LSTM without a forget gate (Hochreiter & Schmidhuber 1997).

    The carousel is c_t = c_{t-1} + i ⊗ g: the error comes back along it unchanged. G = 3H.
    """

    residuals: ClassVar[type] = LSTM1997Residuals
    preactivation_widths: ClassVar[tuple[int, ...]] = (3,)  # δz of i, g, o
    fused: ClassVar[str] = "forget_gate=False"  # cuDNN has no such cell

    def forward(
        self, z: Any, before: LSTMState, weights: Weights, ops: StepOps
    ) -> tuple[LSTMState, LSTM1997Residuals]:
        """Compute c_t = c_{t-1} + i ⊗ g and h_t = o ⊗ φ(c_t)."""
        sigma, phi = self.recurrent_activation, self.activation
        z = z + ops.recurrent_product(before.hidden, weights.recurrent_kernel)
        i, g, o = ops.split(z, 3)
        i, g, o = sigma(i), phi(g), sigma(o)
        cell = before.cell + i * g
        return LSTMState(o * phi(cell), cell), LSTM1997Residuals(i, g, o)

    def backward(
        self,
        errors: LSTMState,
        before: LSTMState,
        after: LSTMState,
        residuals: LSTM1997Residuals,
        transposed_kernel: Any,
        ops: StepOps,
    ) -> tuple[tuple[Any, ...], LSTMState]:
        """Compute δz; δz Rᵀ goes back to h_{t-1}, and dE/dc_t unchanged to c_{t-1}."""
        d_sigma, d_phi = derivative(self.recurrent_activation), derivative(self.activation)
        (dh, dc), (i, g, o) = errors, residuals
        dz = ops.join(
            dc * g * d_sigma(i), dc * i * d_phi(g), dh * self.activation(after.cell) * d_sigma(o)
        )
        return (dz,), LSTMState(ops.recurrent_errors(dz, transposed_kernel), dc)


@keras.saving.register_keras_serializable("errorflow")
class LSTMCell(VisibleCell, keras.layers.LSTMCell):
    """The LSTM cell around its constant error carousel.

        i, f, o = σ(x_t W_{i,f,o} + h_{t-1} R_{i,f,o} + b_{i,f,o})
        g       = φ(x_t W_g + h_{t-1} R_g + b_g)
        c_t     = f ⊗ c_{t-1} + i ⊗ g              ∂c_t/∂c_{t-1} = f on the direct path
        h_t     = o ⊗ φ(c_t)

    Arguments and weights are those of `keras.layers.LSTMCell`, with the gates in the order i, f,
    g, o.

    Args:
        units: H.
        forget_gate: False gives the cell of Hochreiter & Schmidhuber (1997): f = 1, so that
            ∂c_t/∂c_{t-1} on the direct path is exactly 1. Its kernels are [·, 3H], with the gates
            in the order i, g, o. True (the default) is the cell of Gers, Schmidhuber & Cummins
            (2000). The cell of 1997 has scaled sigmoids in place of φ, which is tanh by default.

    Raises:
        ValueError: an activation is not one that `activations.derivative` knows.
    """

    def __init__(self, units: int, forget_gate: bool = True, **kwargs: Any):
        super().__init__(units, **kwargs)
        self.forget_gate = forget_gate

    @property
    def equations(self) -> LSTMEquations | LSTM1997Equations:
        equations = LSTMEquations if self.forget_gate else LSTM1997Equations
        return equations(self.activation, self.recurrent_activation)

    def build(self, input_shape: Any) -> None:
        if self.forget_gate:
            return super().build(input_shape)
        gates = 3 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], gates),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, gates),
            name="recurrent_kernel",
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(gates,),
                name="bias",
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "forget_gate": self.forget_gate}


@keras.saving.register_keras_serializable("errorflow")
class LSTM(RecurrentLayer):
    """`LSTMCell` over a sequence; `layer.error` has dE/dh_t and dE/dc_t of every time step.

    A drop-in replacement of `keras.layers.LSTM`: weights, outputs and gradients are the same.

    Sources: Hochreiter & Schmidhuber 1997 (`forget_gate=False`); Gers, Schmidhuber & Cummins 2000.
    """

    cell_class = LSTMCell
    cell_name = "lstm_cell"
