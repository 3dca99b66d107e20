"""Findings on small trainings with a known problem, and none on healthy ones."""

import json
import math

import keras
import numpy as np
import pytest
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients
from errorflow.callbacks.findings.finding import HEALTHY, MIN_STEPS, UNCLEAR, Finding
from errorflow.callbacks.findings.gates import gate_findings
from errorflow.callbacks.findings.horizon import horizon_finding
from errorflow.callbacks.findings.layer_gradients import gradient_findings
from errorflow.callbacks.findings.remedies import OF_KIND, REMEDIES, remedies_of, remedy
from errorflow.callbacks.recording.gradient_statistics import DEAD_AFTER
from errorflow.layers import GRU, LSTM, SimpleRNN, error_matrix
from errorflow.pipelines.commands.recorded import read_recorded

STEPS = 40
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(STEPS * 8, 8)).astype("float32"), RANDOM.normal(size=(STEPS * 8, 1))


def findings_of(layers, optimizer="sgd", batch=8):
    """The findings over depth in a training of STEPS steps, or more with smaller batches."""
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.compile(optimizer, "mse", jit_compile=False)
    gradients = LayerGradients()
    model.fit(X, Y, batch_size=batch, verbose=0, callbacks=[gradients])
    return gradients.findings()


def dense(count, activation="relu", **options):
    options = {"kernel_initializer": "he_normal", "activation": activation} | options
    hidden = [keras.layers.Dense(8, name=f"hidden{n}", **options) for n in range(1, count + 1)]
    return [*hidden, keras.layers.Dense(1, name="head")]


@pytest.mark.parametrize("layers", [1, 4, 12])
def test_a_healthy_network_has_no_findings(layers):
    assert findings_of(dense(layers)) == []


def test_a_deep_network_of_sigmoids_starves():
    (finding,) = findings_of(dense(14, "sigmoid", kernel_initializer="glorot_uniform"))
    assert finding.kind == "starving"
    assert finding.sentence.startswith("the first layers hardly learn")
    assert "of the first 3 of 15 layers is " in finding.sentence
    assert finding.evidence["first_to_last"] < 1e-3
    assert finding.confidence == 1
    assert "residual connections (He et al. 2016)" in map(str, finding.remedies)


def test_a_gradient_that_explodes_over_depth():
    steps, layers = np.arange(1, 51), [*"abcdefgh"]
    norm = np.tile(10.0 ** np.arange(8)[::-1], [50, 1])
    (finding,) = gradient_findings(steps, layers, norm, norm)
    assert finding.kind == "exploding over depth"
    np.testing.assert_allclose(finding.evidence["first_to_last"], 1e6)  # medians of two layers each


@pytest.mark.parametrize(
    ("factor", "kind", "headline"),
    [
        (1e-4, "starved earlier", "starved in 40% of the training steps, now 1 of the last's"),
        (1e4, "exploded over depth earlier", "exploded over depth in 40% of the training steps, "),
    ],
)
def test_first_layers_that_get_their_gradient_only_later(factor, kind, headline):
    steps, norm = np.arange(1, 51), np.ones([50, 8])
    norm[:20, :2] = factor
    (finding,) = gradient_findings(steps, [*"abcdefgh"], norm, norm)
    assert (finding.kind, finding.evidence["until"]) == (kind, 20)
    assert finding.headline.startswith(headline)
    assert finding.evidence["first_to_last_then"] == pytest.approx(factor)
    assert "; now it is 1 times (median of the last 10 " in finding.text
    norm[4:20] = 1.0
    assert gradient_findings(steps, [*"abcdefgh"], norm, norm) == []


