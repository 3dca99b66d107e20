"""An independent reference of the recurrent layers: a Python loop, one gate at a time.

Shares no code with errorflow. It works on NumPy arrays and, to be differentiated automatically, on
TensorFlow tensors: `xp` is the module `numpy` or `tensorflow`. `nudges` are added to h_t and c_t.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf


def sigmoid(xp, z):
    return 0.5 + 0.5 * xp.tanh(0.5 * z)


def gates(number, *arrays):
    """The columns of each gate: for k gates, k tuples of the arrays' parts."""
    width = arrays[0].shape[-1] // number
    return [tuple(a[..., k * width : (k + 1) * width] for a in arrays) for k in range(number)]


def simple_rnn(xp, x, states, weights, nudges):
    (h,), (w, u, b) = states, weights
    return (xp.tanh(x @ w + h @ u + b) + nudges[0],)


def lstm(xp, x, states, weights, nudges):
    h, c = states
    i, f, g, o = (x @ w + h @ u + b for w, u, b in gates(4, *weights))
    c = sigmoid(xp, f) * c + sigmoid(xp, i) * xp.tanh(g) + nudges[1]
    return sigmoid(xp, o) * xp.tanh(c) + nudges[0], c


def conv_lstm(xp, x, states, weights, nudges):
    """With valid padding and stride 1 for x; Keras' own convolution."""
    h, c = states
    i, f, g, o = (
        keras.ops.conv(x, w, padding="valid") + keras.ops.conv(h, u, padding="same") + b
        for w, u, b in gates(4, *weights)
    )
    c = sigmoid(xp, f) * c + sigmoid(xp, i) * xp.tanh(g) + nudges[1]
    return sigmoid(xp, o) * xp.tanh(c) + nudges[0], c


def lstm_1997(xp, x, states, weights, nudges):
    h, c = states
    i, g, o = (x @ w + h @ u + b for w, u, b in gates(3, *weights))
    c = c + sigmoid(xp, i) * xp.tanh(g) + nudges[1]
    return sigmoid(xp, o) * xp.tanh(c) + nudges[0], c


def gru_reset_after(xp, x, states, weights, nudges):
    (h,), (kernel, recurrent, biases) = states, weights
    (wz, uz, bz, az), (wr, ur, br, ar), (wg, ug, bg, ag) = gates(
        3, kernel, recurrent, biases[0], biases[1]
    )
    z = sigmoid(xp, x @ wz + bz + h @ uz + az)
    r = sigmoid(xp, x @ wr + br + h @ ur + ar)
    g = xp.tanh(x @ wg + bg + r * (h @ ug + ag))
    return (z * h + (1.0 - z) * g + nudges[0],)


def gru_reset_before(xp, x, states, weights, nudges):
    (h,) = states
    (wz, uz, bz), (wr, ur, br), (wg, ug, bg) = gates(3, *weights)
    z = sigmoid(xp, x @ wz + h @ uz + bz)
    r = sigmoid(xp, x @ wr + h @ ur + br)
    g = xp.tanh(x @ wg + (r * h) @ ug + bg)
    return (z * h + (1.0 - z) * g + nudges[0],)


class Probes(NamedTuple):
    """Zeros that are added to states; the derivative with respect to them is the error there."""

    states: list  # to h_t (and c_t): δ_t, dE/dc_t
    shown: list  # to h_t as an output only, not as the next step's state: injected error


def zeros(steps, states):
    like = [[0.0 * s for s in states] for _ in range(steps)]
    return Probes(like, [0.0 * states[0] for _ in range(steps)])


def scaled(tensor, factor):
    """The tensor itself, whose derivative is `factor` in place of 1."""
    return factor * tensor + tf.stop_gradient((1.0 - factor) * tensor)


