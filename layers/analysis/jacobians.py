"""The norms of the Jacobians dh_T/ds_t of a recurrent call, from one scan back through time."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ..rnn.equations import Equations, StepOps, map_fields
from ..rnn.over_time import readable


@functools.cache
def jacobian_norms(equations: Equations, units: int, single_steps: bool) -> Callable:
    """Return a function that computes the largest singular values of a call's Jacobians.

    It takes a call's sequence [T, B, ·], weights and mask, and the rows [R, H] of dh_T/dh_T to
    start from. It returns ‖dh_T/ds_t‖ [T, B] for each field of the state, and ‖ds_t/ds_{t-1}‖
    [T, B] of the whole state if `single_steps`, else an empty tensor.
    """

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def norms(sequence, weights, mask, rows):
        steps, batch = tf.shape(sequence.x)[0], tf.shape(sequence.x)[1]
        loop = _Loop(
            equations,
            map_fields(readable, sequence.states),
            map_fields(readable, sequence.residuals),
            tf.transpose(weights.recurrent_kernel),
            mask,
            [batch, units],
            _unit_errors(equations, units, batch, rows.dtype) if single_steps else None,
        )
        first = tf.repeat(rows[:, None], batch, axis=1)
        others = [tf.zeros_like(first) for _ in equations.state._fields[1:]]
        errors = equations.state(first, *others)
        series = functools.partial(tf.TensorArray, tf.float64, steps)
        _, _, of_fields, single = tf.while_loop(
            lambda t, *_: t >= 0,
            loop.step,
            (steps - 1, errors, tuple(series() for _ in errors), series()),
        )
        return [a.stack() for a in of_fields], single.stack() if single_steps else tf.zeros([0])

    return norms


@dataclass(frozen=True)
class _Loop:
    """The body of the loop back through time, for R errors of each example at once."""

    equations: Equations
    states: Any  # readable fields
    residuals: Any  # readable fields
    transposed_kernel: Any
    mask: Any  # [T, B, 1] or None
    sizes: list[Any]  # B and H
    unit_errors: Any  # of the whole state, or None

    def step(self, t, errors, norms, single):
        """Return the loop variables of step t-1, with the norms written at step t."""
        total, sent_back = self._back(t, errors)
        norms = tuple(a.write(t, _largest([e])) for a, e in zip(norms, total, strict=True))
        if self.unit_errors is not None:
            single = single.write(t, _largest(self._back(t, self.unit_errors)[1]))
        if self.mask is not None:
            valid = self.mask[t][None]  # [1, B, 1]
            sent_back = map_fields(lambda a, b: tf.where(valid, a, b), sent_back, errors)
        return t - 1, sent_back, norms, single

    def _back(self, t, errors):
        """Return the total errors at step t and those sent back, from errors [R, B, H] at t."""
        count = tf.shape(errors.hidden)[0]
        before, after = self._read(self.states, t, count), self._read(self.states, t + 1, count)
        residuals = self._read(self.residuals, t, count)
        flat = map_fields(lambda e: tf.reshape(e, [-1, self.sizes[1]]), errors)
        total = self.equations.total_errors(flat, after, residuals)
        _, sent_back = self.equations.backward(
            total, before, after, residuals, self.transposed_kernel, StepOps()
        )
        shape = [count, *self.sizes]
        return tuple(map_fields(lambda e: tf.reshape(e, shape), e) for e in (total, sent_back))

    def _read(self, arrays, t, count):
        """Return the entries of step t, once for each error: [R·B, H]."""
        return map_fields(lambda a: tf.tile(a.read(t), tf.stack([count, 1])), arrays)


def _unit_errors(equations, units, batch, dtype):
    """Return the errors that are the rows of the identity over the whole state, [kinds·H, B, H]."""
    kinds = len(equations.state._fields)
    identity = tf.eye(kinds * units, dtype=dtype)[:, None]
    parts = tf.split(identity, kinds, axis=2)
    return equations.state(*(tf.repeat(part, batch, axis=1) for part in parts))


def _largest(parts):
    """Return the largest singular values [B] of matrices [R, B, H] side by side.

    They come from the eigenvalues of M Mᵀ, which takes a quarter of the time; in float64, because
    the squares of the small norms far from T underflow in float32.
    """
    matrix = tf.transpose(tf.cast(tf.concat([*parts], axis=-1), tf.float64), [1, 0, 2])
    finite = tf.reduce_all(tf.math.is_finite(matrix), axis=[1, 2])  # eigvalsh requires it
    matrix = tf.where(finite[:, None, None], matrix, tf.zeros_like(matrix))
    squares = tf.linalg.eigvalsh(tf.matmul(matrix, matrix, transpose_b=True))  # ascending
    return tf.where(finite, tf.sqrt(tf.maximum(squares[:, -1], 0.0)), np.nan)