@pytest.mark.parametrize("limit, kinds", [(1e-3, ["clipped"]), (1e3, [])])
def test_clipped_most_of_the_time(limit, kinds):
    findings = findings_of(dense(2), keras.optimizers.SGD(1e-3, global_clipnorm=limit))
    assert [finding.kind for finding in findings] == kinds
    for finding in findings:
        assert finding.evidence["share"] == finding.confidence == 1
        assert finding.evidence["excess"] == finding.evidence["norm"] / limit
        assert finding.text.endswith("the threshold is 0.001")


def test_a_layer_whose_units_are_all_dead():
    never = keras.initializers.Constant(-99)
    layers = dense(3)
    layers[1] = keras.layers.Dense(8, "relu", bias_initializer=never, name="dead")
    layers[2] = keras.layers.Dense(8, "tanh", name="above")  # which its bias still reaches
    (both,) = findings_of(layers, batch=2)
    assert (both.kind, both.evidence["layers"], both.evidence["since"]) == ("no gradient", 2, 1)
    assert both.text == (
        "the gradient of hidden1 and dead is zero in the last 32 recorded training steps, so they "
        "do not learn"
    )


def test_layers_that_stop_learning():
    steps, norm = np.arange(1, 101), np.ones([100, 6])
    norm[60:, :5] = 0.0
    (common,) = gradient_findings(steps, [*"abcdef"], norm, norm)
    assert common.text.startswith(
        "the gradient of a, b, c and 2 more layers is zero in the last 20 "
    )
    assert common.text.endswith(", and has been zero since training step 61, so they do not learn")
    (finding,) = gradient_findings(
        steps, [*"abcdef"], np.where(np.arange(6) == 2, norm, 1), norm * 0 + 1
    )
    assert (finding.layer, finding.evidence["since"]) == ("c", 61)


def test_units_that_died_are_counted_by_layer():
    model = keras.Sequential([keras.Input((8,)), *dense(2)])
    model.compile("sgd", "mse", jit_compile=False)
    bias = model.get_layer("hidden1").bias
    bias.assign([-99.0] * 5 + [0.0] * 3)
    gradients = LayerGradients()
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[gradients])
    (finding,) = gradients.findings()
    assert (finding.layer, finding.kind, finding.evidence["share"]) == (
        "hidden1",
        "dead units",
        5 / 8,
    )
    assert finding.evidence["since"] == 1  # known only after 100 steps, and then of all of them
    assert finding.text.endswith("more than 50% of its units have been dead since training step 1")
    dead = gradients.history["dead"]
    assert (dead[: DEAD_AFTER - 1] == 0).all()
    np.testing.assert_allclose(dead[DEAD_AFTER - 1 :, 0], 5 / 8)


def test_units_are_dead_since_the_first_of_the_rows_that_show_it():
    """Of a long run only every second row is kept, here of those at every fifth training step."""
    steps = np.arange(5, 2000, 10)
    dead, ones = np.where(steps >= 1000, 0.9, 0.0)[:, None], np.ones([len(steps), 1])
    (finding,) = gradient_findings(steps, ["a"], ones, ones, dead, every=5)
    assert finding.evidence["since"] == 1005 - 99 * 5


def test_no_gradient_in_the_whole_network_is_no_dead_relu():
    """As of a loss that is zero."""
    steps, zeros, unknown = np.arange(1, 201), np.zeros([200, 3]), np.full([200, 3], np.nan)
    (finding,) = gradient_findings(steps, [*"abc"], zeros, zeros, np.ones([200, 3]), relu=True)
    assert (finding.kind, finding.layer, [*finding.remedies]) == ("no gradient", "", [])
    assert finding.text.startswith("the gradient of every layer is zero")
    half = np.where(np.arange(3) < 2, 0.0, 1.0) * np.ones([200, 1])
    for relu, offered in ((True, True), (None, True), (False, False)):
        (finding,) = gradient_findings(steps, [*"abc"], half, half, unknown, relu=relu)
        assert any("ReLU" in remedy.text for remedy in finding.remedies) == offered


