"""Pictures of what a network for series predicts: drawn when they are needed."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..datasets.series.series_split import SeriesSplit
from ..datasets.series.time_stamps import stamp_in_words
from ..training import series_plots

WINDOWS = 3  # in a picture of forecasts
Pictures = dict[str, Callable[[], Figure]]


def forecast_pictures(
    split: SeriesSplit, outputs: Mapping[str, np.ndarray], by_horizon: Mapping[str, np.ndarray]
) -> Pictures:
    """Return the pictures of forecasts: some of them, and the error of each future step.

    Args:
        split: windows.
        outputs: value, low and high, [N, F, K].
        by_horizon: errors [F] by the name of the method, the network first.
    """
    chosen = np.linspace(0, len(split) - 1, min(WINDOWS, len(split))).astype(int)
    windows = [_window(split, outputs, int(number)) for number in chosen]
    errors = {name.replace("_", " "): values for name, values in by_horizon.items()}
    return {
        "forecast": lambda: series_plots.forecasts(windows, split.problem.targets),
        "horizon": lambda: series_plots.error_by_horizon(errors),
    }


def _window(
    split: SeriesSplit, outputs: Mapping[str, np.ndarray], number: int
) -> series_plots.Window:
    examples, problem = split.examples, split.problem
    one = np.array([number])
    windows: Any = examples
    series, row = windows.place(number)
    times = problem.times.get(series)
    own = None if times is None else times[row : row + problem.steps + problem.future]
    after = f"row {row + problem.steps}" if own is None else stamp_in_words(own[problem.steps - 1])
    return series_plots.Window(
        past=examples.past(one)[0, :, : len(problem.targets)],
        truth=examples.truth(one)[0],
        forecast=outputs["value"][number],
        low=outputs["low"][number],
        high=outputs["high"][number],
        times=own,
        title=f"{problem.names[series]} after {after}".strip(),
    )


def value_pictures(truth: np.ndarray, value: np.ndarray, targets: Sequence[str]) -> Pictures:
    """Return the picture of predicted against true values, [N, K]."""
    draw = functools.partial(series_plots.truth_and_prediction, truth, value, targets)
    return {"values": draw}
