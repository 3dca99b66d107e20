"""Every public callback has findings, a figure and a table, and shows itself in a notebook."""

from html import escape

import errorflow.callbacks
import keras
import numpy as np
import pytest
from errorflow.callbacks import (
    Alignment,
    AttentionMaps,
    CaptionedImage,
    CaptionedImages,
    DepthFlow,
    EarlyWarning,
    ErrorFlow,
    ErrorMatrix,
    FeatureMaps,
    Gates,
    Horizon,
    LayerGradients,
    Lyapunov,
    TextSamples,
)
from errorflow.callbacks.findings.training_warning import TrainingWarning
from errorflow.layers import LSTM, SimpleRNN

B, T, D = 4, 6, 2
HOSTILE = "<script>$x$</script>"


def network():
    """Recurrent layers over an image of one row, which convolutions have read."""
    inputs = keras.Input((1, T, D))
    x = keras.layers.Conv2D(D, 1, name="conv")(inputs)
    x = keras.layers.Masking()(keras.layers.Reshape((T, D))(x))
    x = LSTM(3, return_sequences=True, name="lower")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(SimpleRNN(2, name="upper")(x)))
    model.compile("sgd", "mse")
    return model


X = np.random.default_rng(0).normal(size=(B, 1, T, D)).astype("float32")
Y = np.ones([B, 1])

MAKE = {
    "AttentionMaps": lambda: AttentionMaps(
        lambda: [Alignment("ab", [HOSTILE], np.array([[0.25, 0.75]]))]
    ),
    "CaptionedImages": lambda: CaptionedImages(
        lambda: [CaptionedImage([np.zeros([3, 3, 1], np.uint8)], [HOSTILE], [HOSTILE])]
    ),
    "EarlyWarning": EarlyWarning,
    "ErrorFlow": ErrorFlow,
    "ErrorMatrix": lambda: ErrorMatrix(X, Y),
    "FeatureMaps": lambda: FeatureMaps(X[0], layer="conv"),
    "Gates": lambda: Gates(X),
    "Horizon": lambda: Horizon(X),
    "DepthFlow": DepthFlow,
    "LayerGradients": LayerGradients,
    "Lyapunov": lambda: Lyapunov(X, exponents=4),
    "TextSamples": lambda: TextSamples(lambda: [{"text": HOSTILE, "length": 20}]),
}


@pytest.fixture(name="trained", scope="module")
def trained_():
    """Each callback after a training of 12 steps, by name."""
    callbacks = {name: make() for name, make in MAKE.items()}
    network().fit(X, Y, batch_size=1, epochs=3, verbose=0, callbacks=[*callbacks.values()])
    return callbacks


def test_all_public_callbacks_are_tested():
    names = [name for name in dir(errorflow.callbacks) if name[0].isupper()]
    public = [getattr(errorflow.callbacks, name) for name in names]
    callbacks = [
        c for c in public if isinstance(c, type) and issubclass(c, keras.callbacks.Callback)
    ]
    assert {callback.__name__ for callback in callbacks} == {*MAKE}


@pytest.mark.parametrize("name", MAKE)
def test_before_training_there_is_a_sentence_and_an_empty_table(name):
    callback = MAKE[name]()
    assert f"{name}: no " in callback._repr_html_()
    assert "has been recorded yet; pass it to fit(callbacks=[…])" in callback._repr_html_()
    assert callback.findings() == callback.verdict() == []
    assert callback.to_frame().empty
    with pytest.raises(ValueError, match="nothing was recorded"):
        callback.plot()


@pytest.mark.parametrize("name", MAKE)
def test_after_training_it_shows_its_findings_and_its_picture(name, trained):
    callback = trained[name]
    html, findings = callback._repr_html_(), callback.findings()
    assert callback.verdict() == [finding.sentence for finding in findings]
    assert all(escape(finding.headline) in html for finding in findings)
    assert ("<img" in html) != ("<table" in html)
    assert "<script>" not in html
    assert callback.plot()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("align", ["end", "start"])
