"""The simple recurrent cell: h_t = φ(W_x x_t + W_h h_{t-1} + b) (Elman 1990)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras
import tensorflow as tf

from ..activations import slope
from .base import RecurrentLayer, VisibleCell
from .unroll import kernel_gradients, product


@dataclass(frozen=True)
class SimpleRNNEquations:
    """One step of the simple RNN forward, and the same step of BPTT backward.

    Weights: kernel W_x [D, H], recurrent_kernel W_h [H, H], bias b [H].
    """

    activation: Callable
    saved_names: ClassVar = ()
    local_widths: ClassVar = (1,)  # δz

    def input_product(self, x, weights):
        """x [T, B, D] → x W_x + b [T, B, H]."""
        kernel, _, bias = weights
        return product(x, kernel, bias)

    def forward(self, z, states, weights, keep, fence):
        """h_t = φ(z_t + h_{t-1} W_h)"""
        (h,), (_, recurrent, _) = states, weights
        h = fence(self.activation(z + tf.matmul(keep(h), recurrent)))
        return (h,), ()

    def backward(self, errors, before, after, saved, weights, keep, fence):
        """δz = δ_t ⊗ φ'(z_t); to step t-1 goes δz W_hᵀ."""
        (dh,), (h,), (_, recurrent, _) = errors, after, weights
        dz = fence(dh * slope(self.activation)(h))
        return (dz,), (keep(tf.matmul(dz, recurrent)),), (dh,)

    def weight_gradients(self, sequence, local, keep, outer):
        """Σ_t x_tᵀ δz_t, Σ_t h_{t-1}ᵀ δz_t, Σ_t δz_t"""
        (dz,), h = local, keep(sequence.states[0][:-1])
        return kernel_gradients((sequence.x, h), dz, outer)

    def input_errors(self, local):
        """dE/d(x W_x + b) [T, B, H]"""
        return local[0]


@keras.saving.register_keras_serializable("errorflow")
class SimpleRNNCell(VisibleCell, keras.layers.SimpleRNNCell):
    """The simple recurrent cell h_t = φ(x_t W_x + h_{t-1} W_h + b).

    Arguments, weights and their shapes are those of `keras.layers.SimpleRNNCell`: `kernel` [D, H],
    `recurrent_kernel` [H, H], `bias` [H]. `activation` must be one whose slope is known
    (`activations.slope`).
    """

    @property
    def equations(self):
        return SimpleRNNEquations(self.activation)


@keras.saving.register_keras_serializable("errorflow")
class SimpleRNN(RecurrentLayer):
    """`SimpleRNNCell` over a sequence, with the error of every step in `layer.error` (Elman 1990).

    Drop-in for `keras.layers.SimpleRNN`: same weights, outputs and gradients.
    """

    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"
