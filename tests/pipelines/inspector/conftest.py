"""A folder of runs, a TensorBoard that shows them with each of its loaders, and a browser."""

import shutil

import event_files
import keras
import numpy as np
import pytest
from errorflow.callbacks import (
    AttentionMaps,
    DepthFlow,
    ErrorFlow,
    ErrorMatrix,
    Gates,
    Horizon,
    LayerGradients,
    Lyapunov,
    TextSamples,
)
from errorflow.callbacks.drawing.attention_maps import Alignment
from errorflow.layers import LSTM, SimpleRNN
from tab import CHROMIUM, DRIVER, HOSTILE, STEPS, tensorboard


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """(A folder with runs, what their callbacks recorded)"""
    folder, recorded = tmp_path_factory.mktemp("runs"), {}
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, STEPS, 3)), random.normal(size=(64, 1))
    for name, layer in (("simple", SimpleRNN), ("lstm", LSTM)):
        model = keras.Sequential(
            [keras.Input((STEPS, 3)), layer(5, name="rnn"), keras.layers.Dense(1, name="head")]
        )
        model.compile("adam", "mse", jit_compile=False)
        logs = folder / name / "logs"
        callbacks = [ErrorFlow(logs), LayerGradients(logs)]
        if layer is LSTM:
            callbacks += [Gates(x, logs), Horizon(x[:4], logs)]
            callbacks += [DepthFlow(logs), Lyapunov(x[:4], logs, exponents=2)]
            weights = random.dirichlet([1] * 3, size=4)
            alignment = Alignment("abc", "wxyz", weights)
            callbacks += [AttentionMaps(lambda found=alignment: [found], logs)]
            callbacks += [TextSamples(lambda: [{"text": HOSTILE, "predicted": "b"}], logs)]
        model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
        recorded[name] = [one.history for one in callbacks[:5]]
    each = keras.Sequential([keras.Input((STEPS, 3)), SimpleRNN(5, return_sequences=True)])
    each.compile("adam", "mse", jit_compile=False)
    matrix = ErrorMatrix(x[:4], x[:4, :, :1], folder / "each")
    each.fit(x, x[:, :, :1], epochs=2, verbose=0, callbacks=[matrix])
    recorded["each"] = [matrix.history]
    source, target = keras.Input((STEPS, 3)), keras.Input((4, 3))
    _, state = SimpleRNN(5, return_state=True, name="encoder")(source)
    answers = SimpleRNN(5, return_sequences=True, name="decoder")(target, initial_state=[state])
    pair = keras.Model([source, target], answers)
    pair.compile("adam", "mse", jit_compile=False)
    flow = ErrorFlow(folder / "pair", joined={HOSTILE: ("encoder", "decoder")})
    pair.fit([x, x[:, :4]], x[:, :4, :1], batch_size=8, verbose=0, callbacks=[flow])
    recorded["pair"] = [flow.history, flow.findings()]
    shutil.copytree(folder / "each", folder / HOSTILE)
    event_files.write(folder / "damaged", "errorflow", **{HOSTILE: (b"[]", np.ones(3))})
    event_files.write(folder / "garbage", "errorflow")
    (folder / "garbage" / "events.out.tfevents.1").write_bytes(b"\0" * 99)
    return folder, recorded


QUIET = "--reload_interval=120"  # these runs do not change


@pytest.fixture(scope="session")
def fast(trained):
    """The address of a TensorBoard with its fast loader."""
    with tensorboard(trained[0], QUIET, fast=True) as address:
        yield address


@pytest.fixture(scope="session")
def slow(trained):
    """The address of a TensorBoard with its slow loader."""
    with tensorboard(trained[0], QUIET, fast=False) as address:
        yield address


@pytest.fixture(params=["fast", "slow"])
def server(request):
    """The address of a TensorBoard that shows these runs, with each loader."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.add_argument("--window-size=1500,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
