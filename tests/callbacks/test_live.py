"""What `ErrorFlow(live=…)` shows while a model trains, and that the records stay the same."""

import io
import os
import types
import warnings

import keras
import numpy as np
import pytest
from errorflow.callbacks import ErrorFlow
from errorflow.callbacks.recording import live
from errorflow.layers import SimpleRNN


def fit(callback, verbose=0, epochs=2):
    """20 training steps in each epoch."""
    keras.utils.set_random_seed(0)
    rnn = SimpleRNN(3, name="rnn")
    model = keras.Sequential([keras.Input((6, 2)), rnn, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.ones([20, 6, 2]), np.ones([20, 1])
    model.fit(*data, batch_size=1, epochs=epochs, verbose=verbose, callbacks=[callback])
    return callback


class Handle:
    """A display handle that keeps what it is to show."""

    def __init__(self):
        self.shown = []

    def update(self, obj):
        self.shown.append(obj._repr_html_())


def test_a_picture_is_updated_in_place_and_gives_way_to_the_findings():
    handle = Handle()
    flow = fit(ErrorFlow(live=handle))
    first, *_, last = handle.shown
    assert "training step 1<" in first and 'alt="error over time in rnn"' in first
    assert last == flow._repr_html_()
    recorded, expected = flow.history["rnn"], fit(ErrorFlow()).history["rnn"]
    for name, table in expected.items():
        np.testing.assert_array_equal(recorded[name], table)


def test_what_fails_in_drawing_is_one_warning(recwarn):
    flow = fit(ErrorFlow(live=types.SimpleNamespace(update=lambda view: 1 / 0)))
    given = [w for w in recwarn if "nothing more is drawn" in str(w.message)]
    assert len(given) == 1
    assert len(flow.history["rnn"]["step"]) == 40 and flow.failure is None


def test_a_stream_gets_one_plain_line_after_each_epoch(capsys):
    stream = io.StringIO()
    fit(ErrorFlow(live=stream), verbose=1)
    lines = stream.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["step 20", "step 40"]
    assert all(line.partition(": ")[2].startswith("rnn ") for line in lines)
    capsys.readouterr()
    fit(ErrorFlow(live=True), verbose=2)
    printed = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    beside = [line for line in printed if not line.startswith("20/20")]
    assert beside == ["Epoch 1/2", "step 20", "Epoch 2/2", "step 40"]


def test_a_terminal_without_a_progress_bar_gets_one_line_that_is_written_over():
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    reader, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, b"\x18\x00\x1e\x00" + bytes(4))  # 30 columns
    with os.fdopen(terminal, "w") as stream:
        fit(ErrorFlow(live=stream))
        text = os.read(reader, 10_000).decode()
    os.close(reader)
    *_, last, end = text.split("\r")
    assert end == "\n" and last.startswith("step 40: rnn ")
    assert "\n" not in text[:-1] and "\x1b" not in text
    assert max(map(len, text.split("\r"))) < 30


def test_the_next_picture_waits_fifty_times_as_long_as_the_last_one_took(monkeypatch):
    now = 100.0
    monkeypatch.setattr(live, "time", types.SimpleNamespace(monotonic=lambda: now))
    view, callback = live.LiveView(Handle()), keras.callbacks.Callback()
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    view.begin(callback)
    assert view.is_due

    def progress(seconds):
        nonlocal now
        now += seconds
        return live.Progress(1, (), dict)

    for seconds, due in ((0.01, 2.0), (0.1, 5.0)):
        start = now
        view.show(lambda seconds=seconds: progress(seconds))
        now = start + due - 0.01
        assert not view.is_due
        now = start + due
        assert view.is_due
    assert view.seconds == pytest.approx(0.11)


def test_nothing_is_shown_unless_asked(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(ErrorFlow())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("live", ["yes", 1, None])
def test_what_nothing_can_be_shown_on_is_refused(live):
    with pytest.raises(TypeError, match=f"got {live!r}"):
        ErrorFlow(live=live)
