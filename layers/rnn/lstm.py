"""The long short-term memory, written around the constant error carousel."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from ..activations import slope
from .base import RecurrentLayer, VisibleCell
from .unroll import kernel_gradients, product


@dataclass(frozen=True)
class LSTMEquations:
    """One step of the LSTM forward, and the same step of BPTT backward.

    The carousel is the line c_t = f_t ⊗ c_{t-1} + i_t ⊗ g_t: what comes back along it is the error
    times f_t, and with `forget_gate=False` the error itself. Gates stand in Keras' order i, f, g, o
    (i, g, o without a forget gate), G = 4H or 3H.
    Weights: kernel [D, G], recurrent_kernel [H, G], bias [G].
    """

    activation: Callable
    gate: Callable
    forget_gate: bool

    @property
    def saved_names(self):
        return (
            ("input", "forget", "candidate", "output")
            if self.forget_gate
            else ("input", "candidate", "output")
        )

    @property
    def local_widths(self):
        return (len(self.saved_names),)  # δz of all gates side by side

    def input_product(self, x, weights):
        """x [T, B, D] → x W + b [T, B, G]"""
        kernel, _, bias = weights
        return product(x, kernel, bias)

    def forward(self, z, states, weights, keep, fence):
        (h, c), (_, recurrent, _) = states, weights
        z = fence(z + tf.matmul(keep(h), recurrent))
        i, *f, g, o = tf.split(z, len(self.saved_names), axis=1)
        i, f, g, o = self.gate(i), [self.gate(v) for v in f], self.activation(g), self.gate(o)
        kept = f[0] * c if f else c
        c = kept + i * g
        h = o * self.activation(c)
        h, c, *gates = fence((h, c, i, *f, g, o))
        return (h, c), tuple(gates)

    def backward(self, errors, before, after, saved, weights, keep, fence):
        (dh, dc), (_, c_before), (_, c), (_, recurrent, _) = errors, before, after, weights
        i, *f, g, o = saved
        squashed = self.activation(c)
        dc = dc + dh * o * slope(self.activation)(squashed)
        squashed, dh, dc = fence((squashed, dh, dc))
        through_gate = slope(self.gate)
        pieces = [
            dc * g * through_gate(i),
            *[dc * c_before * through_gate(v) for v in f],
            dc * i * slope(self.activation)(g),
            dh * squashed * through_gate(o),
        ]
        dz = fence(tf.concat(fence(pieces), axis=1))
        along_carousel = dc * f[0] if f else dc
        return (dz,), (keep(tf.matmul(dz, recurrent)), along_carousel), (dh, dc)

    def weight_gradients(self, sequence, local, keep, outer):
        """Σ_t x_tᵀ δz_t, Σ_t h_{t-1}ᵀ δz_t, Σ_t δz_t"""
        (dz,), h = local, keep(sequence.states[0][:-1])
        return kernel_gradients((sequence.x, h), dz, outer)

    def input_errors(self, local):
        """dE/d(x W + b) [T, B, G]"""
        return local[0]


@keras.saving.register_keras_serializable("errorflow")
class LSTMCell(VisibleCell, keras.layers.LSTMCell):
    """The LSTM cell around its constant error carousel.

        i, f, o = σ(x_t W_{i,f,o} + h_{t-1} R_{i,f,o} + b_{i,f,o})
        g       = φ(x_t W_g + h_{t-1} R_g + b_g)
        c_t     = f ⊗ c_{t-1} + i ⊗ g              ∂c_t/∂c_{t-1} = f on the direct path
        h_t     = o ⊗ φ(c_t)

    Arguments and weights are those of `keras.layers.LSTMCell`, gates in the order i, f, g, o.

    Args:
        units: H.
        forget_gate: False gives the cell of Hochreiter & Schmidhuber (1997): f = 1, so that
            ∂c_t/∂c_{t-1} on the direct path is exactly 1; kernels are then [·, 3H], gates in the
            order i, g, o. True (the default) is the cell of Gers, Schmidhuber & Cummins (2000).
            The cell of 1997 squashes with scaled sigmoids; here one φ, tanh by default, serves.
    """

    def __init__(self, units, forget_gate=True, **kwargs):
        super().__init__(units, **kwargs)
        self.forget_gate = forget_gate

    @property
    def equations(self):
        return LSTMEquations(self.activation, self.recurrent_activation, self.forget_gate)

    def build(self, input_shape):
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

    def get_config(self):
        return {**super().get_config(), "forget_gate": self.forget_gate}


@keras.saving.register_keras_serializable("errorflow")
class LSTM(RecurrentLayer):
    """`LSTMCell` over a sequence; `layer.error` has dE/dh_t and dE/dc_t of every step.

    Drop-in for `keras.layers.LSTM`: same weights, outputs and gradients. Sources: Hochreiter &
    Schmidhuber 1997 (`forget_gate=False`); Gers, Schmidhuber & Cummins 2000.
    """

    cell_class = LSTMCell
    cell_name = "lstm_cell"
