"""Trials: trained like `train`, resumed after a kill, and recorded however they end."""

import copy
import dataclasses
import math
import signal
import subprocess
import sys
from pathlib import Path

import event_files
import numpy as np
import pytest
from errorflow.pipelines import cli, names
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import dump_config
from errorflow.pipelines.core.files import write_json, write_text
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.names import NamesConfig
from errorflow.pipelines.search.pruning import best_so_far, first_to_last, median_at, vanished
from errorflow.pipelines.search.trial import run_trial
from errorflow.pipelines.search.trial_folder import Request, read_result
from errorflow.pipelines.training import workflow
from tensorboard.plugins.hparams import plugin_data_pb2

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {"units": 5, "embedding": 4, "batch_size": 16, "dropout": 0.2, "limit": 60}
SMALL |= {"learning_rate": 0.01, "epochs": 3, "jit": "off"}  # compiling takes longer than training
F1 = {"name": "val_macro_f1", "direction": "max"}


@pytest.fixture
def make(two_classes, tmp_path):
    """Write the folder of a trial: request and configuration."""

    def make_trial(name: str = "t1", *, config=None, **request) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        settings = {"data_dir": two_classes} | SMALL | (config or {})
        write_text(folder / "config.yaml", dump_config(replace(NamesConfig(), **settings)))
        content = dataclasses.asdict(Request(task="names", **request))
        write_json(folder / "trial_request.json", content)
        return folder

    return make_trial


def figures(run: RunFolder) -> list[dict[str, float]]:
    """The history without its timings."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(run)]


def assert_same(run: RunFolder, other: RunFolder):
    assert len(figures(run)) == len(figures(other))
    for row, expected in zip(figures(run), figures(other), strict=True):
        assert row == pytest.approx(expected, rel=1e-5)


def test_a_trial_and_train_agree_on_the_same_configuration(make, two_classes, tmp_path):
    values = {"units": 5, "bidirectional": False, "model": "lstm", "weight_decay": None}
    folder = make(hyperparameters=values)
    result = run_trial(folder)
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    where = ["--name", "a", "--run-dir", str(tmp_path), "--data-dir", str(two_classes)]
    assert cli.main(["names", "train", *where, *flags]) == 0
    run, trained = RunFolder(folder / "run"), RunFolder(tmp_path / "names" / "a")
    assert_same(run, trained)

    curve = [row["val_macro_f1"] for row in read_history(run)]
    assert (result["status"], result["reason"]) == ("completed", None)
    assert result["objective"] == F1
    assert (result["curve"], result["score"]) == (curve, max(curve))
    assert result["best_epoch"] == trained.results()["best_epoch"]
    assert curve[result["best_epoch"] - 1] == max(curve)
    assert (result["epochs"], result["devices"]) == (3, ["CPU"])
    for key in ("parameters", "verdict"):
        assert result[key] == trained.results()[key]
    assert result["peak_memory"]["process"] > 1e8
    assert result["seconds"] > 0
    assert run.status == "finished"
    assert not {"validation", "test"} & set(run.results())
    assert load(run.best).count_params() == load(trained.best).count_params()

    values, metadata = event_files.read(run.logs)
    assert values[0]["val_macro_f1"] == pytest.approx(max(curve))
    plugin = metadata["_hparams_/session_start_info"].plugin_data
    assert plugin.plugin_name == "hparams"
    start = plugin_data_pb2.HParamsPluginData.FromString(plugin.content).session_start_info
    assert start.group_name == "t1"
    shown = {key: getattr(v, str(v.WhichOneof("kind"))) for key, v in start.hparams.items()}
    assert shown == {"units": 5, "bidirectional": False, "model": "lstm"}


def test_a_finished_execution_is_not_repeated_and_the_score_is_their_mean(make, monkeypatch):
    folder = make(executions=2, config={"epochs": 1})
    result = run_trial(folder)
    seeds = [execution["seed"] for execution in result["executions"]]
    scores = [execution["score"] for execution in result["executions"]]
    histories = [figures(RunFolder(folder / name)) for name in ("run", "run-2")]
    assert seeds == [1, 2]
    assert histories[0] != histories[1]
    assert result["score"] == pytest.approx(np.mean(scores))
    assert scores == [rows[0]["val_macro_f1"] for rows in histories]
    assert result["epochs"] == 2

    monkeypatch.setattr(workflow, "train_in", None)
    assert run_trial(folder) == result
    (folder / "result.json").unlink()
    again = run_trial(folder)
    assert again | {"peak_memory": None} == result | {"peak_memory": None}
    event_files.read(folder / "run" / "logs")  # asserts that nothing was written twice


def test_a_finished_trial_continues_with_more_epochs(make):
    folder = make(config={"epochs": 1, "schedule": "constant"})
    run_trial(folder)
    (folder / "result.json").unlink()
    assert run_trial(make(config={"epochs": 2, "schedule": "constant"}))["epochs"] == 2
    straight = make("t2", config={"epochs": 2, "schedule": "constant"})
    run_trial(straight)
    assert_same(RunFolder(folder / "run"), RunFolder(straight / "run"))


SIGNALLED = """
import os, sys
from errorflow.pipelines.search import trial
from errorflow.pipelines.training.checkpoint import RunCheckpoint

