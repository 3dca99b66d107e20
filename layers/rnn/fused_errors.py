"""The error of every step from a loop that cannot be looked into, by zeros in its input.

A fused kernel keeps δ_t to itself, but gives the gradient of its input. So the input gets columns
of zeros, with rows P of the kernel for them: nothing changes forward, and the gradient of the zeros
at step t is δz_t Pᵀ, where δz_t is the error before the activations. It comes out of the real
backward pass, which the kernel does anyway.

    SimpleRNN, LSTM   P = R, the recurrent kernel: the gradient is what goes back to h_{t-1}
    GRU (reset after) P = 1: the gradient is δz_t, and with the gates z and r, computed again,
                      δ_{t-1} = dE/dy_{t-1} + δ_t ⊗ z_t + [δz_z, δz_r, δz_g ⊗ r_t] Rᵀ

dE/dc_t of an LSTM follows from δ_t and the gates, computed again in one product.
"""

from functools import singledispatch
from typing import Any, NamedTuple

import tensorflow as tf

from ..activations import slope
from .gru import ResetAfterEquations
from .lstm import LSTMEquations
from .simple_rnn import SimpleRNNEquations
from .unroll import product, swap_batch_and_time


class Pass(NamedTuple):
    """What is known of one backward pass; from the end of a sequence on, no error arrives."""

    x: Any  # [B, T, D]
    hidden: Any  # [B, T, H]
    first: Any  # the initial states, each [B, H]
    weights: tuple
    valid: Any  # [B, T, 1], 1 or 0
    taps: Any  # the gradients of the zeros, [B, T, ·]
    injected: Any  # dE/dy_t, and dE/d(last h) where that is, [B, T, H]
    final: Any  # dE/d(last c) where that is, [B, T, H], or None

    @classmethod
    def of(cls, x, hidden, first, weights, taps, errors, padding):
        valid = tf.ones_like(x[:, :, :1])
        end = tf.concat([tf.zeros_like(valid[:, 1:]), valid[:, :1]], axis=1)
        if padding is not None:
            valid = tf.cast(padding.valid, x.dtype)
            end = tf.cast(padding.steps == padding.last, x.dtype)[:, :, None]
        arriving, last, *cell = errors
        injected = arriving * valid + end * last[:, None]
        final = end * cell[0][:, None] if cell else None
        return cls(x, hidden, first, weights, valid, taps, injected, final)

    @property
    def before(self):
        """h_{t-1}"""
        return tf.concat([self.first[0][:, None], self.hidden[:, :-1]], axis=1)


class Errors(NamedTuple):
    """The errors of each step, [B, T, H]."""

    hidden: Any  # δ_t
    carried: Any  # δ_t before the error injected at t is added
    cell: Any = None  # dE/dc_t


@singledispatch
def tapping_rows(cell, recurrent) -> Any:
    """P: the rows of the kernel that belong to the zeros."""
    raise TypeError(cell)


@singledispatch
def errors_of(cell, seen: Pass) -> Errors:
    """The errors, from the gradients of the zeros."""
    raise TypeError(cell)


@tapping_rows.register(SimpleRNNEquations)
@tapping_rows.register(LSTMEquations)
def _(cell, recurrent):
    return recurrent


@tapping_rows.register(ResetAfterEquations)
def _(cell, recurrent):
    return tf.eye(recurrent.shape[-1], dtype=recurrent.dtype)


@errors_of.register(SimpleRNNEquations)
def _(cell, seen):
    carried = _next(seen.taps)
    return Errors(seen.injected + carried, carried)


@errors_of.register(LSTMEquations)
def _(cell, seen):
    kernel, recurrent, bias = seen.weights
    z = product(seen.x, kernel, bias) + product(seen.before, recurrent)
    i, f, g, o = tf.split(z, 4, axis=2)
    i, f, g, o = cell.gate(i), cell.gate(f), cell.activation(g), cell.gate(o)
    squashed = cell.activation(_recurrence(f, i * g, seen.first[1]))
    carried = _next(seen.taps)
    hidden = seen.injected + carried
    entering = hidden * o * slope(cell.activation)(squashed) + seen.final
    return Errors(hidden, carried, _from_the_end(_next(f * seen.valid), entering))


@errors_of.register(ResetAfterEquations)
def _(cell, seen):
    kernel, recurrent, bias = seen.weights
    units = seen.hidden.shape[-1]
    z = product(seen.x, kernel, bias[0]) + product(seen.before, recurrent, bias[1])
    update, reset = tf.split(cell.gate(z[:, :, : 2 * units]), 2, axis=2)
    da = tf.concat([seen.taps[:, :, : 2 * units], seen.taps[:, :, 2 * units :] * reset], axis=2)
    arriving = _next(product(da, tf.transpose(recurrent)))
    along = _next(update * seen.valid)
    hidden = _from_the_end(along, seen.injected + arriving)
    return Errors(hidden, along * _next(hidden) + arriving)


def _next(sequence):
    """What belongs to step t+1, at step t; zero at the last one. [B, T, ·]"""
    return tf.concat([sequence[:, 1:], tf.zeros_like(sequence[:, :1])], axis=1)


def _recurrence(factors, terms, start):
    """s_t = factors_t ⊗ s_{t-1} + terms_t, [B, T, H]"""
    both = swap_batch_and_time(factors), swap_batch_and_time(terms)
    return swap_batch_and_time(tf.scan(lambda s, now: now[0] * s + now[1], both, start))


def _from_the_end(factors, terms):
    """s_t = factors_t ⊗ s_{t+1} + terms_t, [B, T, H]"""
    backwards = _recurrence(
        tf.reverse(factors, [1]), tf.reverse(terms, [1]), tf.zeros_like(terms[:, 0])
    )
    return tf.reverse(backwards, [1])
