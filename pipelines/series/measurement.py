"""What a network for series predicts, measured beside simple forecasts and classifiers."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from ..datasets.series.series_split import Answered, SeriesSplit, Windows
from ..datasets.series.time_stamps import stamp_in_words
from ..models.serving import traced
from ..training import series_baselines as baselines
from ..training import series_metrics as metrics
from ..training.evaluation import Scores, score_labels
from .pictures import forecast_pictures, value_pictures

BATCH = 512  # examples per batch of an evaluation
OF_LINEAR = 20_000  # training examples that the linear baseline is fitted to


def predicted(serving_model: keras.Model, examples: Windows | Answered) -> dict[str, np.ndarray]:
    """Return the outputs of a serving model for all examples, by name."""
    predict = traced(serving_model)
    parts = [
        predict(examples.past(slice(start, start + BATCH)).astype(np.float32))
        for start in range(0, len(examples), BATCH)
    ]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def evaluate(serving_model: keras.Model, split: SeriesSplit, labels: list[str]) -> Scores:
    """Return the figures of a split beside those of simple methods.

    Of forecasts: mase, smape (%), rmse and coverage, the share of true values in the interval, and
    the MASE of naive forecasts, drift and a linear one. Of classes: accuracy, macro_f1, and the
    accuracy of the most frequent class and of the nearest neighbour. Of values: rmse, mae,
    coverage, and the rmse of the mean and of a linear map.
    """
    outputs = predicted(serving_model, split.examples)
    if labels:
        return _score_classes(split, outputs, labels)
    if isinstance(split.examples, Windows):
        return _score_forecasts(split, outputs)
    return _score_values(split, outputs)


# Forecasts


def _score_forecasts(split: SeriesSplit, outputs: dict[str, np.ndarray]) -> Scores:
    truth, value, scale = split.examples.truth(), outputs["value"], mase_scale(split)
    simple = baseline_forecasts(split)
    errors = {"network": value, **simple}
    by_horizon = {
        name: metrics.mase_by_horizon(truth, forecast, scale) for name, forecast in errors.items()
    }
    scores = Scores({}, pictures=forecast_pictures(split, outputs, by_horizon))
    return scores.with_figures(
        mase=metrics.mase(truth, value, scale),
        smape=metrics.smape(truth, value),
        rmse=metrics.rmse(truth, value),
        coverage=metrics.coverage(truth, outputs["low"], outputs["high"]),
        **{f"mase_{name}": metrics.mase(truth, y, scale) for name, y in simple.items()},
    )


def mase_scale(split: SeriesSplit) -> np.ndarray:
    """Return the scale of MASE of each window, [N, K]: that of the training part of its series."""
    season = split.problem.season or 1
    scales = [metrics.mase_scale(part, season) for part in split.problem.history]
    examples: Any = split.examples
    return np.stack(scales)[examples.series]


def baseline_forecasts(split: SeriesSplit) -> dict[str, np.ndarray]:
    """Return simple forecasts [N, F, K] of the windows of a split, by the name of their method.

    The seasonal naive one reads as much of the past as a season has, also if P is less; it is left
    out if the data have no season.
    """
    examples: Any = split.examples
    past, future = examples.past()[..., : examples.targets], split.problem.future
    found = {"naive": baselines.naive(past, future)}
    if season := split.problem.season:
        found["seasonal_naive"] = baselines.seasonal_naive(examples.history(season), future, season)
    found["drift"] = baselines.drift(past, future)
    return found | {"linear": _fitted_linear(split)(examples.past())}


def _fitted_linear(split: SeriesSplit) -> Callable[[np.ndarray], np.ndarray]:
    """Fit the linear baseline to the training examples, or evenly spread ones of them."""
    train = split.problem.train
    some = np.linspace(0, len(train) - 1, min(OF_LINEAR, len(train))).astype(int)
    target = train.target(some)
    if isinstance(train, Answered):  # which does not continue what is read
        target = target.reshape(len(target), -1)
    return baselines.fit_linear(train.past(some), target)


# Answers


def _score_classes(split: SeriesSplit, outputs: dict[str, np.ndarray], labels: list[str]) -> Scores:
    examples: Any = split.examples
    train: Any = split.problem.train
    best = outputs["probabilities"].argmax(axis=-1)
    true = examples.target()[examples.answered]
    frequent = baselines.most_frequent_class(train.target()[train.answered], len(true))
    nearest = baselines.nearest_neighbour(train.past(), train.target(), examples.past())
    return score_labels(true, best[examples.answered], labels).with_figures(
        accuracy_most_frequent=np.mean(true == frequent),
        accuracy_nearest_neighbour=np.mean(true == nearest[examples.answered]),
    )


def _score_values(split: SeriesSplit, outputs: dict[str, np.ndarray]) -> Scores:
    examples, train = split.examples, split.problem.train
    truth, value = _rows(examples.truth()), _rows(outputs["value"])
    low, high = _rows(outputs["low"]), _rows(outputs["high"])
    of_train = _rows(train.target())
    mean = baselines.mean_value(of_train[~np.isnan(of_train).any(axis=1)], len(truth))
    scores = Scores({}, pictures=value_pictures(truth, value, split.problem.targets))
    figures = {
        "rmse": metrics.rmse(truth, value),
        "mae": metrics.mae(truth, value),
        "coverage": metrics.coverage(truth, low, high),
        "rmse_mean": metrics.rmse(truth, mean),
    }
    if not split.problem.padded:
        linear = _fitted_linear(split)(examples.past())
        figures["rmse_linear"] = metrics.rmse(truth, linear.reshape(truth.shape))
    return scores.with_figures(**figures)


def _rows(values: np.ndarray) -> np.ndarray:
    """Return values [N, K] or [N, T, K] as rows, [N or N·T, K]."""
    return values.reshape(-1, values.shape[-1])


# Samples


def sample_predictions(
    serving_model: keras.Model, split: SeriesSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return evenly spread examples with their true and predicted answers."""
    chosen = np.linspace(0, len(split) - 1, min(count, len(split))).astype(int)
    examples = split.examples.only(chosen)
    outputs = predicted(serving_model, examples)
    truth = examples.truth()
    if labels:
        best = outputs["probabilities"].argmax(axis=-1)
        return [
            {
                "series": int(number),
                "target": _words(y[known], labels),
                "prediction": _words(b[known], labels),
            }
            for number, y, b, known in zip(chosen, truth, best, _answered(examples), strict=True)
        ]
    rows = zip(places_of(split, chosen), truth, outputs["value"], _answered(examples), strict=True)
    return [
        {"after": place, "target": _numbers(y[known]), "prediction": _numbers(value[known])}
        for place, y, value, known in rows
    ]


def _answered(examples: Windows | Answered) -> np.ndarray:
    """Return which answers of each example are asked for: not those after the end of a series."""
    if isinstance(examples, Windows):
        return np.ones([len(examples), examples.steps[1]], bool)
    return examples.answered


def places_of(split: SeriesSplit, chosen: np.ndarray) -> list[str]:
    """Return the last step that is read by each of some examples: its series and its time."""
    examples, problem = split.examples, split.problem
    if not isinstance(examples, Windows):
        return [f"series {number}" for number in chosen]
    places = []
    for number in chosen:
        series, row = examples.place(number)
        row += problem.steps - 1
        times = problem.times.get(series)
        stamp = f"row {row + 1}" if times is None else stamp_in_words(times[row])
        places.append(f"{problem.names[series]} {stamp}".strip())
    return places


def _words(classes: Any, labels: list[str]) -> str:
    return " ".join(labels[int(number)] for number in np.ravel(classes))


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.4g}" for value in np.ravel(values))
