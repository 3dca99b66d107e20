"""The gated recurrent unit (Cho et al. 2014)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras
import tensorflow as tf

from ..activations import slope
from .base import RecurrentLayer, VisibleCell
from .unroll import kernel_gradients, product


@dataclass(frozen=True)
class ResetAfterEquations:
    """The GRU whose reset gate acts after the recurrent product, as in cuDNN and Keras' default.

    Gates stand in Keras' order z (update), r (reset), g (candidate), G = 3H.
    Weights: kernel W [D, G], recurrent_kernel R [H, G], bias [2, G] (b with W, b' with R).
    """

    activation: Callable
    gate: Callable
    saved_names: ClassVar = ("update", "reset", "candidate", "recurrent candidate")
    local_widths: ClassVar = (3, 1)  # dE/d(h R + b'), and δg = dE/d(x W_g + b_g)

    def input_product(self, x, weights):
        """x [T, B, D] → x W + b [T, B, G]"""
        kernel, _, bias = weights
        return product(x, kernel, None if bias is None else bias[0])

    def forward(self, z, states, weights, keep, fence):
        (h,), (_, recurrent, bias) = states, weights
        a = tf.matmul(keep(h), recurrent)
        a = a if bias is None else a + bias[1]
        z, a = fence((z, a))
        update, reset, candidate = tf.split(z, 3, axis=1)
        a_update, a_reset, a = tf.split(a, 3, axis=1)
        update, reset = self.gate(update + a_update), self.gate(reset + a_reset)
        candidate = self.activation(candidate + reset * a)
        h = update * h + (1.0 - update) * candidate
        h, *saved = fence((h, update, reset, candidate, a))
        return (h,), tuple(saved)

    def backward(self, errors, before, after, saved, weights, keep, fence):
        (dh,), (h,), (_, recurrent, _) = errors, before, weights
        update, reset, candidate, a = saved
        through_gate = slope(self.gate)
        dg = fence(dh * (1.0 - update) * slope(self.activation)(candidate))
        pieces = [
            dh * (h - candidate) * through_gate(update),
            dg * a * through_gate(reset),
            dg * reset,
        ]
        da = fence(tf.concat(fence(pieces), axis=1))
        back = dh * update + keep(tf.matmul(da, recurrent))
        return (da, dg), (back,), (dh,)

    def weight_gradients(self, sequence, local, keep, outer):
        (da, _), h = local, keep(sequence.states[0][:-1])
        kernel, bias = kernel_gradients((sequence.x,), self.input_errors(local), outer)
        recurrent, recurrent_bias = kernel_gradients((h,), da, outer)
        return kernel, recurrent, tf.stack([bias, recurrent_bias], axis=-2)

    def input_errors(self, local):
        """dE/d(x W + b) [T, B, G]"""
        da, dg = local
        return tf.concat([da[..., : -dg.shape[-1]], dg], axis=-1)


@dataclass(frozen=True)
class ResetBeforeEquations:
    """The GRU of Cho et al. 2014 (v3): the reset gate acts on h before the recurrent product.

    Weights: kernel W [D, G], recurrent_kernel R [H, G], bias b [G]; gates z, r, g.
    """

    activation: Callable
    gate: Callable
    saved_names: ClassVar = ("update", "reset", "candidate")
    local_widths: ClassVar = (3,)  # δz of all gates side by side

    def input_product(self, x, weights):
        """x [T, B, D] → x W + b [T, B, G]"""
        kernel, _, bias = weights
        return product(x, kernel, bias)

    def forward(self, z, states, weights, keep, fence):
        (h,), (_, recurrent, _) = states, weights
        units = h.shape[-1]
        for_gates, for_candidate = recurrent[:, : 2 * units], recurrent[:, 2 * units :]
        gates = self.gate(z[:, : 2 * units] + tf.matmul(keep(h), for_gates))
        update, reset = tf.split(fence(gates), 2, axis=1)
        proposal = fence(reset * keep(h))
        candidate = self.activation(z[:, 2 * units :] + tf.matmul(proposal, for_candidate))
        h, candidate = fence((update * h + (1.0 - update) * candidate, candidate))
        return (h,), (update, reset, candidate)

    def backward(self, errors, before, after, saved, weights, keep, fence):
        (dh,), (h,), (_, recurrent, _) = errors, before, weights
        update, reset, candidate = saved
        units = h.shape[-1]
        to_gates, to_candidate = recurrent[: 2 * units], recurrent[2 * units :]
        through_gate = slope(self.gate)
        dg = fence(dh * (1.0 - update) * slope(self.activation)(candidate))
        d_proposal = tf.matmul(dg, to_candidate)  # of reset ⊗ h
        pieces = fence(
            [
                dh * (h - candidate) * through_gate(update),
                d_proposal * keep(h) * through_gate(reset),
                dg,
            ]
        )
        dz = fence(tf.concat(pieces, axis=1))
        d_gates = tf.matmul(dz[:, : 2 * units], to_gates)
        return (dz,), (dh * update + keep(d_proposal * reset + d_gates),), (dh,)

    def weight_gradients(self, sequence, local, keep, outer):
        (dz,), h = local, keep(sequence.states[0][:-1])
        units = h.shape[-1]
        proposal = sequence.saved[1] * h
        recurrent = [outer(h, dz[..., : 2 * units]), outer(proposal, dz[..., 2 * units :])]
        kernel, bias = kernel_gradients((sequence.x,), dz, outer)
        return kernel, tf.concat(recurrent, axis=-1), bias

    def input_errors(self, local):
        """dE/d(x W + b) [T, B, G]"""
        return local[0]


@keras.saving.register_keras_serializable("errorflow")
class GRUCell(VisibleCell, keras.layers.GRUCell):
    """The gated recurrent unit.

        z, r = σ(x_t W_{z,r} + h_{t-1} R_{z,r} + b_{z,r})
        g    = φ(x_t W_g + b_g + r ⊗ (h_{t-1} R_g + b'_g))      reset_after=True (default, as Keras)
        g    = φ(x_t W_g + b_g + (r ⊗ h_{t-1}) R_g)             reset_after=False (Cho et al. 2014)
        h_t  = z ⊗ h_{t-1} + (1 − z) ⊗ g

    Arguments, weights and gate order are those of `keras.layers.GRUCell`. The z of Cho et al.
    (2014) is this z too; Chung et al. (2014) write 1 − z for it.
    """

    @property
    def equations(self):
        form = ResetAfterEquations if self.reset_after else ResetBeforeEquations
        return form(self.activation, self.recurrent_activation)


@keras.saving.register_keras_serializable("errorflow")
class GRU(RecurrentLayer):
    """`GRUCell` over a sequence, with the error of every step in `layer.error` (Cho et al. 2014).

    Drop-in for `keras.layers.GRU`: same weights, outputs and gradients.
    """

    cell_class = GRUCell
    cell_name = "gru_cell"
