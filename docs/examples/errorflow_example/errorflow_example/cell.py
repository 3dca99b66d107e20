"""A cell with a forget gate alone: an LSTM without input gate, output gate and separate cell state.

    f_t = σ(x_t W_f + h_{t-1} R_f + b_f)
    g_t = tanh(x_t W_g + h_{t-1} R_g + b_g)
    h_t = f_t ⊗ h_{t-1} + (1 − f_t) ⊗ g_t

Source: van der Westhuizen & Lasenby 2018, The unreasonable effectiveness of the forget gate.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import keras
import tensorflow as tf
from errorflow.layers import register_cell
from errorflow.layers.rnn.equations import HiddenState
from errorflow.layers.rnn.simple_rnn import SimpleRNNEquations
from keras import ops


@keras.saving.register_keras_serializable("errorflow_example")
class ForgetGateCell(keras.Layer):
    """The cell as an ordinary Keras layer, for `keras.layers.RNN`.

    Weights: `kernel` W [D, 2H], `recurrent_kernel` R [H, 2H], `bias` b [2H]; gates f, g.
    """

    def __init__(self, units: int, **options: Any):
        super().__init__(**options)
        self.units = self.state_size = units

    def build(self, input_shape):
        width = 2 * self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], width))
        self.recurrent_kernel = self.add_weight(shape=(self.units, width), initializer="orthogonal")
        self.bias = self.add_weight(shape=(width,), initializer="zeros")

    def call(self, inputs, states):
        z = inputs @ self.kernel + states[0] @ self.recurrent_kernel + self.bias
        f, g = ops.split(z, 2, axis=-1)
        f, g = ops.sigmoid(f), ops.tanh(g)
        h = f * states[0] + (1 - f) * g
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Gates(NamedTuple):
    """The values that the forward step saves for the backward step."""

    forget: Any  # f
    candidate: Any  # g


@dataclasses.dataclass(frozen=True)
class ForgetGateEquations(SimpleRNNEquations):
    """One step forward and backward; what is not here is as in the simple RNN."""

    activation: Any = tf.tanh
    residuals: ClassVar[type] = Gates
    preactivation_widths: ClassVar[tuple[int, ...]] = (2,)  # δz = (δf, δg)

    def forward(self, z, before, weights, ops):
        """Compute h_t = f ⊗ h_{t-1} + (1 − f) ⊗ g."""
        z = z + ops.recurrent_product(before.hidden, weights.recurrent_kernel)
        f, g = ops.split(z, 2)
        f, g = tf.sigmoid(f), tf.tanh(g)
        return HiddenState(f * before.hidden + (1 - f) * g), Gates(f, g)

    def backward(self, errors, before, after, residuals, transposed_kernel, ops):
        """Compute δf and δg; δ ⊗ f + δz Rᵀ goes back to step t-1."""
        (f, g), delta = residuals, errors.hidden
        df = delta * (before.hidden - g) * f * (1 - f)
        dg = delta * (1 - f) * (1 - g * g)
        dz = ops.join(df, dg)
        return (dz,), HiddenState(delta * f + ops.recurrent_errors(dz, transposed_kernel))


def register() -> None:
    """Let `watch` see the error in the cell; the entry point `errorflow.cells` refers to this."""
    register_cell(ForgetGateCell, lambda cell: ForgetGateEquations())
