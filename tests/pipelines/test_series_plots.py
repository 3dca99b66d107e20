"""Pictures of forecasts: what is drawn, and where."""

import numpy as np
from errorflow.pipelines.training.series_plots import Window, error_by_horizon, forecasts


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_a_forecast_begins_one_step_after_the_past():
    past, truth = np.arange(50.0)[:, None], np.arange(50.0, 53.0)[:, None]
    window = Window(past, truth, truth + 1, truth, truth + 2)
    figure = forecasts([window], ["load_mw"])
    (axes,) = figure.axes
    drawn = lines(axes)
    assert drawn["past"].get_xdata().tolist() == [*range(-12, 1)]  # four times the future
    assert drawn["truth"].get_ydata().tolist() == [49, 50, 51, 52]
    assert drawn["forecast"].get_xdata().tolist() == [1, 2, 3]
    assert axes.get_ylabel() == "load_mw"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        *("past", "truth", "forecast", "80 % interval")
    ]


def test_three_windows_and_four_targets_are_drawn_at_most_with_their_dates():
    times = np.arange("2024-01", "2024-09", dtype="datetime64[M]").astype("datetime64[ns]")
    window = Window(np.ones([7, 5]), np.ones([1, 5]), np.ones([1, 5]), times=times)
    figure = forecasts([window] * 4, [*"abcde"])
    assert len(figure.axes) == 12
    assert lines(figure.axes[0])["forecast"].get_xdata() == times[7:]


def test_a_poor_baseline_does_not_flatten_the_error_of_the_network():
    errors = {"LSTM": np.array([0.5, 1.0]), "linear": np.array([2.0, 9.0]), "drift": [5.0, 9.0]}
    (axes,) = error_by_horizon(errors).axes
    assert axes.get_ylim() == (0, 4)
    assert [*lines(axes)] == ["LSTM", "linear", "drift (above)"]
