"""What the server of the Error Flow tab answers, with both of TensorBoard's loaders."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from tab import HOSTILE, STEPS, ask


def decoded(table):
    values = np.frombuffer(base64.b64decode(table["values"]), "<f4")
    return values.reshape(len(table["steps"]), len(table["columns"]))


def test_the_loader_imports_nothing_that_could_stop_tensorboard():
    script = (
        "import sys, errorflow.pipelines.inspector.loader; print(*(name for name in sys.modules if"
        " name.split('.')[0] in ('tensorflow', 'keras') or name.startswith('errorflow.')))"
    )
    imported = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    package = "errorflow.pipelines"
    assert imported == [package, f"{package}.inspector", f"{package}.inspector.loader"]


def test_the_server_runs_without_tensorflow():
    script = "import sys, errorflow.pipelines.inspector.plugin; print('tensorflow' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert process.stdout.split() == [b"False"]


def test_tables_are_what_the_callbacks_recorded(server, trained):
    for run in ("simple", "lstm"):
        flow, gradients, *_ = trained[1][run]
        query = {"run": f"{run}/logs/train", "kind": "error_flow", "name": "rnn"}
        for statistic in ("hidden", "carried"):
            table = ask(server, "table", **query, statistic=statistic, align="start")
            assert table["steps"] == [*range(1, 25)]
            assert table["columns"] == [*range(1, STEPS + 1)]
            np.testing.assert_array_equal(decoded(table), flow["rnn"][statistic])
        table = ask(server, "table", **query, statistic="hidden", align="end")
        assert table["columns"] == [*range(STEPS)][::-1]
        np.testing.assert_array_equal(decoded(table), flow["rnn"]["hidden"])
        assert "the last 20% of 24 recorded training steps" in table["findings"][0]["text"]

        query = {"run": f"{run}/logs/train", "kind": "layer_gradients"}
        table = ask(server, "table", **query, statistic="ratio")
        assert table["columns"] == gradients["layers"] == ["rnn", "head"]
        np.testing.assert_array_equal(decoded(table), gradients["ratio"])


def test_an_encoder_and_its_decoder_share_a_time_axis(server, trained):
    history, findings = trained[1]["pair"]
    every_series = [one for run in ask(server, "runs") for one in run["series"]]
    (name,) = [one["name"] for one in every_series if one["joined"]]
    assert name == HOSTILE
    query = {"run": "pair/train", "kind": "error_flow", "name": name}
    table = ask(server, "table", **query, statistic="hidden")
    assert table["columns"] == [*range(1 - STEPS, 5)]
    np.testing.assert_array_equal(decoded(table), history[HOSTILE]["hidden"])
    (finding,) = table["findings"]
    assert finding["text"] == findings[-1].first_sentence
    assert finding["evidence"] == pytest.approx(findings[-1].evidence)


@pytest.mark.parametrize(
    "query, message",
    [
        ({"run": "none"}, "there is no series none"),
        (
            {"run": "lstm/logs/train", "kind": "error_flow", "name": "rnn", "statistic": "x"},
            "there is no statistic 'x' in it, only hidden, hidden_max, carried, valid, cell",
        ),
    ],
)
def test_an_invalid_request_gets_an_error_message(server, query, message):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(server, "table", **query)
    assert caught.value.code == 400
    assert json.load(caught.value)["error"].startswith(message)


@pytest.mark.parametrize(
    "path", ["../plugin.py", "..%2fplugin.py", "%2e%2e/plugin.py", "/etc/passwd", ".", "none.js"]
)
def test_no_path_leads_out_of_the_static_folder(server, path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server}/data/plugin/errorflow/static/{path}")
    assert caught.value.code == 404


def test_a_course_is_the_figures_of_each_training_step(server, trained):
    flow, gradients, *_ = trained[1]["simple"]
    query = {"run": "simple/logs/train", "kind": "error_flow", "name": "rnn"}
    course = ask(server, "course", **query)
    hidden = flow["rnn"]["hidden"].astype(float)  # errors enter at the last step alone
    np.testing.assert_allclose(course["lines"]["first_to_last"], hidden[:, 0] / hidden[:, -1])
    assert course["epochs"] == [step / 8 for step in range(1, 25)]
    course = ask(server, "course", run="simple/logs/train", kind="layer_gradients")
    norms = np.linalg.norm(gradients["norm"].astype(float), axis=1)
    np.testing.assert_allclose(course["lines"]["global_norm"], norms)
    table = ask(server, "table", **query, statistic="hidden")
    assert table["epoch_of_steps"] == course["epochs"]


def test_a_damaged_record_hides_no_training(server):
    listed = {one["run"] for one in ask(server, "runs")}
    assert listed > {"simple", "lstm", "each", "pair"}
    assert not listed & {"damaged", "garbage"}
    damaged = {one["run"] for one in ask(server, "damaged")}
    assert damaged == {"damaged", "garbage"}
