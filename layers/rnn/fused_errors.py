"""The error of every step of a fused kernel, from zeros in its input.

A fused kernel does not return δ_t, but it returns the gradient of its input. So columns of zeros
are added to the input, and rows P to the kernel. They change nothing in the forward pass, and the
gradient of the zeros at step t is δz_t Pᵀ, where δz_t is the error before the activations. It is
part of the real backward pass, which the kernel runs anyway.

    SimpleRNN, LSTM   P = R, the recurrent kernel: the gradient is the error sent back to h_{t-1}
    GRU (reset after) P = 1: the gradient is δz_t, and with the gates z and r, computed again,
                      δ_{t-1} = dE/dy_{t-1} + δ_t ⊗ z_t + [δz_z, δz_r, δz_g ⊗ r_t] Rᵀ

dE/dc_t of an LSTM follows from δ_t and the gates, computed again in one product.
"""

from functools import singledispatch
from typing import Any, NamedTuple

import tensorflow as tf

from ..activations import derivative
from .equations import Equations, Weights
from .gru import ResetAfterEquations
from .lstm import LSTMEquations
from .matrix_products import product, swap_batch_and_time
from .padding import Padding
from .simple_rnn import SimpleRNNEquations


class Pass(NamedTuple):
    """The tensors of one backward pass. After the end of a sequence, no error arrives."""

    x: Any  # [B, T, D]
    hidden: Any  # h, [B, T, H]
    initial: Any  # the initial state, fields [B, H]
    weights: Weights
    valid: Any  # [B, T, 1], 1 or 0
    probes: Any  # the gradients of the zeros, [B, T, ·]
    injected: Any  # dE/dy_t, plus dE/d(last h) at the last step, [B, T, H]
    final: Any  # dE/d(last c) at the last step, [B, T, H], or None

    @classmethod
    def of(
        cls,
        x: Any,
        hidden: Any,
        initial: Any,
        weights: Weights,
        probes: Any,
        errors: list[Any],
        padding: Padding | None,
    ) -> "Pass":
        """Return the pass in which `errors` arrive: those of h [B, T, H] and of the last states."""
        valid = tf.ones_like(x[:, :, :1])
        end = tf.concat([tf.zeros_like(valid[:, 1:]), valid[:, :1]], axis=1)
        if padding is not None:
            valid = tf.cast(padding.valid, x.dtype)
            end = tf.cast(padding.steps == padding.last, x.dtype)[:, :, None]
        arriving, last, *cell = errors
        injected = arriving * valid + end * last[:, None]
        final = end * cell[0][:, None] if cell else None
        return cls(x, hidden, initial, weights, valid, probes, injected, final)

    @property
    def before(self) -> Any:
        """h_{t-1}, [B, T, H]"""
        return tf.concat([self.initial.hidden[:, None], self.hidden[:, :-1]], axis=1)


class Errors(NamedTuple):
    """The errors of each step, [B, T, H]."""

    hidden: Any  # δ_t
    carried: Any  # δ_t before the error injected at t is added
    cell: Any = None  # dE/dc_t


@singledispatch
def probe_rows(equations: Equations, recurrent_kernel: Any) -> Any:
    """Return P, the rows of the kernel that belong to the zeros."""
    raise TypeError(equations)


@singledispatch
def errors_of(equations: Equations, backward: Pass) -> Errors:
    """Return the errors of each step, from the gradients of the zeros."""
    raise TypeError(equations)


@probe_rows.register(SimpleRNNEquations)
@probe_rows.register(LSTMEquations)
def _(equations, recurrent_kernel):
    return recurrent_kernel


@probe_rows.register(ResetAfterEquations)
def _(equations, recurrent_kernel):
    return tf.eye(recurrent_kernel.shape[-1], dtype=recurrent_kernel.dtype)


@errors_of.register(SimpleRNNEquations)
def _(equations, backward):
    carried = _next(backward.probes)
    return Errors(backward.injected + carried, carried)


@errors_of.register(LSTMEquations)
def _(equations, backward):
    sigma, phi = equations.recurrent_activation, equations.activation
    kernel, recurrent_kernel, bias = backward.weights
    z = product(backward.x, kernel, bias) + product(backward.before, recurrent_kernel)
    i, f, g, o = tf.split(z, 4, axis=2)
    i, f, g, o = sigma(i), sigma(f), phi(g), sigma(o)
    squashed = phi(_recurrence(f, i * g, backward.initial.cell))
    carried = _next(backward.probes)
    hidden = backward.injected + carried
    entering = hidden * o * derivative(phi)(squashed) + backward.final
    return Errors(hidden, carried, _recurrence_from_the_end(_next(f * backward.valid), entering))


@errors_of.register(ResetAfterEquations)
def _(equations, backward):
    kernel, recurrent_kernel, bias = backward.weights
    gates = 2 * backward.hidden.shape[-1]
    z = product(backward.x, kernel, bias[0]) + product(backward.before, recurrent_kernel, bias[1])
    update, reset = tf.split(equations.recurrent_activation(z[:, :, :gates]), 2, axis=2)
    probes = backward.probes
    da = tf.concat([probes[:, :, :gates], probes[:, :, gates:] * reset], axis=2)
    through_gates = _next(product(da, tf.transpose(recurrent_kernel)))
    direct = _next(update * backward.valid)
    hidden = _recurrence_from_the_end(direct, backward.injected + through_gates)
    return Errors(hidden, direct * _next(hidden) + through_gates)


def _next(sequence):
    """Shift each entry from step t+1 to step t, with zeros at the last step. [B, T, ·]"""
    return tf.concat([sequence[:, 1:], tf.zeros_like(sequence[:, :1])], axis=1)


def _recurrence(factors, terms, initial):
    """Return s_t = factors_t ⊗ s_{t-1} + terms_t, [B, T, H]."""
    both = swap_batch_and_time(factors), swap_batch_and_time(terms)
    return swap_batch_and_time(tf.scan(lambda s, now: now[0] * s + now[1], both, initial))


def _recurrence_from_the_end(factors, terms):
    """Return s_t = factors_t ⊗ s_{t+1} + terms_t, [B, T, H]."""
    backwards = _recurrence(
        tf.reverse(factors, [1]), tf.reverse(terms, [1]), tf.zeros_like(terms[:, 0])
    )
    return tf.reverse(backwards, [1])
