"""Errors of forecasts: pure functions of NumPy arrays.

Shapes: N windows, F future steps, K targets. `truth` and `forecast` are [N, F, K] in the units of
the data. A value that is missing (NaN) in the truth, or a forecast that does not exist, is left
out; a figure without any is NaN.
"""

from collections.abc import Sequence

import numpy as np


def mase_scale(series: np.ndarray, season: int = 1) -> np.ndarray:
    """Return the scale of MASE: the mean absolute error of the (seasonal) naive forecast.

    scale = mean over t of |y_t − y_{t−m}|, m the season, over the training part of one series.
    Pairs with a missing value are left out. The scale is NaN if no pair is left.

    Args:
        series: [T, K], the training part, in the units of the data.
        season: m, in steps; 1 for the naive forecast.

    Returns:
        [K], in the units of the data.

    Source: Hyndman & Koehler 2006, "Another look at measures of forecast accuracy"; the seasonal
    form: Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, 5.8.
    """
    series = np.asarray(series, "float64")
    return _mean(np.abs(series[season:] - series[:-season]), axis=0)


def mase(truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> float:
    """Return the mean absolute scaled error, mean of |y − ŷ| / scale. It has no unit.

    Below 1, the forecast is better than one-step (seasonal) naive forecasts on the training part.
    Targets whose scale is 0 or NaN (constant in the training part, or too short) are left out.

    Args:
        truth: [N, F, K].
        forecast: [N, F, K].
        scale: `mase_scale` of the series of each window, [N, K]; or [K], of a single series.

    Source: Hyndman & Koehler 2006.
    """
    return float(_mean(_scaled_errors(truth, forecast, scale)))


def mase_by_horizon(truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return `mase` for each future step, [F]."""
    return _mean(_scaled_errors(truth, forecast, scale), axis=(0, 2))


def _scaled_errors(truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> np.ndarray:
    scale = np.asarray(scale, "float64")
    scale = np.where(scale > 0, scale, np.nan)  # [K] or [N, K]
    return np.abs(_errors(truth, forecast)) / (scale[:, None] if scale.ndim == 2 else scale)


def smape(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Return the symmetric mean absolute percentage error, 0 to 200 %.

    sMAPE = mean of 200 |y − ŷ| / (|y| + |ŷ|), and 0 where both are 0.

    Source: Makridakis 1993, "Accuracy measures: theoretical and practical concerns"; in this form
    the M3 competition (Makridakis & Hibon 2000).
    """
    errors = np.abs(_errors(truth, forecast))
    sizes = np.abs(truth) + np.abs(forecast)
    return float(_mean(200 * errors / np.where(sizes == 0, 1, sizes)))


def rmse(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Return the root mean square error, √(mean of (y − ŷ)²), in the units of the data."""
    return float(np.sqrt(_mean(_errors(truth, forecast) ** 2)))


def mae(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Return the mean absolute error, mean of |y − ŷ|, in the units of the data."""
    return float(_mean(np.abs(_errors(truth, forecast))))


def quantile_loss(truth: np.ndarray, forecast: np.ndarray, quantiles: Sequence[float]) -> float:
    """Return the quantile (pinball) loss, mean of max(q (y − ŷ), (q − 1)(y − ŷ)).

    It is least if ŷ is the q-quantile of y; for q = 0.5 it is half the mean absolute error.

    Args:
        truth: [N, F, K].
        forecast: [N, F, K, Q], one forecast per quantile.
        quantiles: Q numbers between 0 and 1.

    Returns:
        The mean over all values and quantiles, in the units of the data.

    Source: Koenker & Bassett 1978, "Regression quantiles".
    """
    q = np.asarray(quantiles, "float64")
    errors = _errors(truth[..., None], forecast)  # [N, F, K, Q]
    return float(_mean(np.maximum(q * errors, (q - 1) * errors)))


def coverage(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the share of true values within an interval [lower, upper], both bounds included.

    An honest 80 % interval covers 0.8 of the values. All arguments are [N, F, K].
    """
    truth = np.asarray(truth, "float64")
    within = (lower <= truth) & (truth <= upper)
    return float(_mean(np.where(np.isnan(truth), np.nan, within)))


def _errors(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    return np.asarray(truth, "float64") - np.asarray(forecast, "float64")


def _mean(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> np.ndarray:
    """Return the mean over the values that are not NaN; NaN without any, and no warning."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
