"""`errorflow tensorboard` is TensorBoard's own process; the tab under a prefix, in both loaders."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import event_files
import keras
import numpy as np
import pytest
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients, TextSamples
from errorflow.callbacks.recording.event_log import EventLog
from errorflow.callbacks.recording.rows import single_row
from errorflow.layers import LSTM
from errorflow.pipelines.training.epoch_scalars import EpochScalars
from tab import ask, tensorboard, until

COMMAND = [sys.executable, "-m", "errorflow.pipelines", "tensorboard", "--run-dir"]


def write_run(folder, blocks=1):
    log = EventLog(folder / "a" / "train")
    gate = dict.fromkeys(("forget", "forget_closed", "forget_open"), np.ones(3))
    for step in range(1, blocks + 1):
        log.write("gates", {"rnn": single_row(step, gate)}, {}, {}, step)
        log.flush()
    log.close()


@contextlib.contextmanager
def started(folder, *flags):
    process = subprocess.Popen([*COMMAND, folder, *flags], stdout=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_prints_its_address_under_a_prefix_and_leaves_nothing_when_it_is_killed(tmp_path):
    write_run(tmp_path)
    flags = "--port", "0", "--path_prefix", "/tb", "--reload_interval=5"
    with started(tmp_path, *flags) as (process, line):
        address, _, tab = line.split()[-1].partition("/#")
        assert (address.endswith("/tb"), tab) == (True, "errorflow")
        (training,) = until(lambda: ask(address, "runs"))
        assert training["run"] == "a"
        with urllib.request.urlopen(f"{address}/data/plugins_listing") as answer:
            path = json.load(answer)["errorflow"]["loading_mechanism"]["module_path"]
        assert path.startswith("/tb/")
        with urllib.request.urlopen(f"{address.removesuffix('/tb')}{path}") as answer:
            assert answer.headers.get_content_type() == "text/javascript"
        port = int(address.split(":")[2].split("/")[0])
        command = [*COMMAND, tmp_path, "--port", str(port)]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        said = [line for line in second.stderr.splitlines() if line.startswith("errorflow: ")]
        assert (second.returncode, len(said), second.stdout) == (2, 1, "")
        assert f"port {port} is in use" in said[0]
        process.kill()
        process.wait()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_ctrl_c_ends_it_quietly(tmp_path):
    with started(tmp_path, "--port", "0") as (process, line):
        assert line.startswith("TensorBoard shows the runs at http://127.0.0.1:")
        ask(line.split()[-1].partition("/#")[0], "runs")  # it serves now
        os.kill(process.pid, signal.SIGINT)
        assert (process.wait(), process.stdout.read()) == (0, "")


class Watch(keras.callbacks.Callback):
    """Waits after each epoch, while the event files are open, until TensorBoard shows all of it."""

    def __init__(self, address):
        super().__init__()
        self.address = address

    def on_epoch_end(self, epoch, logs=None):
        steps = 4 * (epoch + 1)
        wanted = {"error_flow": steps, "layer_gradients": steps, "gates": epoch + 1}
        until(lambda: self.shown() == (wanted, epoch + 1, epoch + 1))

    def shown(self):
        """{kind: latest step}, and the number of epochs that have figures of either part"""
        trainings = [one for one in ask(self.address, "runs") if one["run"] == "b"]
        series = [series for one in trainings for series in one["series"]]
        latest = {one["kind"]: one["latest"] for one in series}
        return latest, *(self.points(f"b/logs/{part}") for part in ("train", "validation"))

    def points(self, run):
        url = f"{self.address}/data/plugin/scalars/scalars?run={run}&tag=epoch_loss"
        try:
            with urllib.request.urlopen(url) as answer:
                return len(json.load(answer))
        except urllib.error.HTTPError:  # there is no such tag yet
            return 0


@pytest.mark.parametrize("fast", [True, False])
def test_both_loaders_show_all_blocks_and_a_training_that_goes_on(tmp_path, fast):
    model = keras.Sequential([keras.Input([3, 2]), LSTM(2, name="rnn"), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    x, y = np.ones([8, 3, 2], "float32"), np.ones([8, 1], "float32")
    write_run(tmp_path, blocks=30)
    logs = tmp_path / "b" / "logs"
    with tensorboard(tmp_path, "--reload_interval=1", fast=fast) as address:
        query = {"run": "a/train", "kind": "gates", "name": "rnn", "statistic": "forget"}
        # All blocks are loaded without a flag, as in a notebook: by default, it would be 10.
        assert ask(address, "table", **query)["steps"] == [*range(1, 31)]
        callbacks = [ErrorFlow(logs), LayerGradients(logs), Gates(x, logs)]
        callbacks += [TextSamples(lambda: [{"a": 1}], logs), EpochScalars(logs), Watch(address)]
        options = {"validation_data": (x, y), "batch_size": 2, "epochs": 2, "verbose": 0}
        model.fit(x, y, callbacks=callbacks, **options)
    assert len([*logs.rglob("*.tfevents.*")]) == 2
    values, _ = event_files.read(logs / "validation")
    assert {"samples", "epoch_loss"} <= {tag for at in values.values() for tag in at}