def unrolled(xp, step, x, states, weights, valid=None, probes=None, factors=None):
    """→ (outputs [B, T, H], the last states). Where `valid` [B, T] is False the state stays.

    `factors` [B, T]: the derivative of what step t+1 reads by the state of step t; 1 by default.

    Outputs are as in Keras: a masked step repeats the output before it, and is zero at the start.
    """
    steps = x.shape[1]
    probes = probes or zeros(steps, states)
    states, shown, last_h, outputs = tuple(states), 0.0 * states[0], states[0], []
    read = states
    for t in range(steps):
        new = step(xp, x[:, t], read, weights, probes.states[t])
        show = new[0] + probes.shown[t]
        if valid is None:
            states, read, shown, last_h = new, new, show, show
        else:
            now = valid[:, t].reshape([-1] + [1] * (x.ndim - 2))
            states, read = (
                tuple(xp.where(now, n, s) for n, s in zip(new, before, strict=True))
                for before in (states, read)
            )
            shown, last_h = xp.where(now, show, shown), xp.where(now, show, last_h)
        if factors is not None:
            read = tuple(scaled(s, factors[:, t].reshape([-1] + [1] * (x.ndim - 2))) for s in read)
        outputs.append(shown)
    return xp.stack(outputs, 1), (last_h, *states[1:])


class Errors(NamedTuple):
    """B times the derivative of E, each a NumPy array [T, B, H]; `cell` is None without a cell."""

    hidden: np.ndarray  # δ_t
    carried: np.ndarray  # δ_t before the error injected at t
    cell: np.ndarray | None


def errors(loss, step, x, states, weights, valid=None, factors=None):
    """The errors of every step and example, for E = loss(outputs, last states), by autodiff."""
    x, *states = (tf.constant(v) for v in (x, *states))
    weights = [tf.constant(w) for w in weights]
    probes = zeros(x.shape[1], states)
    with tf.GradientTape() as tape:
        tape.watch(probes)
        e = loss(*unrolled(tf, step, x, states, weights, valid, probes, factors))
    gradients = tape.gradient(e, probes, unconnected_gradients="zero")
    total = [x.shape[0] * np.stack(part) for part in zip(*gradients.states, strict=True)]
    injected = x.shape[0] * np.stack(gradients.shown)
    return Errors(total[0], total[0] - injected, total[1] if len(total) == 2 else None)


def figures(of: Errors, valid=None):
    """The figures of an `ErrorRecord`: root mean squares and maxima over the examples, per step."""
    steps, batch = of.hidden.shape[:2]
    valid = np.ones([batch, steps], bool) if valid is None else np.asarray(valid)
    result = {}
    for suffix, sources in (("", from_start(steps, batch)), ("_from_end", from_end(valid))):
        counted = moved(valid.T, sources)
        result["valid" + suffix] = counted.sum(1)
        flat = {n: e.reshape(steps, batch, -1) for n, e in of._asdict().items() if e is not None}
        flat["injected"] = flat["hidden"] - flat["carried"]
        for name, error in flat.items():
            norms = np.linalg.norm(error, axis=-1)
            result[name + suffix] = rms(norms, valid, sources)
            if name in ("hidden", "cell"):
                result[f"{name}_next{suffix}"] = rms(at_next(norms, valid), valid, sources)
                largest = np.where(counted, moved(norms, sources), 0.0).max(1)
                result[f"{name}_max{suffix}"] = np.where(counted.any(1), largest, np.nan)
    return result


def at_next(norms, valid):
    """norms [T, B] of the next valid step of each example, 0 after its last one."""
    result = np.zeros_like(norms)
    for b, row in enumerate(valid):
        steps = np.flatnonzero(row)
        result[steps[:-1], b] = norms[steps[1:], b]
    return result


def rms(norms, valid, sources):
    """The root mean square of norms [T, B] over the valid examples of each step, [T].

    The steps are those that `sources` [T, B] moves there; NaN where no example is valid.
    """
    counted = moved(valid.T, sources)
    squares = np.where(counted, moved(norms, sources), 0.0) ** 2
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares.sum(1) / counted.sum(1))


def from_start(steps, batch):
    """The sources [T, B] of an alignment that moves nothing."""
    return np.tile(np.arange(steps)[:, None], [1, batch])


def from_end(valid):
    """[T, B]: the step of each example that is at step t once its last valid one is at T-1."""
    steps = valid.shape[1]
    lasts = [max(np.flatnonzero(row), default=-1) for row in valid]
    return np.stack([np.arange(steps) - (steps - 1 - last) for last in lasts], 1)


def moved(values, sources):
    """values [T, B] read at `sources` [T, B]; zero where there is none."""
    picked = np.take_along_axis(values, np.maximum(sources, 0), axis=0)
    return np.where(sources >= 0, picked, np.zeros_like(picked))
