"""The linear part of a network for forecasts starts at the linear baseline."""

import numpy as np
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.datasets.series.load_series import load_series
from errorflow.pipelines.datasets.series.series_data import SeriesOptions
from errorflow.pipelines.datasets.series.series_table import SeriesTable
from errorflow.pipelines.datasets.series.series_tables import SeriesReading
from errorflow.pipelines.series.config import SeriesConfig
from errorflow.pipelines.series.linear_start import linear_map
from errorflow.pipelines.series.measurement import baseline_forecasts
from errorflow.pipelines.series.training import build_training
from errorflow.pipelines.training.series_baselines import fit_linear


def test_the_linear_map_is_the_linear_baseline():
    random = np.random.default_rng(0)
    past, target = random.normal(size=[40, 6, 1]), random.normal(size=[40, 3, 1])
    weights, bias = linear_map(past, target)
    new = random.normal(size=[5, 6, 1])
    forecast = fit_linear(past, target)(new)
    np.testing.assert_allclose(new[..., 0] @ weights + bias, forecast[..., 0], atol=1e-9)


def test_the_linear_part_of_a_new_network_is_the_linear_baseline():
    walk = np.random.default_rng(0).normal(size=[120, 1]).cumsum(axis=0)
    reading = SeriesReading(SeriesTable({"": walk}, None, ("a",), season=4))
    data = load_series(reading, SeriesOptions(past=8, future=3))
    spec = build_training(replace(SeriesConfig(), model="rnn", units=4), data)
    values = spec.network.get_layer("values")
    values.set_weights([np.zeros_like(weight) for weight in values.get_weights()])
    forecast = spec.serving_model(data.test.examples.past().astype("float32"))["value"]
    np.testing.assert_allclose(forecast, baseline_forecasts(data.test)["linear"], atol=1e-4)