def test_the_table_of_errors_holds_the_history(trained, align):
    flow = trained["ErrorFlow"]
    frame = flow.to_frame(align)
    assert len(frame) == 2 * 12 * T and [*frame.layer.cat.categories] == ["lower", "upper"]
    table = flow.history["lower"]["carried" + "_from_end" * (align == "end")]
    wide = frame[frame.layer == "lower"].pivot(index="step", columns="time_step", values="carried")
    np.testing.assert_array_equal(wide.to_numpy(), table)
    assert (frame.time_step + frame.before_last == T).all()
    assert frame.cell[frame.layer == "upper"].isna().all()
    with pytest.raises(ValueError, match="`align` must be 'end' or 'start', not 'last'"):
        flow.to_frame("last")


def test_a_layer_of_which_nothing_was_recorded_is_named(trained):
    flow, message = trained["ErrorFlow"], "nothing was recorded of 'no', only of lower, upper"
    for show in (flow.plot, flow.to_frame, trained["Horizon"].plot):
        with pytest.raises(ValueError, match=message):
            show(layers=["lower", "no"])


def test_steps_that_no_example_has_are_not_in_the_table():
    model, flow, x = network(), ErrorFlow(), X.copy()
    model.get_layer("conv").set_weights([np.eye(D)[None, None], np.zeros(D)])
    x[:, :, 4:] = 0  # masked in all examples
    model.fit(x, Y, batch_size=B, verbose=0, callbacks=[flow])
    first, last = flow.to_frame("start"), flow.to_frame("end")
    assert first.time_step.max() == 4 and first.before_last.min() == 2
    assert last.before_last.max() == 3 and set(last.valid) == {B}


def test_the_other_tables_hold_the_histories(trained):
    gates, history = trained["Gates"].to_frame(), trained["Gates"].history["lower"]
    assert len(gates) == 3 * 4 * T  # gates, epochs 0 to 3
    last = gates[(gates.epoch == 3) & (gates.gate == "forget")]
    np.testing.assert_array_equal(last["mean"], history["forget"][-1])
    frame, history = trained["Horizon"].to_frame(), trained["Horizon"].history["upper"]
    last = frame[(frame.epoch == 3) & (frame.layer == "upper")]
    np.testing.assert_array_equal(last.hidden, history["hidden"][-1])
    frame, history = trained["Lyapunov"].to_frame(), trained["Lyapunov"].history["lower"]
    last = frame[(frame.epoch == 3) & (frame.layer == "lower")]
    np.testing.assert_array_equal(last.exponent, history["exponent"][-1])
    assert last.number.tolist() == [1, 2, 3, 4]
    frame, history = trained["ErrorMatrix"].to_frame(), trained["ErrorMatrix"].history
    np.testing.assert_array_equal(frame[frame.epoch == 0].error, history["matrix"][0].ravel())
    frame, history = trained["LayerGradients"].to_frame(), trained["LayerGradients"].history
    np.testing.assert_array_equal(frame.ratio, history["ratio"].ravel())
    assert [*frame.layer.cat.categories] == history["layers"]


def first_sentences(callback):
    return [finding.first_sentence for finding in callback.findings()]


def test_findings_on_snapshots_are_true_of_the_last_one(trained):
    assert first_sentences(trained["AttentionMaps"]) == [
        "the largest attention weight of an output is 0.75 on average over 1 output of 1 example "
        "(epoch 3); it is 1 if every output attends to a single input"
    ]
    assert first_sentences(trained["CaptionedImages"]) == [
        "1 of 1 caption is the same as the reference (epoch 3)"
    ]
    frame = trained["FeatureMaps"].to_frame()
    constant = (frame.groupby("channel").value.nunique() == 1).sum()
    assert first_sentences(trained["FeatureMaps"]) == [
        f"conv: {constant} of {D} feature maps are constant over the image (epoch 3)"
    ]


def test_early_warning_shows_its_warnings():
    callback = EarlyWarning()
    text = "a and b have received no gradient for 100 steps"
    callback.warnings = [TrainingWarning("stuck", ("a", "b"), text, {}, "no gradient", 240)]
    (row,) = callback.to_frame().to_dict("records")
    assert (row["step"], row["kind"], row["layers"]) == (240, "stuck", "a, b")
    assert first_sentences(callback) == [f"{text} (training step 240)"]
    assert callback.findings()[0].severity == "trouble" and callback.findings()[0].remedies
    assert callback.plot().axes[0].get_yticklabels()[0].get_text() == text
