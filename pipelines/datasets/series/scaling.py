"""Scaling of series: fitted on the training part alone, undone at the output of the network."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Scaling:
    """The mean and standard deviation of each column, and of each target.

        z = (x - mean) / deviation,   y = target_mean + target_deviation * network(z)

    Relative to the last value, the targets' columns are

        z_t = (x_t - x_P) / deviation,   y = x_P + target_deviation * network(z)

    where x_P is the last value of the window, so that a level never seen in training does not
    matter (NLinear; Zeng et al. 2023, "Are Transformers effective for time series forecasting?").

    Attributes:
        mean, deviation: [D]; the mean is 0 for columns relative to their last value.
        target_mean, target_deviation: [K].
        relative: the number of columns, the first ones, that are relative to their last value.
    """

    mean: np.ndarray
    deviation: np.ndarray
    target_mean: np.ndarray
    target_deviation: np.ndarray
    relative: int = 0

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Return what a network reads, float32 [N, T, D]; missing values become 0."""
        z = (x - self._level(x, len(self.mean))) / self.deviation
        return np.nan_to_num(z, nan=0.0).astype(np.float32)

    def targets(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return what a network predicts, float32, for values y [N, …, K] and their past x."""
        level = self.target_mean
        if self.relative:
            level = x[:, -1:, : len(self.target_mean)]
        return ((y - level) / self.target_deviation).astype(np.float32)

    def _level(self, x: np.ndarray, columns: int) -> np.ndarray:
        """Return what is subtracted from each column, [1 or N, 1, D]."""
        level = np.broadcast_to(self.mean, (len(x), 1, columns)).copy()
        level[..., : self.relative] = x[:, -1:, : self.relative]
        return level


def fit_scaling(
    rows: np.ndarray, targets: np.ndarray | int, *, relative: np.ndarray | None = None
) -> Scaling:
    """Fit a scaling to training data; a constant column is divided by 1.

    Args:
        rows: all training rows, [R, D], without a missing value.
        targets: training values [R, K]; or K, if the targets are the first K columns.
        relative: training windows [N, P, K] of the targets, which are then scaled relative to
            their last value.
    """
    mean, deviation = rows.mean(axis=0), _or_one(rows.std(axis=0))
    count = 0
    if relative is not None:
        count = relative.shape[2]
        spread = np.sqrt(np.mean((relative - relative[:, -1:]) ** 2, axis=(0, 1)))
        mean, deviation = mean.copy(), deviation.copy()
        mean[:count], deviation[:count] = 0, _or_one(spread)
    if isinstance(targets, int):
        return Scaling(mean, deviation, mean[:targets], deviation[:targets], count)
    return Scaling(mean, deviation, targets.mean(axis=0), _or_one(targets.std(axis=0)), count)


def _or_one(deviation: np.ndarray) -> np.ndarray:
    """Return standard deviations, with 1 for those of constant columns."""
    return np.where(deviation > 1e-12, deviation, 1.0)