def test_skipped_training_steps_are_not_judged():
    steps, norm = np.arange(1, 41), np.ones([40, 2])
    norm[:4] = np.inf
    skipped = np.arange(40) < 4
    assert gradient_findings(steps, ["a", "b"], norm, norm, skipped=skipped) == []
    (finding,) = gradient_findings(steps, ["a", "b"], norm, norm, skipped=np.arange(40) < 2)
    assert (finding.kind, finding.evidence["step"]) == ("not finite", 3)


def test_a_unit_that_one_example_in_many_activates_is_not_dead():
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    x = np.where(np.arange(160)[:, None] % 20 == 0, 1.0, -1.0) * np.ones(8)
    model.layers[0].kernel.assign(np.ones([8, 8]))
    gradients = LayerGradients()
    model.fit(x, np.ones(160), batch_size=1, shuffle=False, verbose=0, callbacks=[gradients])
    assert gradients.findings() == []


def test_not_finite_names_the_first_step_and_layer():
    root = keras.layers.Lambda(lambda x: keras.ops.sqrt(0 * x))  # 0, whose slope is 0 · ∞
    (finding,) = findings_of(
        [keras.layers.Dense(4, name="below"), root, keras.layers.Dense(1, name="head")]
    )
    assert (finding.kind, finding.layer, finding.evidence["step"]) == ("not finite", "below", 1)
    assert finding.text.endswith(
        "going back from the loss, below is the first layer where it is not"
    )

    (finding,) = findings_of(dense(2, "linear"), keras.optimizers.SGD(1e6))
    assert finding.kind == "not finite"
    assert finding.text.endswith(
        "already in the last layer, head: the loss itself may not be finite"
    )
    assert 1 < finding.evidence["step"] < STEPS


