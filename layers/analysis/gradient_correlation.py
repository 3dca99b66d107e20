"""The correlation of the gradients at neighbouring inputs: do the gradients shatter?"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..paths import walk
from .correlation_result import GradientCorrelation
from .scores import Target, run

LAGS = 15  # the default
CONSTANT = 1e-5  # the relative range of a sum of outputs that counts as the same everywhere


def gradient_correlation(
    model: keras.Model,
    x: Any,
    layers: Sequence[str] | None = None,
    *,
    target: Target = None,
    lags: int | None = None,
) -> GradientCorrelation:
    """Return how similar the gradients at inputs near each other are, at the input and over depth.

    The batch x_1 … x_N is a path: inputs that follow each other are neighbours, such as a grid, the
    points between two images, or the frames of a clip. With f the target, a number for each
    input, and g_i = df/da(x_i) its gradient with respect to the output a of a layer (or to x
    itself), all entries of a side by side, the correlation at lag k is

        correlation      R(k) = Σ_i g_i·g_{i+k} / sqrt(Σ_i ‖g_i‖² · Σ_i ‖g_{i+k}‖²)
        autocorrelation  A(k) = Σ_i (g_i - ḡ)·(g_{i+k} - ḡ) / Σ_i ‖g_i - ḡ‖²,   ḡ = mean of all g_i

    where all sums but that of the last denominator are over the N-k pairs. R is the quantity of
    the theory below, in which gradients have the mean zero over the initial weights; it is 1 for a
    linear model. A is the autocorrelation function of a time series, which compares gradients with
    noise: A(1) is near 1 for a random walk (brown noise) and near 0 for white noise.

    A gradient that changes from each input to the next like white noise ("shattered") is of little
    use to an optimizer. For initial weights after He et al. (2015), and inputs so different that
    one of four rectifiers is active at both, the paper proves after L layers

        R = 2^-L                     feedforward networks
        R = (3/4)^L                  residual networks, x + W·relu(x)
        R ∝ 1 / (β·sqrt(L))          residual networks, x + β·W·relu(BatchNorm(x))

    Without normalization, the factor of a layer is 1 - θ/π in the limit of infinite width, and with
    a shortcut 1 - θ/2π, where θ is the angle between its two inputs (Cho and Saul 2009).

    The model is called at `training=False`, so the gradient at an input does not depend on the
    other inputs. `BatchNormalization` then uses its moving statistics, which are 0 and 1 in a new
    model; one call at `training=True` with `momentum=0` sets them to those of a batch. The errors
    that recurrent layers show and the states of stateful layers are as before afterwards.

    Args:
        model: any Keras model that is called eagerly; with recurrent layers, a and x are whole
            sequences.
        x: a path of N inputs [N, …], N ≥ 2, or as many for each of several inputs of the model.
            Indices, such as words, have no gradient and are left out.
        layers: names of layers, or their paths ("encoder/dense"), whose outputs are a. None: the
            layers directly inside the model that have weights, are called once, and on whose output
            the target depends. Of a layer with several outputs, a is the first.
        target: f, as in `saliency`: the index of a class, or a function of the outputs that returns
            [N]. None: the sum of all outputs. Outputs are those before Keras' softmax or sigmoid.
        lags: K, the largest lag, from 1 to N-1; None: the smaller of 15 and N-1.

    Returns:
        The correlations at lags 0 to K, with a figure and a sentence; a notebook shows them.

    Raises:
        ValueError: there are fewer than two inputs or too few for `lags`; there is no such layer,
            it is called more than once or not at all, or the target does not depend on it; the
            outputs have the same sum everywhere. Also as `saliency`.
        TypeError: `target` is not an index.

    Source: D. Balduzzi, M. Frean, L. Leary, J. P. Lewis, K. W.-D. Ma, B. McWilliams: The shattered
    gradients problem: if resnets are the answer, then what is the question?, ICML 2017. Y. Cho,
    L. K. Saul: Kernel methods for deep learning, NIPS 2009.
    """
    count = _count(x, lags)
    lags = min(LAGS, count - 1) if lags is None else lags
    inputs, of_inputs, of_layers = _gradients(model, x, layers, target)
    gradients = {"input": of_inputs, **of_layers} if inputs else of_layers
    if not gradients:
        raise ValueError(f"gradient_correlation: model {model.name!r} has no layer with a gradient")
    values = [_correlations(gradient, lags) for gradient in gradients.values()]  # R of [2, K+1]
    correlation, autocorrelation = np.stack(values, axis=1)
    distance = _distances(inputs, lags)
    return GradientCorrelation([*gradients], correlation, autocorrelation, distance, model.name)


def _count(x, lags):
    """Return the number of inputs of the path, N."""
    counts = {len(array) for array in keras.tree.flatten(x)}
    count = min(counts)
    if len(counts) > 1 or count < 2:
        found = " and ".join(str(n) for n in sorted(counts))
        raise ValueError(
            f"gradient_correlation: x must be a path of at least two inputs, not of {found}"
        )
    if lags is not None and not 1 <= lags < count:
        raise ValueError(f"gradient_correlation: lags must be from 1 to {count - 1}, got {lags}")
    return count


def _gradients(model, x, layers, target):
    """Return the inputs, df/dx of each, and {path: [df/da]} in the order of the calls."""
    parts = _parts(model, layers)
    chosen = {id(part) for part in parts.values()}
    result = run(
        model,
        x,
        (lambda outputs: _sums(model, outputs)) if target is None else target,
        "gradient_correlation",
        lambda layer: id(layer) in chosen,
    )
    inputs, outputs = [*result.inputs.values()], _called_once(parts, result.outputs, layers)
    gradients = result.tape.gradient(result.score, [*inputs, *outputs.values()])
    of_inputs = [
        tf.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(inputs, gradients, strict=False)
    ]
    of_layers = dict(zip(outputs, gradients[len(inputs) :], strict=True))
    without = [path for path, gradient in of_layers.items() if gradient is None]
    if without and layers is not None:
        raise ValueError(
            "gradient_correlation: the target does not depend on the output of layer "
            f"{without[0]!r}"
        )
    return inputs, of_inputs, {path: [g] for path, g in of_layers.items() if g is not None}


def _parts(model, layers):
    """Return the layers of these names or paths, or those that None stands for, by path."""
    parts = {p: part for p, part in walk(model) if not isinstance(part, keras.layers.InputLayer)}
    if layers is None:
        return {path: part for path, part in parts.items() if "/" not in path and part.weights}
    chosen = {}
    for name in [layers] if isinstance(layers, str) else layers:
        paths = [path for path in parts if name in (path, path.rpartition("/")[2])]
        if len(paths) != 1:
            problem = f"{len(paths)} layers are called {name!r}" if paths else f"no layer {name!r}"
            available = ", ".join(paths or parts)
            raise ValueError(f"gradient_correlation: {problem}; choose from: {available}")
        chosen[paths[0]] = parts[paths[0]]
    return chosen


def _called_once(parts, outputs, layers):
    """Return the output of each layer that is called once, by path in the order of the calls."""
    calls = [output.path for output in outputs]
    wrong = [path for path in parts if calls.count(path) != 1]
    if wrong and layers is not None:
        count = calls.count(wrong[0])
        times = f"called {count} times, not once" if count else "not called"
        raise ValueError(f"gradient_correlation: layer {wrong[0]!r} is {times}")
    return {output.path: output.value for output in outputs if output.path not in wrong}


def _sums(model, outputs):
    """Return the sum of all outputs at each input [N]; float64, for outputs of several types."""
    outputs = [tf.cast(output, tf.float64) for output in keras.tree.flatten(outputs)]
    rows = tf.concat([tf.reshape(output, [len(output), -1]) for output in outputs], axis=1)
    sums = tf.reduce_sum(rows, axis=1)
    if rows.shape[-1] != 1 and np.ptp(sums) <= CONSTANT * np.abs(sums).max():
        raise ValueError(
            f"gradient_correlation: the outputs of model {model.name!r} sum to {sums[0]:.6g} at "
            "every input, so the sum has no gradient; choose a class, as with target=0"
        )
    return sums


def _correlations(gradient, lags):
    """Return R and A at lags 0 to K, [2, K+1], of gradients in parts [N, …]."""
    exact = all(part.dtype == tf.float64 for part in gradient)
    rows = _rows(gradient)
    deviations = rows - rows.mean(axis=0)
    around_zero, around_mean = np.square(rows).sum(axis=1), np.square(deviations).sum()
    # What is left of a constant gradient is rounding.
    rounding = 16 * np.finfo(np.float64 if exact else np.float32).eps
    if around_mean <= rounding**2 * around_zero.sum():
        around_mean = np.nan
    values = []
    for lag in range(lags + 1):
        first, second = slice(len(rows) - lag), slice(lag, None)
        norm = np.sqrt(around_zero[first].sum()) * np.sqrt(around_zero[second].sum())
        values.append(
            (
                np.vdot(rows[first], rows[second]) / norm if norm else np.nan,
                np.vdot(deviations[first], deviations[second]) / around_mean,
            )
        )
    return np.array(values, np.float32).T


def _distances(inputs, lags):
    """Return the rms of ‖x_{i+k} - x_i‖ at lags 0 to K, [K+1]."""
    if not inputs:
        return np.full(lags + 1, np.nan, np.float32)
    rows = _rows(inputs)
    steps = [rows[lag:] - rows[: len(rows) - lag] for lag in range(lags + 1)]
    return np.array([np.sqrt(np.square(step).sum(axis=1).mean()) for step in steps], np.float32)


def _rows(parts):
    """Return all entries of tensors [N, …] side by side, float64 [N, D]."""
    return np.concatenate([np.reshape(tf.cast(p, tf.float64), [len(p), -1]) for p in parts], axis=1)
