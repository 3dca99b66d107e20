"""The verdict says what was measured, and no more: histories whose decay is known."""

import math

import numpy as np
import pytest
from errorflow.callbacks.drawing import figures
from errorflow.callbacks.findings.finding import short, since
from errorflow.callbacks.findings.over_time import decay, judge


def history(curve, rows=100, injected=None, cell=None, valid=None):
    """The same row again and again; `curve` [T] is the whole error, from the first step on.

    injected: how much of it enters at each step (all of it at the last step, if None).
    """
    curve = np.asarray(curve, float)
    carried = np.append(curve[:-1], 0.0) if injected is None else np.sqrt(curve**2 - injected**2)
    single = {"hidden": curve, "carried": carried, "valid": np.full(len(curve), 8.0)}
    if valid is not None:
        single["valid"] = valid
    if cell is not None:
        single["cell"] = np.asarray(cell, float)
    tables = {name: np.tile(row, [rows, 1]).astype("float32") for name, row in single.items()}
    tables |= {f"{name}_from_end": table for name, table in tables.items()}
    return {"step": np.arange(1, rows + 1), "length": np.full(rows, len(curve)), **tables}


def decaying(half_life, steps=40, last=0.3):
    return last * 0.5 ** (np.arange(steps)[::-1] / half_life)


@pytest.mark.parametrize("half_life", [0.5, 3.1, 20.0, -5.0])
def test_half_life_and_what_is_left(half_life):
    found = decay(history(decaying(half_life)))
    np.testing.assert_allclose(found.half_life, half_life, rtol=1e-5)
    np.testing.assert_allclose(found.first_to_last, 0.5 ** (39 / half_life), rtol=1e-4)
    assert not found.enters_everywhere


def test_where_errors_enter_at_every_step_the_decay_of_each_is_found():
    """δ_t² = injected² + (λ δ_{t+1})²: the whole error is level, each single one vanishes."""
    injected, gain, whole = 0.1, 0.5, [0.1]
    for _ in range(39):
        whole.append(math.hypot(injected, gain * whole[-1]))
    tables = history(whole[::-1], injected=injected)
    found = decay(tables)
    np.testing.assert_allclose(found.half_life, 1.0, rtol=1e-4)
    assert found.enters_everywhere
    assert tables["hidden"][0, 0] > tables["hidden"][0, -1]
    sentence = judge("rnn", tables).sentence
    assert "by these single steps, step 1 would receive 2e-12" in sentence


def test_vanishing():
    found = judge("rnn", history(decaying(3.1), rows=1240))
    assert found.kind == "vanishing"
    assert found.sentence == (
        "rnn: the error halves every 3.1 steps going back (median of the last 20% of 1,240 training"
        " steps); step 1 receives 2e-4 of the last step's error: vanishing. The loss may not need"
        " it: that is not measured here"
    )


def test_exploding_and_healthy():
    assert judge("rnn", history(decaying(-3.0))).kind == "exploding"
    assert "doubles every 3 steps" in judge("rnn", history(decaying(-3.0))).sentence
    assert judge("rnn", history(decaying(30.0))).kind == "healthy"
    level = judge("rnn", history(decaying(1e5)))
    assert level.kind == "healthy"
    assert "hardly changes going back" in level.sentence


def test_only_the_last_part_of_training_counts():
    early, late = history(decaying(1.0), rows=80), history(decaying(1000.0), rows=20)
    both = {name: np.concatenate([early[name], late[name]]) for name in early}
    both["step"] = np.arange(1, 101)
    found = judge("rnn", both)
    assert found.kind == "healthy"
    assert found.sentence.endswith(": healthy since training step 81")
    assert found.evidence["since"] == 81


def test_since_when_forgives_few_rows():
    alike = np.arange(100) >= 40
    alike[[70, 80]] = False
    assert since(np.arange(1, 101), alike) == 41
    assert since(np.arange(1, 101), alike & (np.arange(100) < 95)) is None


def test_an_lstm_is_judged_by_its_cell():
    """h receives little of what c keeps: the carousel does not vanish."""
    through_h = np.append(np.full(39, 1e-4), 0.3)
    found = judge("lstm", history(through_h, cell=decaying(1000.0)))
    assert found.kind == "healthy"
    assert found.sentence.startswith("lstm: the cell's error hardly changes")


def test_an_lstm_with_errors_at_every_step_is_not_judged():
    tables = history(np.ones(40), injected=0.5, cell=decaying(3.0))
    found = judge("lstm", tables)
    assert found.kind == "undecided"
    assert "error_matrix" in found.sentence


def test_padding_does_not_look_like_vanishing():
    """Few examples are long: where none is, there is NaN, not zero."""
    curve = np.where(np.arange(40) < 25, np.nan, decaying(1000.0))
    found = judge("rnn", history(curve, valid=np.where(np.arange(40) < 25, 0.0, 4.0)))
    assert found.kind == "healthy"
    assert "the first step of the longest sequences receives" in found.sentence


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    tables = history(decaying(3.0), rows=100)
    tables["hidden"][36:, 5] = bad
    found = judge("rnn", tables)
    assert (found.kind, found.evidence["step"]) == ("not finite", 37)
    assert found.sentence == "rnn: the error is not a finite number since training step 37"


def test_steps_that_overflowed_are_left_out_and_counted():
    """As with a loss scale that is found by trying."""
    tables = history(decaying(3.1), rows=100)
    tables["hidden"][[0, 90], 5] = tables["hidden_from_end"][[0, 90], 5] = np.inf
    found = judge("rnn", tables)
    assert found.kind == "vanishing"
    np.testing.assert_allclose(found.evidence["half_life"], 3.1, rtol=1e-4)
    assert found.sentence.endswith("(Not finite in 2 training steps, first in 1.)")


def test_no_error_and_too_little():
    assert judge("rnn", history(np.zeros(40))).kind == "no error"
    assert judge("rnn", history(decaying(3.0), rows=4)).kind == "too little"
    assert judge("rnn", history(decaying(3.0, steps=3))).kind == "too little"
    lost = judge("rnn", history(np.append(np.zeros(39), 0.3)))
    assert lost.kind == "vanishing"
    assert "does not get back a single step" in lost.sentence


@pytest.mark.parametrize(
    ("number", "text"),
    [(2.2e-6, "2e-6"), (0.0314, "0.031"), (14.2, "14"), (1234.0, "1234"), (3e7, "3e7")],
)
def test_numbers_for_reading(number, text):
    assert short(number) == text


def test_the_note_beside_a_long_title_does_not_run_into_it():
    halving = 0.5 ** np.arange(20)[::-1]
    figure = figures.error_flow(
        {"rnn": history(halving), "a/very/long/name/of_a_layer": history(halving)}
    )
    figure.canvas.draw()
    for axes in figure.axes[:4:2]:
        shown = [t for t in (axes._left_title, axes._right_title) if t.get_text()]
        lines = {text.get_text(): text.get_window_extent() for text in shown}
        (name, left), (note, right) = lines.items()
        assert note.startswith("halves every")
        assert left.x1 < right.x0 or name.endswith("\n")
