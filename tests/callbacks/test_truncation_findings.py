"""Findings on layers that cut their error every k steps: a setting is told from a fault."""

import keras
import numpy as np
import pytest
from error_histories import decaying, history, recorded
from errorflow import layers
from errorflow.callbacks import ErrorFlow
from errorflow.callbacks.findings.encoder_decoder import encoder_decoder_finding
from errorflow.callbacks.findings.error_flow import error_flow_finding
from errorflow.callbacks.findings.probe import Probe
from errorflow.callbacks.findings.training_warning import Scope
from errorflow.callbacks.recording.tables import join_layers, with_truncation
from errorflow.pipelines.commands.recorded import read_recorded
from errorflow.pipelines.search.pruning import first_to_last

TIME = np.arange(40)


def cut_after_31(half_life, k: int | None = 10):
    """Finding on an error that enters at step 40 and reaches step 31."""
    curve = np.where(TIME >= 30, decaying(half_life), 0.0)
    return error_flow_finding("rnn", with_truncation(history(curve), k), backwards=False)


def test_an_error_that_lives_up_to_the_cut_is_no_fault():
    finding = cut_after_31(30.0)
    assert finding.sentence == (
        "rnn: the error is cut every 10 steps by truncate=10 and reaches no step before step 31; "
        "healthy; the error halves every 30 steps going back in time, and step 31 receives 0.81 of "
        "the last step's error (median of the last 20% of 100 recorded training steps). The "
        "weights of this layer learn nothing from the steps before the cut, which only a larger "
        "truncate, or none, changes; whether the task needs them was not measured."
    )
    assert (finding.kind, finding.severity, finding.remedies) == ("cut", "unclear", ())
    assert finding.headline == "cut every 10 steps, step 31 gets 0.81"
    assert (finding.evidence["truncate"], finding.confidence) == (10, 1)


@pytest.mark.parametrize(("half_life", "kind"), [(0.5, "vanishing"), (-0.5, "exploding")])
def test_a_fault_within_the_steps_that_the_error_reaches_remains_one(half_life, kind):
    finding = cut_after_31(half_life)
    assert (finding.kind, finding.evidence["truncate"]) == (kind, 10)
    assert finding.evidence["half_life"] == pytest.approx(half_life, rel=1e-4)
    assert f"reaches no step before step 31; {kind}; the error" in finding.text
    assert "the first steps that the error reaches" in finding.meaning.lower()
    assert finding.remedies


def test_runs_that_do_not_say_it_and_cuts_beyond_the_sequence_are_judged_as_before():
    assert cut_after_31(30.0, k=None).kind == "vanishing"
    whole = history(decaying(30.0))
    for k in (40, 100):
        finding = error_flow_finding("rnn", with_truncation(whole, k), False)
        assert finding == error_flow_finding("rnn", whole, False)


def test_the_cut_is_counted_from_the_last_step_not_from_the_one_that_errors_enter():
    """k = 10, T = 40, and the error enters at step 25: it reaches step 21."""
    curve = np.where((TIME >= 20) & (TIME <= 24), 1.0, 0.0)
    tables = recorded([curve], curve * (TIME == 24))
    finding = error_flow_finding("rnn", with_truncation(tables, 10), False)
    assert (finding.kind, finding.evidence["first_to_last"]) == ("cut", 1)
    assert "reaches no step before step 21; healthy; errors enter at step 25 alone" in finding.text
    alone = recorded([curve * (TIME == 20)], curve * (TIME == 20))
    finding = error_flow_finding("rnn", with_truncation(alone, 10), False)
    assert finding.text == "the error is cut every 10 steps by truncate=10 and travels back no step"
    assert finding.kind == "cut"