folder, number, epochs = sys.argv[1], *map(int, sys.argv[2:])
end_epoch = RunCheckpoint.on_epoch_end

def end_epoch_and_die(self, epoch, logs=None):
    end_epoch(self, epoch, logs)
    if epoch + 1 == epochs:
        os.kill(os.getpid(), number)

RunCheckpoint.on_epoch_end = end_epoch_and_die
raise SystemExit(trial.main([folder]))
"""


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGKILL],
        pytest.param([signal.SIGTERM, signal.SIGINT, signal.SIGKILL], marks=pytest.mark.slow),
    ],
)
def test_a_stopped_or_killed_trial_resumes_to_the_same_result(make, signals):
    config = {"epochs": len(signals) + 1, "patience": 0}
    folder = make(config=config)
    codes = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}
    for epochs, number in enumerate(signals, start=1):
        assert run_python("-c", SIGNALLED, folder, int(number), epochs) == codes[number]
        assert not (folder / "result.json").exists()
        assert RunFolder(folder / "run").status == "interrupted"
        assert len(read_history(RunFolder(folder / "run"))) == epochs
    assert run_trial(folder)["status"] == "completed"
    straight = make("t2", config=config)
    assert run_trial(straight)["curve"] == pytest.approx(read_result(folder)["curve"], rel=1e-5)
    assert_same(RunFolder(folder / "run"), RunFolder(straight / "run"))


def run_python(*arguments) -> int:
    command, quiet = [sys.executable, *map(str, arguments)], subprocess.DEVNULL
    return subprocess.run(command, stdout=quiet, check=False).returncode


def test_a_folder_that_is_not_a_trial_gets_no_result(tmp_path):
    assert run_python("-m", "errorflow.pipelines.search.trial", tmp_path) == 2
    assert not list(tmp_path.iterdir())


class Guarded:
    """Data whose test split must not be touched, not even to count it."""

    def __init__(self, data):
        self.data = data

    def __getattr__(self, name):
        assert name != "test", "the test split was used"
        return getattr(self.data, name)


def test_the_test_split_is_never_used(make, two_classes, tmp_path, monkeypatch):
    guarded, read_data = copy.copy(names.TASK), names.TASK.read_data
    object.__setattr__(guarded, "read_data", lambda *args: Guarded(read_data(*args)))
    monkeypatch.setattr(names, "TASK", guarded)
    assert run_trial(make(config={"epochs": 1}))["status"] == "completed"
    settings = SMALL | {"epochs": 1, "data_dir": two_classes, "run_dir": tmp_path}
    with pytest.raises(AssertionError, match="the test split was used"):
        workflow.train(guarded, replace(NamesConfig(), **settings))


@pytest.mark.parametrize(
    ("config", "request_", "message"),
    [
        ({"data_dir": Path("nowhere")}, {}, "--data-dir nowhere: no such file or folder"),
        ({"units": 0}, {}, "--units (key units) must be 1 or more, got 0"),
        (
            {},
            {"objective": {"name": "val_wer", "direction": "min"}},
            "no objective 'val_wer'; there are: accuracy, loss, macro_f1, val_accuracy, val_loss,",
        ),
    ],
)
def test_a_failure_is_a_result_with_its_reason(make, config, request_, message):
    folder = make(config=config, **request_)
    result = run_trial(folder)
    assert result["status"] == "failed"
    assert message in result["reason"]
    assert "\n" not in result["reason"]
    assert result["score"] is None
    assert result["curve"] == []
    assert read_result(folder) == result


def test_a_trial_whose_loss_is_not_finite_has_a_verdict_too(make):
    wild = {"clip_norm": 0.0, "optimizer": "sgd", "learning_rate": 1e3}
    result = run_trial(make(config=wild | {"model": "rnn", "activation": "relu"}))
    assert result["status"] == "failed"
    assert "the loss is no longer a number (nan in epoch 1)" in result["reason"]
    assert result["verdict"][0].startswith("rnn_1: ")
    assert result["parameters"] > 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            MemoryError("Unable to allocate 9 GiB"),
            "out of memory (Unable to allocate 9 GiB)",
        ),
        (ZeroDivisionError("division\nby zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_the_reason_names_the_error(make, monkeypatch, error, reason):
    def raise_it(*_):
        raise error

    monkeypatch.setattr(type(names.TASK), "build_training", raise_it)
    assert run_trial(make())["reason"].startswith(reason)


def test_resource_exhaustion_is_out_of_memory(make, monkeypatch):
    import tensorflow as tf

    def raise_it(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating [9]")

    monkeypatch.setattr("keras.Model.fit", raise_it)
    result = run_trial(make())
    assert result["reason"].startswith("out of memory (OOM when allocating [9]")
    assert result["parameters"] > 0


# Rules that stop a trial early


@pytest.fixture
def others(make) -> dict[str, list[str]]:
    """Three completed trials, far ahead, and one that was stopped and does not count."""
    for name, curve in (("a", [9.0]), ("b", [0.0, 9.0]), ("c", [0.1, 8.0, 9.0])):
        write_json(make(name) / "result.json", {"status": "completed", "curve": curve})
    write_json(make("d") / "result.json", {"status": "pruned", "curve": [-1.0]})
    return {"finished": ["../a", "../b", "../c", "../d"]}


def test_a_trial_behind_the_others_is_pruned_and_its_best_is_kept(make, others):
    """Without a recurrent layer, the rule on vanishing errors has nothing to judge."""
    rules = {"median": {"warm_up": 2, "trials": 3}, "vanishing": {"epochs": 1}}
    folder = make(**others, **rules, config={"epochs": 4, "model": "bag"})
    result = run_trial(folder)
    assert result["status"] == "pruned"
    assert "the best val_macro_f1 in 2 epochs was " in result["reason"]
    assert ", the median of 3 finished trials 9" in result["reason"]
    assert (len(result["curve"]), result["score"]) == (2, max(result["curve"]))
    run = RunFolder(folder / "run")
    assert run.status == "finished"
    assert run.results()["best_epoch"] == result["best_epoch"]
    assert load(run.best)


def test_a_network_in_which_the_error_vanishes_is_stopped(make):
    folder = make(config={"model": "rnn"}, vanishing={"epochs": 2, "threshold": 1e9})
    result = run_trial(folder)
    assert result["status"] == "vanishing"
    assert "rnn_1" in result["reason"]
    assert result["reason"].endswith("all below 1e9")
    assert result["epochs"] == len(result["first_to_last"]) == 2
    shares = [epoch["rnn_1"] for epoch in result["first_to_last"]]
    assert 0 < shares[0] != shares[1] > 0
    assert load(RunFolder(folder / "run").best)


def test_a_trial_that_no_rule_applies_to_is_completed(make, others):
    """Too few trials are finished, and the error does not vanish."""
    rules = {"median": {"warm_up": 2, "trials": 4}, "vanishing": {"epochs": 2, "threshold": 1e-30}}
    result = run_trial(make(**others, **rules, config={"model": "rnn"}))
    assert result["status"] == "completed"
    assert result["first_to_last"]


# Pure functions


def test_the_best_so_far_ignores_values_that_are_not_finite():
    nan = math.nan
    assert best_so_far([nan, 3, 5, None, 2, math.inf], "min") == [math.inf, 3, 3, 3, 2, 2]
    assert best_so_far([nan, 3, 5, -math.inf, 2], "max") == [-math.inf, 3, 5, 5, 5]


@pytest.mark.parametrize(
    ("direction", "medians"),
    [("max", [2.0, 2.0, 4.0, 5.0]), ("min", [2.0, 1.0, 1.0, 1.0])],
)
def test_the_median_of_finished_trials_at_an_epoch(direction, medians):
    curves = [
        [1.0, 2.0, 4.0, 5.0],  # max: 1 2 4 5   min: 1 1 1 1
        [2.0, 1.0],  #            max: 2 2 2 2   min: 2 1 1 1
        [4.0, 4.0, 9.0, 0.0],  #  max: 4 4 9 9   min: 4 4 4 0
    ]
    assert [median_at(epoch, curves, direction) for epoch in range(4)] == medians


def tables(rows: list[list[float]]) -> dict[str, np.ndarray]:
    """The records of an error that enters at the last time step only."""
    hidden = np.array(rows, np.float32)
    carried = np.where(np.arange(hidden.shape[1]) < hidden.shape[1] - 1, hidden, 0.0)
    return {
        "step": np.arange(1, len(rows) + 1),
        "length": np.full(len(rows), hidden.shape[1]),
        "hidden_from_end": hidden,
        "carried_from_end": carried,
    }


def test_the_share_is_the_median_over_the_training_steps_of_one_epoch():
    recorded = tables([[1, 1, 1, 1], [1, 2, 4, 8], [1, 10, 50, 100], [1, 3, 9, 27]])
    assert first_to_last(recorded) == pytest.approx((27 * 8) ** -0.5)  # in logarithms
    assert first_to_last(recorded, after=1) == pytest.approx(1 / 27)
    assert first_to_last(recorded, after=4) is None
    assert first_to_last(tables([[3]])) is None  # there is no time
    assert first_to_last(tables([[0, 0, 0, 1]])) == 0


def test_an_error_has_vanished_only_in_all_layers_and_all_first_epochs():
    epochs = [{"a": 1e-4, "b": 0.0}, {"a": 2e-5, "b": 1e-9}, {"a": 1.0, "b": 1.0}]
    assert vanished(epochs, 2, 1e-3) == (
        "share of the last time step's error that reaches the first one, epoch by epoch:"
        " a 1e-4, 2e-5; b 0, 1e-9; all below 0.001"
    )
    assert vanished(epochs, 3, 1e-3) is None
    assert vanished(epochs[:1], 2, 1e-3) is None
    assert vanished([{"a": 1e-4, "b": None}], 1, 1e-3) is None
    assert vanished([{}], 1, 1e-3) is None
