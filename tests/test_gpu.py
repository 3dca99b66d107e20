"""`benchmarks/gpu.py`: each part in its reduced form on the CPU; on a GPU, those that check."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CHECKS = ("devices", "exact", "cudnn", "precision", "mirrored", "export", "resume", "search")


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def on_the_cpu():
    """Also on a machine with a GPU."""
    with tf.device("CPU:0"):
        yield


def script(folder, *flags):
    """Run the script; return its exit code, its lines, and what it wrote."""
    command = [sys.executable, BENCHMARKS / "gpu.py", "--output", folder / "gpu.json", *flags]
    own = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}  # of the tests
    process = subprocess.run(command, env=own, stdout=subprocess.PIPE, text=True, check=False)
    written = json.loads((folder / "gpu.json").read_text(encoding="utf-8"))
    return process.returncode, process.stdout.splitlines(), written


@pytest.mark.usefixtures("on_the_cpu")
@pytest.mark.parametrize("part", ["devices", "exact", "cudnn"])  # the others: see the slow test
def test_a_part_passes_in_its_reduced_form(part, tmp_path):
    from gpu_parts import Form

    form = Form(reduced=True, folder=tmp_path, deadline=time.monotonic() + 250)
    report = importlib.import_module(f"gpu_parts.{part}").run(form)
    assert report.failures == []
    assert report.figures
    assert "nan" not in report.summary


@pytest.mark.slow
@pytest.mark.timeout(2000)
def test_all_parts_pass_in_their_reduced_form(tmp_path):
    """Each in its own process, as on a GPU."""
    from gpu_parts import PARTS

    code, lines, written = script(tmp_path, "--reduced", "--minutes", "30")
    statuses = {name: result["status"] for name, result in written["parts"].items()}
    assert statuses == dict.fromkeys(PARTS, "passed")
    assert (code, len(lines), written["passed"]) == (0, len(PARTS), True)


@pytest.mark.slow
def test_without_a_gpu_nothing_is_run_and_the_reason_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    code, (line,), written = script(tmp_path)
    assert code == 2
    assert "TensorFlow sees no GPU" in line
    assert [*written["parts"]] == ["devices"]
    assert not written["passed"]


def test_a_part_that_ends_without_a_report_does_not_hide_the_reason(tmp_path):
    import gpu

    (tmp_path / "log.txt").write_text("one\nCHECK failed: no memory\n\n", encoding="utf-8")
    crashed = gpu.outcome(tmp_path, -6)
    assert (crashed["status"], crashed["exit_code"]) == ("crashed", -6)
    assert crashed["summary"] == "CHECK failed: no memory"
    assert crashed["log"][0] == "one"
    assert gpu.outcome(tmp_path, None)["status"] == "took too long"


@pytest.mark.parametrize(("failures", "code", "status"), [([], 0, "passed"), (["x"], 0, "failed")])
def test_a_part_fails_if_its_report_names_a_failure(tmp_path, failures, code, status):
    import gpu

    report = {"summary": "s", "figures": {}, "failures": failures}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    (tmp_path / "log.txt").write_text("", encoding="utf-8")
    assert gpu.outcome(tmp_path, code)["status"] == status


def test_an_exception_in_one_case_does_not_hide_the_others():
    from gpu_parts import Failures

    failures = Failures()
    for number in range(3):
        with failures.guard(f"case {number}"):
            1 / number
    assert failures == ["case 0: ZeroDivisionError: division by zero"]


def test_no_variable_of_a_recorded_training_is_kept_off_a_gpu():
    """TensorFlow has no variables of int32 there, and a step compiled by XLA reads no others."""
    import keras
    from errorflow.callbacks import ErrorFlow, LayerGradients
    from errorflow.layers import LSTM

    types = set()

    def create(make, **options):
        variable = make(**options)
        types.add(variable.dtype)
        return variable

    with tf.variable_creator_scope(create):
        model = keras.Sequential([keras.Input((3, 2)), LSTM(2), keras.layers.Dense(1)])
        model.compile("adam", "mse", run_eagerly=True)
        x, y = tf.zeros([2, 3, 2]), tf.zeros([2, 1])
        model.fit(x, y, verbose=0, callbacks=[ErrorFlow(), LayerGradients()])
    assert {tf.int64} < types <= {tf.float32, tf.float64, tf.int64}


@pytest.mark.parametrize("error", [None, RuntimeError("already initialized")])
def test_the_memory_of_a_gpu_is_taken_as_it_is_needed_if_it_is_not_in_use(monkeypatch, error):
    from errorflow.pipelines.core.devices import load_tensorflow

    asked = []

    def set_memory_growth(gpu, enable):
        asked.append((gpu, enable))
        if error:
            raise error

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"a {kind}"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_memory_growth)
    load_tensorflow()
    assert asked == [("a GPU", True)]


@pytest.mark.gpu
@pytest.mark.timeout(660)
@pytest.mark.parametrize("part", CHECKS)
def test_a_check_passes_on_this_gpu(part, tmp_path):
    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow sees no GPU")
    code, lines, written = script(tmp_path, "--parts", part)
    assert code == 0, (lines, written["parts"][part])
