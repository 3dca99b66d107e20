"""The QR iteration of the Jacobians ds_t/ds_{t-1} of a recurrent call, in one scan."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ..rnn.equations import Equations, StepOps, map_fields
from ..rnn.over_time import readable


@functools.cache
def logarithmic_growth(equations: Equations, units: int) -> Callable:
    """Return a function that computes how much the Jacobians of a call stretch k directions.

    It takes a call's sequence [T, B, ·], weights and mask, the directions [S, k] to start from and
    the number of sweeps. A sweep applies the transposed Jacobians from the last step to the first,
    and the Jacobians from the first step to the last, with a QR decomposition after each step. The
    result is Σ_t ln R_ii(t) over the steps of the last way forward, [B, k]. All of it is float64,
    and XLA does not compile it: its QR decomposition is slower than that of TensorFlow's kernel.

    Args:
        equations: those of the cell.
        units: H.
    """

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def growth(sequence, weights, mask, start, sweeps):
        steps, batch = tf.shape(sequence.x)[0], tf.shape(sequence.x)[1]
        kernel = equations.linear.transpose(tf.cast(weights.recurrent_kernel, tf.float64))
        jacobians = _Jacobians(
            equations,
            map_fields(readable, sequence.states),
            map_fields(readable, sequence.residuals),
            kernel,
            units,
        )
        over_time = functools.partial(_over_time, jacobians, mask, steps)

        def sweep(n, directions, _):
            directions, _ = over_time(directions, back=True)
            return n + 1, *over_time(directions, back=False)

        directions = tf.tile(start[None], tf.stack([batch, 1, 1]))
        _, _, logarithms = tf.while_loop(
            lambda n, *_: n < sweeps, sweep, (0, directions, tf.zeros_like(directions[:, 0]))
        )
        return logarithms

    return growth


def _over_time(jacobians, mask, steps, directions, back):
    """Return the directions [B, S, k] after all steps, and Σ_t ln R_ii(t) [B, k]."""

    def step(n, directions, logarithms):
        t = steps - 1 - n if back else n
        following, r = tf.linalg.qr(jacobians.times(t, directions, back))
        factors = tf.math.log(tf.abs(tf.linalg.diag_part(r)))
        if mask is not None:
            valid = mask[t]  # [B, 1]
            following = tf.where(valid[:, :, None], following, directions)
            factors = tf.where(valid, factors, tf.zeros_like(factors))
        return n + 1, following, logarithms + factors

    start = 0, directions, tf.zeros_like(directions[:, 0])
    return tf.while_loop(lambda n, *_: n < steps, step, start)[1:]


@dataclass(frozen=True)
class _Jacobians:
    """J_t = ds_t/ds_{t-1} [S, S] of each example, as products with vectors, in float64."""

    equations: Equations
    states: Any  # readable fields
    residuals: Any  # readable fields
    transposed_kernel: Any
    units: int

    @property
    def kinds(self) -> int:
        """The number of fields of the state: S / H."""
        return len(self.equations.state._fields)

    def times(self, t, directions, transposed):
        """Return J_t D, or J_tᵀ D, for directions D [B, S, k]."""
        batch, _, count = tf.unstack(tf.shape(directions))
        size = self.kinds * self.units
        vectors = tf.reshape(tf.transpose(directions, [2, 0, 1]), [-1, size])
        send_back = functools.partial(self._send_back, *self._step(t, count))
        products = send_back(vectors) if transposed else _transpose_of(send_back, vectors)
        return tf.transpose(tf.reshape(products, tf.stack([count, batch, size])), [1, 2, 0])

    def _step(self, t, count):
        """Return the states of steps t-1 and t and the residuals of step t, `count` times each."""

        def read(array, index):
            return tf.tile(tf.cast(array.read(index), tf.float64), tf.stack([count, 1]))

        return (
            map_fields(lambda a: read(a, t), self.states),
            map_fields(lambda a: read(a, t + 1), self.states),
            map_fields(lambda a: read(a, t), self.residuals),
        )

    def _send_back(self, before, after, residuals, vectors):
        """Return the errors of s_{t-1} from those of s_t, which is J_tᵀ v: [k·B, S] → [k·B, S]."""
        errors = self.equations.state(*tf.split(vectors, self.kinds, axis=1))
        errors = self.equations.total_errors(errors, after, residuals)
        _, sent_back = self.equations.backward(
            errors, before, after, residuals, self.transposed_kernel, StepOps()
        )
        return tf.concat([*sent_back], axis=1)


def _transpose_of(linear, vectors):
    """Return the product of vectors with the transpose of a linear map: its own gradient."""
    zeros = tf.zeros_like(vectors)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(zeros)
        image = linear(zeros)
    return tape.gradient(
        image, zeros, output_gradients=vectors, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
