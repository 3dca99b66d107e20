"""The linear part of a network for forecasts starts at a ridge regression."""

from typing import Any

import keras
import numpy as np

from ..datasets.series.series_split import SeriesSplit
from ..models.series_head import AUTOREGRESSION, VALUES
from ..training.series_baselines import fit_linear
from .measurement import OF_LINEAR

SHARE = 0.1  # of the usual size of the output layer, so that the start is close to linear


def start_at_linear(network: keras.Model, train: SeriesSplit) -> None:
    """Set the autoregression of a network to the ridge regression of the training windows.

    With a small output layer, the network then begins as this linear forecast plus little, and
    learns what that leaves over (a hybrid after Zhang 2003, "Time series forecasting using a hybrid
    ARIMA and neural network model"). All weights are trained. The forecast is that of the linear
    baseline if there is one target and no covariate; otherwise it reads less, as each target is
    forecast from its own past, by the same weights.

    Args:
        network: a forecasting network with the layer of `with_autoregression`.
        train: the training windows, and their scaling.
    """
    examples, scaling = train.examples, train.problem.scaling
    some = np.linspace(0, len(train) - 1, min(OF_LINEAR, len(train))).astype(int)
    past, target = examples.past(some), examples.target(some)
    y = scaling.targets(target, past)  # [N, F, K]
    x = scaling.inputs(past)[..., : y.shape[2]]
    weights, bias = linear_map(_by_target(x), _by_target(y))
    network.get_layer(AUTOREGRESSION).set_weights([weights, bias])
    values: Any = network.get_layer(VALUES)
    values.kernel.assign(SHARE * values.kernel)


def linear_map(past: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights [P, F] and bias [F] of the linear baseline of a single target.

    Args:
        past: [N, P, 1].
        target: [N, F, 1].
    """
    forecast = fit_linear(past, target)
    steps = past.shape[1]
    bias = forecast(np.zeros([1, steps, 1]))[0, :, 0]
    return forecast(np.eye(steps)[..., None])[..., 0] - bias, bias


def _by_target(values: np.ndarray) -> np.ndarray:
    """Return each target as a series of its own: [N, T, K] → [N·K, T, 1]."""
    return np.moveaxis(values, 2, 1).reshape(-1, values.shape[1], 1)
