"""Baselines that a network for series has to beat: pure functions of NumPy arrays.

Shapes: N windows, P past steps, F future steps, K targets, D columns, of which the first K are the
targets. The naive, seasonal naive and drift methods are those of Hyndman & Athanasopoulos,
"Forecasting: Principles and Practice", 3rd edition, 5.2; T is the last step of the past.
"""

from collections.abc import Callable

import numpy as np

RIDGE = np.logspace(-4, 4, 17)  # strengths that `fit_linear` chooses from


def naive(past: np.ndarray, future: int) -> np.ndarray:
    """Return the last value for every future step, ŷ_{T+h} = y_T: [N, P, K] → [N, F, K]."""
    return np.repeat(past[:, -1:], future, axis=1)


def seasonal_naive(past: np.ndarray, future: int, season: int) -> np.ndarray:
    """Return the values of the last season, repeated: ŷ_{T+h} = y_{T+h−m⌈h/m⌉}.

    Args:
        past: [N, P, K].
        future: F.
        season: m, in steps.

    Returns:
        [N, F, K].

    Raises:
        ValueError: the past is shorter than a season.
    """
    if past.shape[1] < season:
        raise ValueError(f"a past of {past.shape[1]} steps is shorter than a season of {season}")
    steps = np.arange(future) % season
    return past[:, past.shape[1] - season + steps]


def drift(past: np.ndarray, future: int) -> np.ndarray:
    """Return the line through the first and the last value of the past, continued.

    ŷ_{T+h} = y_T + h (y_T − y_1) / (T − 1): [N, P, K] → [N, F, K]. With one step, it is `naive`.
    """
    slope = (past[:, -1:] - past[:, :1]) / max(past.shape[1] - 1, 1)
    return past[:, -1:] + np.arange(1, future + 1)[:, None] * slope


def fit_linear(past: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit one linear map from all of the past to all targets, by ridge regression.

    For a target that continues the past, all values are relative to the last ones of their window
    (NLinear; Zeng et al. 2023, "Are Transformers effective for time series forecasting?"), so that
    a level never seen in training does not matter. Inputs are standardized, and the strength of the
    penalty is chosen by leave-one-out cross-validation on the training windows
    (`sklearn.linear_model.RidgeCV`).

    Args:
        past: [N, P, D], training windows.
        target: [N, F, K]; or [N, K] if the target is not a continuation of the past.

    Returns:
        A function from the past of other windows, [M, P, D], to forecasts, [M, F, K] or [M, K].
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    continues = target.ndim == 3
    targets = target.shape[-1]

    def inputs(past: np.ndarray) -> np.ndarray:
        return _flat(past - past[:, -1:] if continues else past)

    def level(past: np.ndarray) -> np.ndarray | float:
        return past[:, -1:, :targets] if continues else 0.0  # [N, 1, K]

    model = make_pipeline(StandardScaler(), RidgeCV(RIDGE))
    model.fit(inputs(past), _flat(target - level(past)))

    def forecast(past: np.ndarray) -> np.ndarray:
        return model.predict(inputs(past)).reshape(len(past), *target.shape[1:]) + level(past)

    return forecast


def mean_value(train_y: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of the training values [N, K] for each of `count` examples, [count, K]."""
    return np.broadcast_to(train_y.mean(axis=0), (count, *train_y.shape[1:]))


def most_frequent_class(train_y: np.ndarray, count: int) -> np.ndarray:
    """Return the most frequent class of the training labels [N] for each example, [count].

    Of equally frequent classes, it is the first.
    """
    return np.full(count, np.bincount(train_y).argmax())


def nearest_neighbour(train_x: np.ndarray, train_y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the class, or value, of the training series at the least Euclidean distance.

    Every column is standardized over the training series, so that units do not matter. A missing
    value, such as a step after the end of a shorter series, counts as the mean of its column.

    Args:
        train_x: [N, T, D].
        train_y: [N], or [N, K].
        x: [M, T, D].

    Returns:
        [M], or [M, K].

    Source: the 1-NN Euclidean benchmark of the UCR archive (Dau et al. 2019).
    """
    from sklearn.neighbors import NearestNeighbors

    mean, deviation = np.nanmean(train_x, axis=(0, 1)), np.nanstd(train_x, axis=(0, 1))
    deviation = np.where(deviation > 0, deviation, 1)

    def points(x: np.ndarray) -> np.ndarray:
        return _flat(np.nan_to_num((x - mean) / deviation))

    neighbours = NearestNeighbors(n_neighbors=1).fit(points(train_x))
    return train_y[neighbours.kneighbors(points(x), return_distance=False)[:, 0]]


def _flat(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, "float64").reshape(len(values), -1)