@pytest.mark.parametrize("layer", [LSTM, GRU])
@pytest.mark.parametrize("bias, state", [(-9.0, "closed"), (0.0, None)])
def test_gates_that_never_open(layer, bias, state):
    units, x = 6, RANDOM.normal(size=(4, 5, 3)).astype("float32")
    gated = layer(units, bias_initializer="zeros", name="gated")
    model = keras.Sequential([keras.Input((5, 3)), gated, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    values = gated.cell.bias.numpy()
    values[..., :units] = bias  # the input gate; a GRU's update gate
    gated.cell.bias.assign(values)
    gates = Gates(x)
    model.fit(x, np.zeros([4, 1]), verbose=0, callbacks=[gates])
    findings = [
        (finding.layer, finding.evidence["gate"], finding.kind) for finding in gates.findings()
    ]
    name = {LSTM: "input", GRU: "update"}[layer]
    assert findings == ([("gated", name, "saturated")] if state else [])


def test_a_cell_that_keeps_its_state_gives_no_finding():
    ones, zeros = np.ones([1, 5]), np.zeros([1, 5])
    holding = {"forget": ones, "forget_closed": zeros, "input": zeros, "input_closed": ones}
    history = {"step": np.array([3]), **holding}
    assert gate_findings("lstm", history) == []
    history |= {"forget": zeros, "forget_closed": ones}
    assert [ones.evidence["gate"] for ones in gate_findings("lstm", history)] == ["forget", "input"]
    assert gate_findings("lstm", history)[0].first_sentence == (
        "lstm: its forget gate is closed (below 0.1) for 100% of all values"
    )
    of_1997 = {"step": np.array([0]), "input": zeros, "input_closed": ones}
    assert gate_findings("lstm", of_1997) == []


def test_horizon_of_a_layer():
    norms = 0.5 ** np.arange(8.0)[::-1]
    finding = horizon_finding(
        "rnn", {"step": np.array([0, 4]), "hidden": np.stack([norms**2, norms])}
    )
    assert finding.evidence == {"half_life": 1.0, "first": 0.5**7, "epoch": 4}
    assert finding.sentence.startswith("rnn: ‖dh_T/dh_t‖ halves every step going back in time; ")
    broken = {"step": np.array([2]), "hidden": np.array([[np.nan, np.nan, 1.0]])}
    assert horizon_finding("rnn", broken).kind == "not finite"


def test_the_horizon_of_an_lstm_is_that_of_its_cell():
    """‖dh_T/dh_t‖ is 1 at the last step by definition; the step before shows what h carries."""
    hidden, cell = np.append(np.full(9, 0.1), 1.0), np.full(10, 0.5)
    history = {"step": np.array([2]), "hidden": hidden[None], "cell": cell[None]}
    assert horizon_finding("lstm", history).first_sentence == (
        "lstm: ‖dh_T/dc_t‖ hardly changes going back in time; at the first step it is 0.5, and "
        "‖dh_T/dh_t‖ is 0.1 (epoch 2)"
    )
    assert "hardly changes" in horizon_finding("rnn", history | {"cell": hidden[None]}).sentence


def test_norms_that_are_zero():
    history = {"step": np.array([3]), "hidden": np.array([[0.0, 0.0, 1e-30, 1e-3, 1.0]])}
    assert "at the first step it is too small to be measured" in (
        horizon_finding("rnn", history).sentence
    )
    nothing = horizon_finding("rnn", history | {"hidden": np.array([[0.0, 0.0, 1.0]])})
    assert nothing.kind == "range"
    assert "zero before the last step" in nothing.sentence


def test_a_layer_that_is_frozen_for_a_while_gives_no_finding():
    steps, norm = np.arange(1, 21), np.ones([20, 2])
    norm[10:, 0] = np.nan
    assert gradient_findings(steps, ["a", "b"], norm, norm) == []


def test_layers_that_are_never_trained_are_ignored():
    steps = np.arange(1, 51)
    norm = np.tile(10.0 ** np.arange(8), [50, 1])
    frozen = np.full([50, 8], np.nan)
    (alone,) = gradient_findings(steps, [*"abcdefgh"], norm, norm)
    both = np.concatenate([frozen, norm, frozen], axis=1)
    (among,) = gradient_findings(steps, [*"ABCDEFGHabcdefghIJKLMNOP"], both, both)
    assert alone == among


def test_every_remedy_is_for_a_finding_and_named_once():
    assert all(remedy.findings for remedy in REMEDIES)
    assert {name for names in OF_KIND.values() for name in names} == {r.name for r in REMEDIES}
    assert len({r.name for r in REMEDIES}) == len(REMEDIES)
    assert remedy("lstm").sentence == (
        "an LSTM in place of a SimpleRNN (Hochreiter & Schmidhuber 1997)"
    )
    with pytest.raises(ValueError, match="no remedy 'clip', did you mean clip-norm"):
        remedy("clip")


@pytest.mark.parametrize(
    "evidence, offered, not_offered",
    [
        ({"lstm": True}, {"forget-bias", "chrono"}, {"lstm", "gru"}),
        ({"of_hidden": 0.1}, {"forget-bias", "chrono"}, {"lstm", "gru"}),  # of earlier versions
        ({"lstm": False}, {"lstm", "gru", "chrono"}, {"forget-bias"}),
        ({}, {"lstm", "gru", "forget-bias", "chrono"}, set()),
    ],
)
def test_an_lstm_is_not_offered_to_an_lstm(evidence, offered, not_offered):
    names = {remedy.name for remedy in remedies_of("vanishing", evidence)}
    assert offered <= names
    assert not names & not_offered


def over_time(steps=40, **options):
    """The findings in a training of a SimpleRNN whose loss enters at the last time step."""
    layer = SimpleRNN(6, name="rnn", **options)
    model = keras.Sequential([keras.Input((steps, 3)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    flow = ErrorFlow()
    x = RANDOM.normal(size=(2 * MIN_STEPS, steps, 3))
    model.fit(x, np.ones([len(x), 1]), batch_size=2, verbose=0, callbacks=[flow])
    return flow.findings()


def orthogonal(gain):
    return {"activation": "linear", "recurrent_initializer": keras.initializers.Orthogonal(gain)}


@pytest.mark.parametrize(
    "options, kind",
    [(orthogonal(0.8), "vanishing"), (orthogonal(1.25), "exploding"), (orthogonal(1.0), "healthy")],
)
def test_the_error_over_time_of_a_real_training(options, kind):
    (finding,) = over_time(**options)
    assert (finding.layer, finding.kind) == ("rnn", kind)
    gain = options["recurrent_initializer"].gain
    np.testing.assert_allclose(finding.evidence["first_to_last"], gain**39, rtol=1e-3)
    assert finding.confidence == 1


def test_a_probe_measures_the_error_of_one_prediction(tmp_path):
    """In both directions, as `error_matrix` does; the report says the same."""
    layer = SimpleRNN(4, return_sequences=True, name="rnn")
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Bidirectional(layer, name="both")])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    x, y = RANDOM.normal(size=(2 * MIN_STEPS, 5, 3)), RANDOM.normal(size=(2 * MIN_STEPS, 5, 8))
    flow = ErrorFlow(tmp_path, probe=(x, y))
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[flow])
    found = {finding.layer: finding for finding in flow.findings()}
    few = x[:4], y[:4]
    for name, end, first in (("both/forward_rnn", -1, 0), ("both/backward_rnn", 0, -1)):
        row = error_matrix(model, *few, name)[end]
        evidence = found[name].evidence
        np.testing.assert_allclose(evidence["first_to_last"], row[first] / row[end], rtol=1e-4)
        assert evidence["prediction"] == ("last" if first == 0 else "first")
    read = read_recorded(tmp_path).findings
    assert {finding.sentence for finding in read} == {*flow.verdict()}
    with pytest.raises(ValueError, match="`probe` must be"):
        ErrorFlow(probe=x)


@pytest.mark.parametrize("activation, kind", [("sigmoid", "does not cross"), ("tanh", "healthy")])
def test_whether_the_error_of_the_decoder_crosses_the_encoder(activation, kind):
    source, target = keras.Input((20, 3)), keras.Input((2, 3))
    encode = SimpleRNN(6, activation=activation, return_state=True, name="encoder")
    h = SimpleRNN(6, name="decoder")(target, initial_state=encode(source)[1])
    model = keras.Model([source, target], keras.layers.Dense(1)(h))
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    flow = ErrorFlow(joined={"both": ("encoder", "decoder")})
    x = RANDOM.normal(size=(8, 20, 3)) / 9, RANDOM.normal(size=(8, 2, 3))
    model.fit([*x], np.ones([8, 1]), batch_size=2, verbose=0, callbacks=[flow])
    (both,) = [finding for finding in flow.findings() if "first_to_largest" in finding.evidence]
    assert both.kind == kind


EVERY_KIND = [*OF_KIND, *sorted(HEALTHY | UNCLEAR), "no error"]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_finding_says_what_it_means_and_survives_json(kind):
    evidence = {"half_life": math.inf, "steps": 3, "shares": [0.5, math.nan], "gate": "forget"}
    finding = Finding("rnn", kind, "a headline", "a text", evidence)
    assert finding.sentence == f"rnn: a text. {finding.meaning}."
    assert finding.meaning[0].isupper() and finding.meaning[-1] != "."
    assert "measured" in finding.meaning or kind == "too little"
    row = json.loads(json.dumps(finding.as_json(), allow_nan=False))
    assert row["evidence"] == {
        "half_life": None,
        "steps": 3,
        "shares": [0.5, None],
        "gate": "forget",
    }
    assert (row["measured"], row["meaning"]) == ("a text", finding.meaning)
    assert [r["name"] for r in row["remedies"]] == [r.name for r in finding.remedies]
    again = Finding.from_json(row)
    assert again.as_json() == row
