"""The gated recurrent unit (Cho et al. 2014)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras
import tensorflow as tf

from ..activations import derivative
from .base import RecurrentLayer, VisibleCell
from .equations import HiddenState, Sequence, StepOps, Weights
from .fused_errors import FusedCell, FusedGRU
from .matrix_products import MatrixProducts, kernel_gradients, product


class ResetAfterResiduals(NamedTuple):
    """The activated gates, the candidate, and its recurrent part before the reset gate."""

    update: Any  # z
    reset: Any  # r
    candidate: Any  # g
    recurrent_candidate: Any  # h_{t-1} R_g + b'_g


class ResetBeforeResiduals(NamedTuple):
    """The activated gates and the candidate."""

    update: Any  # z
    reset: Any  # r
    candidate: Any  # g


@dataclass(frozen=True)
class _GRUEquations:
    """The part that both GRUs share.

    G = 3H, with the gates in Keras' order z (update), r (reset), g (candidate).
    """

    activation: Callable[[Any], Any]  # φ
    recurrent_activation: Callable[[Any], Any]  # σ
    state: ClassVar[type] = HiddenState
    linear: MatrixProducts = MatrixProducts()

    def total_errors(
        self, arriving: HiddenState, after: HiddenState, residuals: Any
    ) -> HiddenState:
        """Return the arriving errors, which are δ_t."""
        return arriving


@dataclass(frozen=True)
class ResetAfterEquations(_GRUEquations):
    """The GRU whose reset gate acts after the recurrent product, as in cuDNN and Keras' default.

    See `Equations` for the meaning of each method. Weights: kernel W [D, G], recurrent_kernel R
    [H, G], bias [2, G] (b with W, b' with R).
    """

    residuals: ClassVar[type] = ResetAfterResiduals
    preactivation_widths: ClassVar[tuple[int, ...]] = (3, 1)  # δa, of h R + b'; δg, of x W_g + b_g
    fused: ClassVar[FusedCell] = FusedGRU()

    def input_product(self, x: Any, weights: Weights) -> Any:
        """Return x W + b."""
        return product(x, weights.kernel, None if weights.bias is None else weights.bias[0])

    def forward(
        self, z: Any, before: HiddenState, weights: Weights, ops: StepOps
    ) -> tuple[HiddenState, ResetAfterResiduals]:
        """Compute h_t = z ⊗ h_{t-1} + (1 − z) ⊗ g, with r ⊗ (h_{t-1} R_g + b'_g) inside g."""
        sigma, phi = self.recurrent_activation, self.activation
        a = ops.recurrent_product(before.hidden, weights.recurrent_kernel)
        a = a if weights.bias is None else a + weights.bias[1]
        (x_z, x_r, x_g), (a_z, a_r, a_g) = ops.split(z, 3), ops.split(a, 3)
        z, r = sigma(x_z + a_z), sigma(x_r + a_r)
        g = phi(x_g + r * a_g)
        hidden = z * before.hidden + (1.0 - z) * g
        return HiddenState(hidden), ResetAfterResiduals(z, r, g, a_g)

    def backward(
        self,
        errors: HiddenState,
        before: HiddenState,
        after: HiddenState,
        residuals: ResetAfterResiduals,
        transposed_kernel: Any,
        ops: StepOps,
    ) -> tuple[tuple[Any, ...], HiddenState]:
        """Compute δa; δa Rᵀ goes back to step t-1, and δ_t ⊗ z directly."""
        d_sigma, d_phi = derivative(self.recurrent_activation), derivative(self.activation)
        dh, (z, r, g, a_g) = errors.hidden, residuals
        dg = dh * (1.0 - z) * d_phi(g)
        da = ops.join(dh * (before.hidden - g) * d_sigma(z), dg * a_g * d_sigma(r), dg * r)
        back = dh * z + ops.recurrent_errors(da, transposed_kernel)
        return (da, dg), HiddenState(back)

    def weight_gradients(
        self,
        sequence: Sequence,
        preactivation_errors: tuple[Any, ...],
        ops: StepOps,
        outer: Callable[[Any, Any], Any],
    ) -> Weights:
        """Return the gradients: of W and b from δ(x W + b), of R and b' from δ(h R + b')."""
        (da, _), h = preactivation_errors, ops.dropout(sequence.states.hidden[:-1])
        dz = self.input_errors(preactivation_errors)
        kernel, bias = kernel_gradients((sequence.x,), dz, outer)
        recurrent_kernel, recurrent_bias = kernel_gradients((h,), da, outer)
        return Weights(kernel, recurrent_kernel, tf.stack([bias, recurrent_bias], axis=-2))

    def input_errors(self, preactivation_errors: tuple[Any, ...]) -> Any:
        """Return δz: for the gates as in δa, for the candidate δg."""
        da, dg = preactivation_errors
        return tf.concat([da[..., : -dg.shape[-1]], dg], axis=-1)


@dataclass(frozen=True)
class ResetBeforeEquations(_GRUEquations):
    """The GRU of Cho et al. 2014 (v3): the reset gate acts on h before the recurrent product.

    See `Equations` for the meaning of each method. Weights: kernel W [D, G], recurrent_kernel R
    [H, G], bias b [G].
    """

    residuals: ClassVar[type] = ResetBeforeResiduals
    preactivation_widths: ClassVar[tuple[int, ...]] = (3,)  # δz of z, r, g
    fused: ClassVar[str] = "reset_after=False"  # cuDNN has no such cell

    def input_product(self, x: Any, weights: Weights) -> Any:
        """Return x W + b."""
        return product(x, weights.kernel, weights.bias)

    def forward(
        self, z: Any, before: HiddenState, weights: Weights, ops: StepOps
    ) -> tuple[HiddenState, ResetBeforeResiduals]:
        """Compute h_t = z ⊗ h_{t-1} + (1 − z) ⊗ g, with (r ⊗ h_{t-1}) R_g inside g."""
        sigma, phi = self.recurrent_activation, self.activation
        gates, candidate = _columns(weights.recurrent_kernel)
        x_gates, x_g = _columns(z)
        z, r = ops.split(sigma(x_gates + ops.recurrent_product(before.hidden, gates)), 2)
        g = phi(x_g + ops.recurrent_product(r * before.hidden, candidate))
        hidden = z * before.hidden + (1.0 - z) * g
        return HiddenState(hidden), ResetBeforeResiduals(z, r, g)

    def backward(
        self,
        errors: HiddenState,
        before: HiddenState,
        after: HiddenState,
        residuals: ResetBeforeResiduals,
        transposed_kernel: Any,
        ops: StepOps,
    ) -> tuple[tuple[Any, ...], HiddenState]:
        """Compute δz; error goes back through the gates and r ⊗ h_{t-1}, and δ_t ⊗ z directly."""
        d_sigma, d_phi = derivative(self.recurrent_activation), derivative(self.activation)
        dh, h, (z, r, g) = errors.hidden, before.hidden, residuals
        gates, candidate = tf.split(transposed_kernel, [2 * h.shape[-1], h.shape[-1]])
        dg = dh * (1.0 - z) * d_phi(g)
        d_reset_h = ops.recurrent_errors(dg, candidate)  # of r ⊗ h
        dz = ops.join(dh * (h - g) * d_sigma(z), d_reset_h * h * d_sigma(r), dg)
        back = dh * z + d_reset_h * r + ops.recurrent_errors(_columns(dz)[0], gates)
        return (dz,), HiddenState(back)

    def weight_gradients(
        self,
        sequence: Sequence,
        preactivation_errors: tuple[Any, ...],
        ops: StepOps,
        outer: Callable[[Any, Any], Any],
    ) -> Weights:
        """Return the gradients: of R for the gates from h, for the candidate from r ⊗ h."""
        (dz,), h = preactivation_errors, ops.dropout(sequence.states.hidden[:-1])
        d_gates, d_candidate = _columns(dz)
        recurrent = [outer(h, d_gates), outer(sequence.residuals.reset * h, d_candidate)]
        kernel, bias = kernel_gradients((sequence.x,), dz, outer)
        return Weights(kernel, tf.concat(recurrent, axis=-1), bias)

    def input_errors(self, preactivation_errors: tuple[Any, ...]) -> Any:
        """Return δz."""
        return preactivation_errors[0]


def _columns(array):
    """Return the columns of z and r, [·, 2H], and those of g, [·, H]."""
    split = 2 * (array.shape[-1] // 3)
    return array[..., :split], array[..., split:]


@keras.saving.register_keras_serializable("errorflow")
class GRUCell(VisibleCell, keras.layers.GRUCell):
    """The gated recurrent unit.

        z, r = σ(x_t W_{z,r} + h_{t-1} R_{z,r} + b_{z,r})
        g    = φ(x_t W_g + b_g + r ⊗ (h_{t-1} R_g + b'_g))      reset_after=True (default, as Keras)
        g    = φ(x_t W_g + b_g + (r ⊗ h_{t-1}) R_g)             reset_after=False (Cho et al. 2014)
        h_t  = z ⊗ h_{t-1} + (1 − z) ⊗ g

    Arguments, weights and the order of the gates are those of `keras.layers.GRUCell`. z is that of
    Cho et al. (2014); Chung et al. (2014) write 1 − z for it.

    Raises:
        ValueError: an activation is not one that `activations.derivative` knows.
    """

    @property
    def equations(self) -> ResetAfterEquations | ResetBeforeEquations:
        equations = ResetAfterEquations if self.reset_after else ResetBeforeEquations
        return equations(self.activation, self.recurrent_activation)


@keras.saving.register_keras_serializable("errorflow")
class GRU(RecurrentLayer):
    """`GRUCell` over a sequence, with the error of every time step in `layer.error`.

    A drop-in replacement of `keras.layers.GRU`: weights, outputs and gradients are the same.

    Source: Cho et al. 2014.
    """

    cell_class = GRUCell
    cell_name = "gru_cell"
