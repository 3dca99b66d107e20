"""How far back a recurrent layer's last state feels a change: ‖dh_T/dh_t‖, whatever the loss is."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ..rnn.unroll import identity, read_only
from ..rnn.watch import watch
from .per_step_gradients import cut_open, place_of


class Horizon(NamedTuple):
    """Norms of Jacobians, the rms over the examples that have a step t, each [T], float32.

    Steps are in the order in which the layer reads them; in column -1 stands the last one of every
    example, however long it is: there `hidden` is 1.

    Attributes:
        hidden: ‖dh_T/dh_t‖, the largest singular value; NaN where it is no finite number.
        cell: ‖dh_T/dc_t‖ of an LSTM, by h_t too; None of others.
        bound: Π_k ‖ds_{k+1}/ds_k‖ over the steps from t to T, s being the state: h, or h and c side
            by side. The textbook's upper bound of ‖ds_T/ds_t‖. None where there were probes.
    """

    hidden: np.ndarray
    cell: np.ndarray | None
    bound: np.ndarray | None


def horizon(model, x, layer: str | None = None, probes: int | None = None) -> Horizon:
    """How much the last state h_T of a recurrent layer changes with its state at each step t.

        dh_T/dh_t = Π_{k=t}^{T-1} dh_{k+1}/dh_k        (of an LSTM by h and c together)

    There is no loss in it: it says what can come back through time, not what does (that is what
    `ErrorFlow` records). T is the last step of an example that is not masked.

    The H rows of the Jacobian go back through time as so many copies of the batch, so a look takes
    as long as a training step on H times as many examples, and the singular values of T·B matrices
    H × H (`benchmarks/cost_of_looking.py` measures it).

    Args:
        model: with recurrent layers, ours or those of Keras; it is called at `training=False`.
        x: a batch.
        layer: as `error_matrix` takes it.
        probes: P: for large layers, look at so many random directions of h_T, orthonormal, in place
            of all H. Norms are then estimates, σ(P rows) · √(H/P): right on average where one
            direction outweighs the others, as it does far from T.

    Raises:
        ValueError: no such layer, or it is called more than once. Also as `watch`.
        TypeError: as `watch`.
    """
    calls = _calls(model, x)
    return _of_call(calls[place_of(calls, layer, "horizon")], probes)


def horizons(model, x, probes: int | None = None) -> dict[str, Horizon]:
    """The same of every recurrent layer that is called once, by its path."""
    calls = _calls(model, x)
    names = [call.name for call in calls]
    return {call.name: _of_call(call, probes) for call in calls if names.count(call.name) == 1}


def _calls(model, x):
    model = watch(model)
    with cut_open(model) as (_, calls):
        model(x, training=False)
    # A model that is built by its first call is called by Keras with symbols before.
    return [call for call in calls if not tf.is_symbolic_tensor(call.sequence.x)]


def _of_call(call, probes):
    units, dtype = call.sequence.states[0].shape[-1], call.sequence.states[0].dtype
    if probes is not None and not 1 <= probes <= units:
        raise ValueError(f"horizon: probes must be from 1 to {units}, the layer's units")
    rows = np.eye(units) if probes is None else _directions(probes, units)
    jacobians = _jacobians(call.cell, units, probes is None)
    norms, single = jacobians(call.sequence, call.weights, call.mask, tf.constant(rows, dtype))
    valid = np.ones(call.sequence.x.shape[:2], bool)
    valid = valid if call.mask is None else call.mask.numpy()[:, :, 0]
    hidden, *cell = [_at_the_end(one.numpy(), valid) for one in norms]
    bound = None if probes else _at_the_end(_products(single.numpy(), valid), valid)
    return Horizon(hidden, cell[0] if cell else None, bound)


def _directions(count, units):
    """Random orthonormal rows [P, H], the same at every look, longer than 1 by √(H/P)."""
    random = np.random.default_rng(0)
    rows, _ = np.linalg.qr(random.normal(size=(units, count)))
    return rows.T * np.sqrt(units / count)


@functools.cache
def _jacobians(cell, units, exact):
    """→ a function to (norms of dh_T/ds_t [T, B] of each state, norms of ds_t/ds_{t-1} [T, B])

    The latter only if `exact`.
    """

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def jacobians(sequence, weights, mask, rows):
        saved = [read_only(s) for s in sequence.saved]
        states = [read_only(s) for s in sequence.states]
        weights = (weights[0], tf.transpose(weights[1]), weights[2])
        steps, batch = tf.shape(sequence.x)[0], tf.shape(sequence.x)[1]
        kinds = len(states)

        def back(t, errors):
            """[R, B, H] of each state at step t → the whole ones at t; those at t-1"""
            count = tf.shape(errors[0])[0]

            def tiled(series, t):
                return tf.tile(series.read(t), tf.stack([count, 1]))

            _, sent, whole = cell.backward(
                [tf.reshape(e, [-1, units]) for e in errors],
                [tiled(s, t) for s in states],
                [tiled(s, t + 1) for s in states],
                [tiled(s, t) for s in saved],
                weights,
                identity,
                identity,
            )
            shape = [count, batch, units]
            return [tf.reshape(e, shape) for e in whole], [tf.reshape(e, shape) for e in sent]

        def step(t, errors, norms, single):
            whole, sent = back(t, errors)
            norms = [a.write(t, _largest([e])) for a, e in zip(norms, whole, strict=True)]
            if exact:
                single = single.write(t, _largest(back(t, ones)[1]))
            if mask is not None:
                now = mask[t][None]  # [1, B, 1]
                sent = [tf.where(now, new, old) for new, old in zip(sent, errors, strict=True)]
            return t - 1, sent, norms, single

        # Of all states side by side: [kinds · H, B, H] of each.
        eye = tf.eye(kinds * units, dtype=rows.dtype)[:, None]
        ones = [tf.repeat(part, batch, axis=1) for part in tf.split(eye, kinds, axis=2)]
        start = tf.repeat(rows[:, None], batch, axis=1)
        errors = [start, *[tf.zeros_like(start)] * (kinds - 1)]
        series = functools.partial(tf.TensorArray, tf.float64, steps)
        _, _, norms, single = tf.while_loop(
            lambda t, *_: t >= 0, step, (steps - 1, errors, [series() for _ in states], series())
        )
        return [a.stack() for a in norms], single.stack() if exact else tf.zeros([0])

    return jacobians


def _largest(parts):
    """Matrices [R, B, H], side by side → their largest singular values [B].

    By the eigenvalues of M Mᵀ, which a look takes a quarter of the time for; in float64, since
    far from T float32 has no such small numbers squared.
    """
    matrix = tf.transpose(tf.cast(tf.concat(parts, axis=-1), tf.float64), [1, 0, 2])
    finite = tf.reduce_all(tf.math.is_finite(matrix), axis=[1, 2])  # what eigvalsh insists on
    matrix = tf.where(finite[:, None, None], matrix, tf.zeros_like(matrix))
    squares = tf.linalg.eigvalsh(tf.matmul(matrix, matrix, transpose_b=True))  # ascending
    return tf.where(finite, tf.sqrt(tf.maximum(squares[:, -1], 0.0)), np.nan)


def _products(single, valid):
    """Π of ‖ds_{k+1}/ds_k‖ from each step to the last one, [T, B].

    single[t] is that of the step from t-1 to t.
    """
    following = np.concatenate([np.where(valid, single, 1)[1:], np.ones_like(single[:1])])
    return np.cumprod(following[::-1], axis=0)[::-1]


def _at_the_end(norms, valid):
    """The rms [T] over the examples, with the last valid step of each in the last place."""
    steps, places = len(norms), np.arange(len(norms))[:, None]
    last = steps - 1 - valid[::-1].argmax(axis=0)  # [B]
    source = places - (steps - 1 - last)
    known = (source >= 0) & np.take_along_axis(valid, np.maximum(source, 0), axis=0)
    squares = np.take_along_axis(norms, np.maximum(source, 0), axis=0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((squares * known).sum(axis=1) / known.sum(axis=1)).astype(np.float32)
