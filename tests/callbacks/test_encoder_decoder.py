"""The error of an encoder-decoder on one time axis, compared with a gradient tape."""

import event_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow
from errorflow.layers import GRU, LSTM
from errorflow.pipelines.models.encoder_decoder import decoder_inputs, encoder_decoder

SOURCE = np.array([[2, 3, 4, 5], [5, 4, 0, 0]], np.int32)
TARGET = np.array([[2, 4, 5], [2, 6, 0]], np.int32)
WANTED = np.array([[4, 5, 3], [6, 3, 0]], np.int32)
JOINED = {"both": ("encoder/rnn_1", "decoder/rnn_1")}


def network(recurrent, attention=False):
    model = encoder_decoder(
        recurrent,
        source_symbols=6,
        target_symbols=7,
        embedding=3,
        units=4,
        attention=attention,
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    return model


def train(model, flow, epochs=1):
    x = {"source": SOURCE, "target": TARGET}
    weights = (WANTED != 0).astype("float32")
    model.fit(x, WANTED, sample_weight=weights, epochs=epochs, verbose=0, callbacks=[flow])


def test_the_error_of_the_decoder_reaches_the_last_step_of_the_encoder():
    """Without attention, δ at the encoder's last step is dE/d(first state of the decoder)."""
    model = network(GRU)
    flow = ErrorFlow(joined=JOINED)
    train(model, flow)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    encoded = {"states": encoder(SOURCE)["states"]}
    with tf.GradientTape() as tape:
        tape.watch(encoded["states"])
        outputs = decoder(decoder_inputs(decoder, encoded, tf.constant(TARGET)))["probabilities"]
        loss = keras.losses.SparseCategoricalCrossentropy()(
            WANTED, outputs, sample_weight=(WANTED != 0).astype("float32")
        )
    (error,) = tape.gradient(loss, encoded["states"])
    expected = np.sqrt(np.mean(np.sum((2 * error.numpy()) ** 2, axis=1)))
    table = flow.history["both"]
    border = int(table["border"])
    assert border == SOURCE.shape[1]
    assert table["hidden"][0, border - 1] == pytest.approx(expected, rel=1e-4)


def test_the_joined_axis_is_the_end_of_one_layer_and_the_start_of_the_other():
    flow = ErrorFlow(joined=JOINED)
    train(network(LSTM), flow, epochs=2)
    encoder, decoder = (flow.history[path] for path in JOINED["both"])
    table = flow.history["both"]
    for name in ("hidden", "carried", "cell", "valid"):
        np.testing.assert_array_equal(table[name][:, :4], encoder[f"{name}_from_end"])
        np.testing.assert_array_equal(table[name][:, 4:], decoder[name])
    share = encoder["hidden"][:, 0] / decoder["hidden"].max(axis=1)
    np.testing.assert_allclose(table["at_first"] / table["largest"], share)
    sentence = flow.verdict()[-1]
    assert sentence.startswith("encoder/rnn_1: its first step receives 0.")
    assert " of the largest error at any step of decoder/rnn_1 (" in sentence
    figure = flow.plot()
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == [
        "both"
    ]


def test_tensorboard_shows_the_joined_layers(tmp_path):
    flow = ErrorFlow(tmp_path, joined=JOINED)
    train(network(GRU, attention=True), flow, epochs=2)
    values, _ = event_files.read(tmp_path / "train")
    step = max(values)
    assert "error_flow/heat_map/both" in values[step]
    joined = flow.history["both"]
    share = values[step]["error_flow/first_to_largest/both"]
    assert share == pytest.approx((joined["at_first"] / joined["largest"])[-1], rel=1e-5)


def test_a_path_without_a_recurrent_layer_raises_an_error():
    flow = ErrorFlow(joined={"both": ("encoder/rnn_1", "decoder/rnn_9")})
    with pytest.raises(ValueError, match=r"^ErrorFlow: joined: no layer .* at decoder/rnn_9, only"):
        train(network(GRU), flow)
