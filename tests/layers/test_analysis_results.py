"""The results of analyses: each sentence is true of the numbers, and existing uses keep working."""

import copy
import pickle

import numpy as np
import pytest
from errorflow.layers.analysis.correlation_result import GradientCorrelation
from errorflow.layers.analysis.horizon import Horizon
from errorflow.layers.analysis.lyapunov import LyapunovSpectrum
from errorflow.layers.analysis.matrix_result import ErrorMatrix
from errorflow.layers.analysis.per_step_gradients import PerStepGradients

NAN, INF = np.nan, np.inf


def horizon(hidden, cell=None):
    return Horizon(np.float32(hidden), None if cell is None else np.float32(cell), None, "rnn")


def spectrum(*exponents, spread=0.0, size=0):
    spreads = np.full(len(exponents), spread, np.float32)
    return LyapunovSpectrum(np.float32(exponents), spreads, "rnn", size)


def matrix(*rows):
    return ErrorMatrix(np.float32(rows), "rnn")


def terms(*kernel):
    return PerStepGradients(rnn={"kernel": np.float32(kernel)[:, None]})


def correlation(*neighbours, lags=(1, 0.25)):
    """Of layers "input", "b", …, with these correlations at lag 1; autocorrelations at all lags."""
    rows = [[1, value, 0] for value in neighbours]
    autocorrelation = np.float32([[1, *lags]] * len(rows))
    names, distance = ["input", *"bcd"][: len(rows)], np.float32([0, 0.5, 0.75])
    return GradientCorrelation(names, np.float32(rows), autocorrelation, distance, "net")


