"""Metrics and baselines of series against numbers computed by hand."""

import numpy as np
import pytest
from errorflow.pipelines.training import series_baselines as baselines
from errorflow.pipelines.training import series_metrics as metrics


def column(*values: float) -> np.ndarray:
    """One window of one target: [1, F, 1]."""
    return np.array(values, "float64").reshape(1, -1, 1)


def test_mase_divides_by_the_error_of_the_naive_forecast_on_the_training_part():
    # |Δ| = 2, 1, 3, 2: the scale is 2. Errors 1 and 3: MASE (0.5 + 1.5) / 2.
    scale = metrics.mase_scale(np.array([[1.0], [3.0], [2.0], [5.0], [7.0]]))
    assert scale == pytest.approx([2.0])
    assert metrics.mase(column(8, 10), column(7, 7), scale) == pytest.approx(1.0)
    assert metrics.mase_by_horizon(column(8, 10), column(7, 7), scale) == pytest.approx([0.5, 1.5])


def test_the_scale_of_a_season_leaves_out_missing_values():
    series = np.array([1.0, 10.0, 2.0, np.nan, 5.0, 16.0])[:, None]
    # Pairs two steps apart: 1→2 and 2→5; those with the missing value are left out.
    assert metrics.mase_scale(series, season=2) == pytest.approx([2.0])
    assert np.isnan(metrics.mase_scale(series, season=6)).all()


def test_each_window_is_scaled_by_its_own_series():
    truth, forecast = np.zeros([2, 1, 1]), np.ones([2, 1, 1])
    assert metrics.mase(truth, forecast, np.array([[1.0], [4.0]])) == pytest.approx(0.625)


def test_a_constant_training_part_has_no_mase():
    truth, forecast = np.zeros([2, 1, 1]), np.ones([2, 1, 1])
    assert metrics.mase(truth, forecast, np.array([[0.0], [4.0]])) == pytest.approx(0.25)
    assert np.isnan(metrics.mase(truth, forecast, np.zeros(1)))


def test_naive_forecasts_one_step_ahead_have_a_mase_of_one_on_the_training_part():
    series = np.random.default_rng(0).normal(size=[50, 3]).cumsum(axis=0)
    past, truth = series[:-1, None], series[1:, None]
    forecast = baselines.naive(past, 1)
    assert metrics.mase(truth, forecast, metrics.mase_scale(series)) == pytest.approx(1.0)


def test_percentage_error_is_symmetric_and_zero_where_both_are_zero():
    truth, forecast = column(100, 0, 0, 2), column(50, 0, 3, -2)
    # 200 · 50/150, 0 by definition, 200 · 3/3, 200 · 4/4
    assert metrics.smape(truth, forecast) == pytest.approx((200 / 3 + 0 + 200 + 200) / 4)
    assert metrics.smape(forecast, truth) == metrics.smape(truth, forecast)


def test_errors_in_units_leave_out_what_is_missing_in_the_truth():
    truth, forecast = column(1, np.nan, 5), column(4, 9, 1)
    assert metrics.rmse(truth, forecast) == pytest.approx(np.sqrt(12.5))
    assert metrics.mae(truth, forecast) == pytest.approx(3.5)
    steps = metrics.mase_by_horizon(truth, forecast, np.ones(1))
    np.testing.assert_allclose(steps, [3, np.nan, 4])


def test_quantile_loss_weighs_both_sides():
    truth = column(10, 10)
    forecast = np.stack([column(8, 12), column(8, 12)], axis=-1)
    # q = 0.9: 0.9 · 2 below, 0.1 · 2 above; q = 0.5: 1 and 1.
    assert metrics.quantile_loss(truth, forecast, [0.9, 0.5]) == pytest.approx((1.8 + 0.2 + 2) / 4)


def test_the_empirical_quantile_has_the_least_loss():
    truth = np.arange(101.0).reshape(-1, 1, 1)
    losses = [
        metrics.quantile_loss(truth, np.full([101, 1, 1, 1], value), [0.8]) for value in range(101)
    ]
    assert np.argmin(losses) == 80


def test_coverage_is_the_share_within_the_interval():
    truth = column(0, 1, 2, 3, np.nan)
    assert metrics.coverage(truth, column(0, 0, 0, 0, 0), column(2, 2, 2, 2, 2)) == 0.75


def test_forecasts_of_the_naive_methods():
    past = column(3, 1, 4, 1, 5)
    assert baselines.naive(past, 3).ravel().tolist() == [5, 5, 5]
    assert baselines.seasonal_naive(past, 5, season=3).ravel().tolist() == [4, 1, 5, 4, 1]
    assert baselines.drift(past, 2).ravel().tolist() == [5.5, 6.0]  # slope (5 − 3) / 4
    assert baselines.drift(past[:, -1:], 2).ravel().tolist() == [5, 5]


def test_a_past_shorter_than_a_season_is_an_error():
    with pytest.raises(ValueError, match="a past of 2 steps is shorter than a season of 3"):
        baselines.seasonal_naive(column(1, 2), 4, season=3)


def test_linear_recovers_a_linear_recurrence_at_a_level_never_seen():
    # y_t = 1.8 y_{t−1} − 0.8 y_{t−2}: every future step is linear in the last two differences.
    rng, y = np.random.default_rng(0), np.zeros([40, 9])
    y[:, :2] = rng.normal(size=[40, 2])
    for t in range(2, 9):
        y[:, t] = 1.8 * y[:, t - 1] - 0.8 * y[:, t - 2]
    y[30:] += 1000
    past, target = y[:, :6, None], y[:, 6:, None]
    forecast = baselines.fit_linear(past[:30], target[:30])(past[30:])
    assert forecast.shape == (10, 3, 1)
    np.testing.assert_allclose(forecast, target[30:], atol=1e-3)


def test_linear_also_maps_the_past_to_values():
    x = np.random.default_rng(0).normal(size=[50, 5, 2])
    y = np.stack([x[:, 0, 1] + 3, -x[:, 4, 0]], axis=1)
    np.testing.assert_allclose(baselines.fit_linear(x, y)(x[:7]), y[:7], atol=1e-3)


def test_baselines_of_labels_and_values():
    assert baselines.most_frequent_class(np.array([2, 0, 2, 1, 1]), 3).tolist() == [1, 1, 1]
    assert baselines.mean_value(np.array([[1.0], [4.0]]), 2).tolist() == [[2.5], [2.5]]


def test_the_nearest_neighbour_does_not_depend_on_units():
    train_x = np.array([[[0.0, 0.0]], [[1.0, 1000.0]]])  # [2, 1, 2]
    x = np.array([[[0.9, 400.0]], [[0.0, 600.0]]])
    assert baselines.nearest_neighbour(train_x, np.array([7, 9]), x).tolist() == [9, 7]
    assert baselines.nearest_neighbour(train_x, np.array([[0.5], [1.5]]), x).shape == (2, 1)


def test_steps_after_the_end_count_as_the_mean_of_their_column():
    train_x = np.array([[[0.0], [1.0]], [[4.0], [np.nan]]])  # mean 5/3
    x = np.array([[[0.0], [np.nan]], [[4.0], [1.5]]])
    assert baselines.nearest_neighbour(train_x, np.array([0, 1]), x).tolist() == [0, 1]