def test_sequences_of_different_lengths_and_layers_that_read_backwards():
    mask = np.array([[40], [25]]) > TIME
    ends = np.where(mask, 0.9 ** (mask.sum(axis=1, keepdims=True) - 1 - TIME), 0.0)
    reached = mask.sum(axis=1, keepdims=True) - 11 < TIME
    last = mask.sum(axis=1, keepdims=True) - 1 == TIME
    tables = recorded(ends * reached, ends * last, mask)
    finding = error_flow_finding("rnn", with_truncation(tables, 10), False)
    assert finding.headline == "cut every 10 steps, step 9 before the last gets 0.39"
    curve = np.where(TIME < 10, 0.9**TIME, 0.0)
    tables = recorded([curve], curve * (TIME == 0), backwards=True)
    finding = error_flow_finding("rnn", with_truncation(tables, 10), True)
    assert finding.headline == "cut every 10 steps, position 10 of the input gets 0.39"


@pytest.mark.parametrize(("factor", "kind"), [(0.9, "cut"), (0.1, "vanishing")])
def test_where_errors_enter_at_every_step_the_probe_is_judged_up_to_the_cut(factor, kind):
    everywhere = with_truncation(recorded(np.ones([1, 40]), 0.5), 10)
    last = np.where(TIME >= 30, factor ** (39.0 - TIME), 0.0)
    of_one = recorded([last], last * (TIME == 39), rows=1)
    probe = Probe(of_one, "last", 4, np.zeros(1), np.zeros(1))
    finding = error_flow_finding("rnn", everywhere, False, probe)
    assert finding.kind == kind
    assert "prediction, step 31 receives" in finding.text
    unknown = error_flow_finding("rnn", everywhere, False)
    assert unknown.kind == "cut"
    assert unknown.text.startswith("each error is cut every 10 steps by truncate=10, so it reaches")


@pytest.mark.parametrize(
    ("k", "kind"), [(10, "cut"), (40, "does not cross"), (None, "does not cross")]
)
def test_an_encoder_that_is_cut_does_not_receive_the_error_of_its_decoder(k, kind):
    encoder = with_truncation(history(np.where(TIME >= 30, 1.0, 0.0)), k)
    skipped = {"skipped": np.zeros(100, bool)}
    joined = join_layers(encoder | skipped, history(np.ones(5)) | skipped)
    finding = encoder_decoder_finding(("encoder", "decoder"), joined, False)
    assert (finding.kind, bool(finding.remedies)) == (kind, kind != "cut")
    if kind == "cut":
        assert finding.headline == "cut every 10 steps, the first step gets 0"
        assert finding.text.startswith(
            "the error is cut every 10 steps by truncate=10, and its first"
        )
        assert "only a larger truncate" in finding.meaning
    none = {name: table[:0] if table.ndim else table for name, table in joined.items()}
    assert encoder_decoder_finding(("encoder", "decoder"), none, False).kind == "too little"


def test_training_with_truncation_is_not_called_vanishing_anywhere(tmp_path):
    """By findings, warnings, the rule that prunes trials, and the tab, which reads the files."""
    x = np.random.default_rng(0).normal(size=(8, 20, 3)).astype("float32")
    cell = layers.SimpleRNN(4, truncate=4, recurrent_initializer="orthogonal", name="rnn")
    model = keras.Sequential(
        [keras.Input([20, 3]), keras.layers.Bidirectional(cell, name="two"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    flow = ErrorFlow(tmp_path)
    model.fit(x, np.ones([8, 1]), batch_size=2, epochs=5, verbose=0, callbacks=[flow])
    findings = {finding.layer: finding for finding in flow.findings()}
    assert [*findings] == ["two/forward_rnn", "two/backward_rnn"]
    assert {(f.kind, f.evidence["truncate"]) for f in findings.values()} == {("cut", 4)}
    assert "before step 17;" in findings["two/forward_rnn"].text
    assert flow.warnings(Scope(window=10, settled=10)) == []
    assert all(first_to_last(tables) > 1e-3 for tables in flow.history.values())
    of_tab = read_recorded(tmp_path).findings
    assert {f.layer: f.sentence for f in of_tab} == {n: f.sentence for n, f in findings.items()}
