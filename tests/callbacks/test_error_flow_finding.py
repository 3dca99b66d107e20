"""The finding on the error over time, from histories whose decay is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from error_histories import decaying, history, recorded
from errorflow.callbacks.drawing import figures
from errorflow.callbacks.findings.decay import decay
from errorflow.callbacks.findings.error_flow import error_flow_finding
from errorflow.callbacks.findings.finding import first_agreeing_step, short
from errorflow.callbacks.findings.probe import Probe


@pytest.mark.parametrize("half_life", [0.5, 3.1, 20.0, -5.0])
def test_half_life_and_share_that_reaches_the_first_step(half_life):
    result = decay(history(decaying(half_life)))
    np.testing.assert_allclose(result.half_life, half_life, rtol=1e-5)
    np.testing.assert_allclose(result.first_to_last, 0.5 ** (39 / half_life), rtol=1e-4)
    assert not result.enters_everywhere


def test_decay_if_errors_enter_at_every_step():
    """δ_t² = injected² + (λ δ_{t+1})²: the whole error is level, each single one vanishes."""
    injected, gain, whole = 0.1, 0.5, [0.1]
    for _ in range(39):
        whole.append(math.hypot(injected, gain * whole[-1]))
    tables = history(whole[::-1], injected=injected)
    result = decay(tables)
    np.testing.assert_allclose(result.half_life, 1.0, rtol=1e-4)
    assert result.enters_everywhere
    assert tables["hidden"][0, 0] > tables["hidden"][0, -1]
    np.testing.assert_allclose(result.carried_over, 0.5**39, rtol=1e-3)
    finding = error_flow_finding("rnn", tables, backwards=False)
    assert finding.kind == "arrives"
    assert "errors enter at 40 time steps, and step 1 receives 1.2 of the last step's error" in (
        finding.sentence
    )
    assert finding.sentence.endswith("not measured; ErrorFlow(probe=(x, y)) measures it.")


def test_vanishing():
    finding = error_flow_finding("rnn", history(decaying(3.1), rows=1240), backwards=False)
    assert finding.kind == "vanishing"
    assert finding.sentence == (
        "rnn: vanishing; the error halves every 3.1 steps going back in time, and step 1 receives "
        "2e-4 of the last step's error (median of the last 20% of 1,240 recorded training steps). "
        "The weights of this layer learn hardly anything from the first time steps; whether the "
        "task needs them was not measured."
    )


def test_exploding_and_healthy():
    assert error_flow_finding("rnn", history(decaying(-3.0))).kind == "exploding"
    assert "doubles every 3 steps" in error_flow_finding("rnn", history(decaying(-3.0))).sentence
    assert error_flow_finding("rnn", history(decaying(30.0))).kind == "healthy"
    level = error_flow_finding("rnn", history(decaying(1e5)))
    assert level.kind == "healthy"
    assert "hardly changes going back in time" in level.sentence


def test_a_decay_that_no_half_life_describes_is_uneven():
    """A tenth is left after three steps back, and all of it arrives at step 1."""
    curve = np.append(np.full(36, 0.03), [0.06, 0.1, 0.2, 0.3])
    sentence = error_flow_finding("rnn", history(curve), backwards=False).sentence
    assert "the error changes unevenly going back in time, and step 1 receives 0.1 of" in sentence


def first_and_then(first, rows, then=1000.0):
    """A hundred training steps: the half-life is `first` in some rows, and `then` in the rest."""
    early, late = history(decaying(first), rows=rows), history(decaying(then), rows=100 - rows)
    both = {name: np.concatenate([early[name], late[name]]) for name in early}
    return both | {"step": np.arange(1, 101)}


def test_a_few_training_steps_at_the_beginning_do_not_count():
    finding = error_flow_finding("rnn", first_and_then(1.0, rows=14))
    assert finding.kind == "healthy"
    assert finding.sentence.startswith("rnn: healthy since training step 15; ")
    assert finding.evidence["since"] == 15


@pytest.mark.parametrize(
    ("half_life", "kind", "was"),
    [
        (3.1, "vanished earlier", "less than 0.001 of the last step's error (median: 2e-4)"),
        (-3.0, "exploded earlier", "more than 1000 of the last step's error (median: 8192)"),
    ],
)
def test_an_error_that_was_unhealthy_in_many_training_steps(half_life, kind, was):
    finding = error_flow_finding("rnn", first_and_then(half_life, rows=31), backwards=False)
    assert (finding.kind, finding.severity) == (kind, "trouble")
    assert finding.text == (
        f"{kind.split()[0]} in 31% of the training steps, the last of them step 31: step 1 "
        f"received {was}; now step 1 receives 0.97 of the last step's error (median of the last "
        "20% of 100 recorded training steps)"
    )
    assert finding.headline == (
        f"{kind.split()[0]} in 31% of the training steps, now step 1 gets 0.97"
    )
    assert finding.evidence["until"] == 31
    assert finding.evidence["first_to_last_then"] == pytest.approx(0.5 ** (39 / half_life))
    assert finding.remedies


def test_what_the_last_training_steps_show_comes_first():
    finding = error_flow_finding("rnn", first_and_then(-3.0, rows=31, then=3.1))
    assert (finding.kind, finding.evidence["since"]) == ("vanishing", 32)


def test_since_when_tolerates_a_few_rows():
    alike = np.arange(100) >= 40
    alike[[70, 80]] = False
    assert first_agreeing_step(np.arange(1, 101), alike) == 41
    assert first_agreeing_step(np.arange(1, 101), alike & (np.arange(100) < 95)) is None


def test_an_lstm_is_judged_by_its_cell_error():
    """Little error reaches h while c keeps it: the constant error carousel does not vanish."""
    through_h = np.append(np.full(39, 1e-4), 0.3)
    finding = error_flow_finding("lstm", history(through_h, cell=decaying(1000.0)))
    assert finding.kind == "healthy"
    assert finding.sentence.startswith("lstm: healthy; the cell error hardly changes")


def test_an_lstm_with_errors_at_every_step_says_what_arrives():
    """Without a probe nothing is claimed of how far each single error reaches."""
    tables = history(np.ones(40), injected=0.5, cell=decaying(3.0))
    finding = error_flow_finding("lstm", tables, backwards=False)
    assert (finding.kind, finding.evidence["first_to_last"]) == ("arrives", 1)
    assert "step 1 receives 1 of the last step's error, which is the largest" in finding.sentence


def test_padding_does_not_look_like_vanishing():
    """Steps that no example has are NaN, not zero."""
    curve = np.where(np.arange(40) < 25, np.nan, decaying(1000.0))
    valid = np.where(np.arange(40) < 25, 0.0, 4.0)
    finding = error_flow_finding("rnn", history(curve, valid=valid), backwards=False)
    assert finding.kind == "healthy"
    assert "the first step read (position 26 of the input) receives 0.99" in finding.sentence
    tables = history(curve, valid=np.where(np.arange(40) < 30, valid / 2, valid))
    assert "the first step of the longest sequences receives" in (
        error_flow_finding("rnn", tables).sentence  # it is unknown in which direction it reads
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    tables = history(decaying(3.0), rows=100)
    tables["hidden"][36:, 5] = bad
    finding = error_flow_finding("rnn", tables)
    assert (finding.kind, finding.evidence["step"]) == ("not finite", 37)
    assert (
        finding.first_sentence
        == "rnn: the error has not been a finite number since training step 37"
    )


def test_steps_that_overflowed_are_left_out_and_counted():
    """A dynamic loss scale is adjusted by overflows."""
    tables = history(decaying(3.1), rows=100)
    tables["hidden"][[0, 90], 5] = tables["hidden_from_end"][[0, 90], 5] = np.inf
    finding = error_flow_finding("rnn", tables)
    assert finding.kind == "vanishing"
    np.testing.assert_allclose(finding.evidence["half_life"], 3.1, rtol=1e-4)
    assert finding.text.endswith(
        "; left out: 2 training steps in which the error was not finite, the first of them step 1"
    )


def test_no_error_and_too_little():
    assert error_flow_finding("rnn", history(np.zeros(40))).kind == "no error"
    few = error_flow_finding("rnn", history(decaying(3.0), rows=4))
    assert few.kind == "too little"
    assert few.text.startswith("too few recorded training steps (4) to judge")
    single = error_flow_finding("rnn", history(decaying(3.0, steps=1)))
    assert single.kind == "too little"
    assert single.text == "sequences have a single time step, so no error travels through time"
    assert single.meaning.startswith("There is no time over which an error could vanish")
    lost = error_flow_finding("rnn", history(np.append(np.zeros(39), 0.3)))
    assert lost.kind == "vanishing"
    assert "does not travel back a single step" in lost.sentence


time = np.arange(40)


def test_errors_are_compared_for_the_same_examples():
    """Two lengths; the errors of the long sequences are far larger or smaller, and all constant."""
    mask = time < np.array([[5]] * 7 + [[40]])
    for of_long in (1e-4, 1.0, 1e4):
        total = mask * np.where(np.arange(8) == 7, of_long, 1.0)[:, None]
        last = total * (time == mask.sum(axis=1)[:, None] - 1)
        finding = error_flow_finding("rnn", recorded(total, last, mask), backwards=False)
        assert finding.kind == "healthy"
        np.testing.assert_allclose(finding.evidence["first_to_last"], 1, rtol=1e-5)


def test_the_first_step_is_the_first_one_that_is_read():
    growing = 0.5 ** (time / 3.1)[None]  # a layer that reads backwards: step 1 is read last
    tables = recorded(growing, growing * (time == 0), backwards=True)
    finding = error_flow_finding("rnn", tables, backwards=True)
    assert finding.kind == "vanishing"
    assert (
        "and the first step read (position 40 of the input) receives 2e-4 of the error at the "
        "last step read (position 1 of the input) ("
    ) in finding.sentence
    padded = np.broadcast_to(time >= 5, [4, 40])  # at the left
    tables = recorded(np.ones([4, 40]) * padded, 1.0 * (time == 39), padded)
    sentence = error_flow_finding("rnn", tables, backwards=False).sentence
    assert "the first step read (position 6 of the input) receives 1 of the last step's" in sentence


def test_where_the_error_enters_is_measured():
    curve = np.where(time <= 20, 0.5 ** ((20 - time) / 3.0), 0.0)
    finding = error_flow_finding("rnn", recorded([curve], curve * (time == 20)), backwards=False)
    assert finding.sentence.startswith(
        "rnn: healthy; errors enter at step 21 alone; from there, the error halves every 3 steps "
        "going back in time, and step 1 receives 0.0098 of the error at step 21 ("
    )
    mask = time < np.array([[10], [40], [25]])  # step 6 of sequences that differ in length
    curve = np.where(time <= 5, 0.5 ** (5.0 - time), 0.0) * np.ones([3, 1])
    tables = recorded(curve, curve * (time == 5), mask)
    finding = error_flow_finding("rnn", tables, backwards=False)
    assert "errors enter at step 6 alone" in finding.sentence
    np.testing.assert_allclose(finding.evidence["first_to_last"], 2.0**-5, rtol=1e-5)
    tables = recorded(curve, curve * (time == 5), mask)
    near = recorded([1.0 * (time < 1)], 1.0 * (time == 0))
    assert error_flow_finding("rnn", near, False).text == (
        "no error enters after step 1, which is read first, so none travels through time"
    )


def test_padding_does_not_count_as_steps():
    mask = np.broadcast_to(time < 1, [2, 40])
    tables = recorded(1.0 * mask, 1.0 * (time == 0), mask)
    assert error_flow_finding("rnn", tables).text.startswith("sequences have a single time step")


@pytest.mark.parametrize("steps", [2, 3])
@pytest.mark.parametrize("share, kind", [(0.5, "healthy"), (1e-4, "vanishing"), (1e4, "exploding")])
def test_short_sequences_are_judged_by_the_share_that_arrives(steps, share, kind):
    finding = error_flow_finding("rnn", history(share ** (np.arange(steps)[::-1] / (steps - 1))))
    assert finding.kind == kind
    np.testing.assert_allclose(finding.evidence["first_to_last"], share, rtol=1e-5)


def test_a_half_life_is_fitted_to_all_steps():
    """A jump at the first step hardly changes it."""
    curve = decaying(10.0)
    curve[0] = curve[1] / 1e3
    (expected, _) = np.polyfit(time, np.log2(curve), 1)
    result = decay(history(curve))
    np.testing.assert_allclose(result.half_life, 1 / expected, rtol=1e-4)


def test_steps_that_the_loss_scale_skipped_are_not_judged():
    tables = history(decaying(30.0), rows=40)
    tables["hidden"][-30:] = tables["hidden_from_end"][-30:] = np.inf
    tables["skipped"] = np.arange(40) >= 10
    finding = error_flow_finding("rnn", tables)
    assert (finding.kind, finding.evidence["skipped"]) == ("healthy", 30)
    tables["skipped"][:] = True
    assert error_flow_finding("rnn", tables).kind == "too little"


def test_a_probe_decides_where_errors_enter_at_every_step():
    everywhere = recorded(np.ones([1, 40]), 0.5)
    last = 0.5 ** (39.0 - time)
    of_one = recorded([last], last * (time == 39), rows=1) | {"step": np.array([120])}
    probe = Probe(of_one, "last", 4, np.array([0.0031]), np.zeros(1))
    finding = error_flow_finding("rnn", everywhere, False, probe)
    assert (finding.kind, finding.confidence) == ("vanishing", 1)
    assert finding.sentence.startswith(
        "rnn: vanishing; of the error of the last prediction, step 1 receives 2e-12 of the last "
        "step's error, which is the largest at any step, halving every step (measured on 4 "
        "examples after training step 120, in 0.31% of an epoch's time); in training, errors enter "
        "at 40 time steps, and step 1 receives 1 of the last step's error (median of the last 20% "
        "of 20 recorded training steps)"
    )
    only = error_flow_finding("rnn", everywhere, False, replace(probe, prediction="only"))
    assert only.kind == "healthy"  # pooling, attention: all of it is the error of one prediction


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *[(2.2e-6, "2e-6"), (0.0314, "0.031"), (14.2, "14"), (99.7, "100"), (1234.0, "1234")],
        *[(3e7, "3e7"), (9999.9, "1e4"), (0.0, "0"), (np.nan, "unknown")],
    ],
)
def test_short_numbers(number, text):
    assert short(number) == text


def test_the_note_of_a_figure_says_whether_the_half_life_is_that_of_the_carried_error():
    entering_at_each_step = history(np.ones(20), injected=0.8)
    figure = figures.error_flow({"one": history(decaying(3)), "many": entering_at_each_step})
    notes = [axes._right_title.get_text() for axes in figure.axes[:4:2]]
    assert notes == ["halves every 3 steps", "carried error halves every 1.4 steps"]


def test_a_note_does_not_overlap_a_long_title():
    halving = 0.5 ** np.arange(20)[::-1]
    figure = figures.error_flow(
        {"rnn": history(halving), "a/very/long/name/of_a_layer": history(halving)}
    )
    figure.canvas.draw()
    for axes in figure.axes[:4:2]:
        shown = [t for t in (axes._left_title, axes._right_title) if t.get_text()]
        lines = {text.get_text(): text.get_window_extent() for text in shown}
        (name, left), (note, right) = lines.items()
        assert note == "halves every step"
        assert left.x1 < right.x0 or name.endswith("\n")