SENTENCES = {
    "rnn: going back in time, ‖dh_T/dh_t‖ falls from 1 at the last step to 0.25, 2 steps before "
    "the last, by a factor of 0.5 per step on average": horizon([0.25, 0.5, 1]),
    "rnn: going back in time, ‖dh_T/dh_t‖ grows from 1 at the last step to 9, 2 steps before the "
    "last, by a factor of 3 per step on average; ‖dh_T/dc_t‖ is 4 there": horizon(
        [9, 3, 1], [4, 2, 1]
    ),
    "rnn: going back in time, ‖dh_T/dh_t‖ falls from 1 at the last step to 0, 2 steps before the "
    "last": horizon([0, 0.1, 1]),
    "rnn: going back in time, ‖dh_T/dh_t‖ grows from 1 at the last step to 100, 1 step before the "
    "last, by a factor of 100 per step on average; it is infinite at 1 step": horizon(
        [INF, 100, 1]
    ),
    "rnn: going back in time, ‖dh_T/dh_t‖ returns from 1 at the last step to 1, 2 steps before "
    "the last, by a factor of 1 per step on average": horizon([1, 0.5, 1]),
    "rnn: ‖dh_T/dh_t‖ is 1 at the last step, the only one": horizon([1]),
    "rnn: ‖dh_T/dh_t‖ is 1 at the last step, and not a finite number at any other": horizon(
        [NAN, NAN, 1]
    ),
    "rnn: ‖dh_T/dh_t‖ is not a finite number at any step": horizon([NAN, NAN]),
    "rnn: the largest Lyapunov exponent is -0.69 per time step (standard deviation over the "
    "examples 0.01): going back in time, an error shrinks by a factor of 0.5 per step on average "
    "and halves every step": spectrum(-np.log(2), -1, spread=0.01),
    "rnn: the largest Lyapunov exponent is 0.1 per time step: going back in time, an error grows "
    "by a factor of 1.11 per step on average and doubles every 6.9 steps; nearby states move "
    "apart, which is chaos if the states stay bounded (Kaplan–Yorke dimension 1.5 of 4, entropy "
    "rate at most 0.1 nats per step)": spectrum(0.1, -0.2, size=4),
    "rnn: the largest Lyapunov exponent is 0.69 per time step: going back in time, an error grows "
    "by a factor of 2 per step on average and doubles every step; nearby states move apart, "
    "which is chaos if the states stay bounded": spectrum(np.log(2), size=3),
    "rnn: the largest Lyapunov exponent is 0 per time step: going back in time, an error keeps its "
    "size on average": spectrum(0.0, -1.0),
    "rnn: the largest Lyapunov exponent is -∞: in some example, no error comes back from the last "
    "step to the first": spectrum(-INF, spread=NAN),
    "rnn: the largest Lyapunov exponent is not finite": spectrum(NAN, spread=NAN),
    "rnn: the error of loss step 2 is largest at time step 2 (4); at time step 1 it is 0.25 times "
    "that": matrix([1, 0], [1, 4]),
    "rnn: the error of the loss is largest at time step 1 (2)": matrix([2, 1]),
    "rnn: the error of loss step 1 is largest at time step 2 (3); at time step 1 it is 0 times "
    "that": matrix([0, 3], [NAN, NAN]),
    "rnn: the error of the loss is largest at time step 2 (3); it is infinite at 1 step": (
        matrix([INF, 3])
    ),
    "rnn: no error of the loss arrives: ‖dE/dh_k‖ is 0 at every time step k": matrix([0, 0]),
    "rnn: ‖dE_i/dh_k‖ is not a finite number for any loss step i and time step k": matrix(
        [NAN, NAN]
    ),
    "rnn: time step 2 contributes most to dE/dW (norm 5); time step 1 contributes 0.2 times as "
    "much": terms([1, 0], [3, 4]),
    "rnn: no time step contributes to dE/dW: every contribution is 0": terms([0], [0]),
    "rnn: no contribution to dE/dW is a finite number": terms([NAN]),
    "net: going back from c to the input, the correlation of the gradients at neighbouring inputs "
    "falls from 1 to 0.25, by a factor of 0.5 per layer on average; at the input the "
    "autocorrelation is below 0.5 from lag 2, a distance of 0.75": correlation(0.25, 0.5, 1),
    "net: going back from b to the input, the correlation of the gradients at neighbouring inputs "
    "grows from -0.5 to 0; at the input the autocorrelation stays above 0.5 up to lag 2": (
        correlation(0, -0.5, lags=(1, 1))
    ),
    "net: going back from c to b, the correlation of the gradients at neighbouring inputs stays "
    "at 1; at b the gradient is the same for all x": correlation(NAN, 1, 1, lags=(NAN, NAN)),
    "net: the gradients at neighbouring inputs have a correlation of 0.25 at the input; at the "
    "input the autocorrelation is below 0.5 from lag 1, a distance of 0.5": (
        correlation(0.25, lags=(0, 0))
    ),
    "net: the gradient is zero or not a finite number at every layer": correlation(NAN, NAN),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sentence_is_true_of_the_numbers_and_the_picture_can_be_drawn(sentence):
    result = SENTENCES[sentence]
    assert result.sentence == sentence
    html = result._repr_html_()
    assert sentence in html and html.count("<img") == 1
    assert result.plot()._repr_png_().startswith(b"\x89PNG")


def test_an_error_matrix_works_wherever_an_array_does():
    array = np.float32([[1, 0], [2, 4]])
    result = ErrorMatrix(array, "<rnn>")
    for same in (result, copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        np.testing.assert_array_equal(same, array)
    assert (result == array).all() and (result > 0).sum() == 3 and len(result) == 2
    assert type(result * 2) is type(result[0]) is type(np.asarray(result)) is np.ndarray
    assert (result.shape, result.dtype, result.max()) == ((2, 2), np.float32, 4)
    np.testing.assert_array_equal([*result][1], array[1])
    assert "&lt;rnn&gt;" in result._repr_html_() and "<rnn>" not in result._repr_html_()


def test_a_horizon_is_a_tuple_with_the_name_of_the_layer():
    result = pickle.loads(pickle.dumps(horizon([0.5, 1], [0.25, 1])))
    hidden, cell, bound = result
    assert (hidden[0], cell[0], bound, result.layer) == (0.5, 0.25, None, "rnn")


def test_a_spectrum_is_a_tuple_with_the_name_of_the_layer():
    result = pickle.loads(pickle.dumps(spectrum(-1, -2, size=3)))
    exponents, spread = result
    assert (exponents[1], spread[0], result.layer, result.size) == (-2, 0, "rnn", 3)


def test_gradient_correlations_are_a_tuple_with_the_name_of_the_model():
    result = pickle.loads(pickle.dumps(correlation(0.25, 0.5)))
    layers, neighbours, _, distance = result
    assert (layers, neighbours[0, 1], distance[1]) == (("input", "b"), 0.25, 0.5)
    assert result.layer == "net"


def test_tables_have_one_row_for_each_number():
    frame = horizon([0.25, 0.5, 1]).to_frame()
    assert frame.to_dict("list") == {"before_last": [2, 1, 0], "hidden": [0.25, 0.5, 1]}
    frame = spectrum(0.5, -0.25, spread=0.125).to_frame()
    assert frame.to_dict("list") == {
        "number": [1, 2],
        "exponent": [0.5, -0.25],
        "spread": [0.125, 0.125],
    }
    frame = matrix([1, 0], [2, 4]).to_frame()
    assert frame.to_dict("list") == {
        "loss_step": [1, 1, 2, 2],
        "time_step": [1, 2, 1, 2],
        "error": [1, 0, 2, 4],
    }
    frame = terms([3, 4], [0, 0]).to_frame()
    assert [*frame.columns] == ["layer", "weight", "time_step", "norm"]
    assert frame.norm.tolist() == [5, 0]
    frame = correlation(0.25, 0.5).to_frame()
    assert frame.layer.tolist() == ["input"] * 3 + ["b"] * 3
    assert frame.drop(columns="layer").to_dict("list") == {
        "lag": [0, 1, 2, 0, 1, 2],
        "distance": [0, 0.5, 0.75, 0, 0.5, 0.75],
        "correlation": [1, 0.25, 0, 1, 0.5, 0],
        "autocorrelation": [1, 1, 0.25, 1, 1, 0.25],
    }
