"""`train --log mlflow`, and the row of each training in TensorBoard's tab HPARAMS."""

import json
import shutil
import subprocess
import sys
import threading
import time

import event_files
import psutil
import pytest
from errorflow.callbacks.findings.finding import Finding
from errorflow.pipelines import cli
from errorflow.pipelines.core import requirements
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import dump_config, load_config
from errorflow.pipelines.core.console import muted
from errorflow.pipelines.core.errors import WORKER_LOST, UserError
from errorflow.pipelines.core.files import write_json, write_rows
from errorflow.pipelines.core.recorded_findings import finding_row
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.core.run_lifecycle import check_can_begin
from errorflow.pipelines.core.run_lock import hold
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.training import tracking
from errorflow.pipelines.training.sender import Part, Sender
from report_runs import picture
from tasks import train_flags
from tensorboard.plugins.hparams import plugin_data_pb2

LOGGED = replace(NamesConfig(), log="mlflow", epochs=2).resolved()
FINDING = Finding("rnn", "vanishing", "0.1% arrives", "0.1% of the error arrives")
ALL_FILES = {
    "README.md", "config.yaml", "results.json", "findings.json", "plots/curves.png",
    "checkpoints/best.keras",
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A run folder after two epochs, as a training leaves it."""
    run = RunFolder(tmp_path / "runs" / "names" / "a-seed1")
    for folder in (run.plots, run.logs, run.backup):
        folder.mkdir(parents=True)
    run.config_file.write_text(dump_config(LOGGED), encoding="utf-8")
    results = {"task": "names", "name": run.name, "status": "running", "epochs": 2}
    write_json(run.results_file, results)
    write_history(run, 2)
    (run.plots / "curves.png").write_bytes(picture())
    (run.path / "README.md").write_text("# names/a", encoding="utf-8")
    run.best.write_bytes(b"a model")
    run.update(
        monitor="val_loss",
        best_epoch=2,
        test={"accuracy": 0.75, "loss": None},
        findings=[finding_row(FINDING)],
        verdict=[FINDING.first_sentence],
    )
    return run


def write_history(run, epochs):
    rows = [{"epoch": n, "loss": 1 / n, "val_loss": 2 / n} for n in range(1, epochs + 1)]
    write_rows(run.history_file, rows)


def train(run, config, status="finished", epochs=2):
    """List a run as a training does that ends with a status."""
    with tracking.listed(run, config) as callbacks:
        (callback,) = callbacks()
        callback.on_train_begin(None)
        for epoch in range(epochs):
            callback.on_epoch_begin(epoch, None)
        run.update(status=status)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A client of an empty local store, which is the one of the environment."""
    store = f"file://{tmp_path}/store"  # a database takes seconds to create
    for name, value in {
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return pytest.importorskip("mlflow").MlflowClient(store)


def only_run(client, experiment="errorflow/names"):
    id_ = client.get_experiment_by_name(experiment).experiment_id
    (found,) = client.search_runs([id_])
    return found


def files(client, run_id, folder=None):
    listed = client.list_artifacts(run_id, folder)
    inside = [files(client, run_id, entry.path) for entry in listed if entry.is_dir]
    return {entry.path for entry in listed if not entry.is_dir}.union(*inside)


def steps(client, run_id, figure):
    return [(m.step, m.value) for m in client.get_metric_history(run_id, figure)]


def test_mlflow_receives_settings_figures_findings_and_files(run, client, capsys):
    train(run, LOGGED)
    logged = only_run(client)
    assert (logged.info.run_name, logged.info.status) == ("a-seed1", "FINISHED")
    assert logged.data.tags["group"] == "a"
    assert {"epochs": "2", "model": "lstm"}.items() <= logged.data.params.items()
    assert steps(client, logged.info.run_id, "val_loss") == [(1, 2.0), (2, 1.0)]
    assert logged.data.metrics["test_accuracy"] == 0.75
    assert logged.data.metrics["best_val_loss"] == 1.0
    assert "test_loss" not in logged.data.metrics  # it is not finite
    assert logged.data.tags["finding.vanishing"] == f"trouble: {FINDING.sentence}"
    assert files(client, logged.info.run_id) == ALL_FILES
    assert "mlflow: experiment errorflow/names, run a-seed1, in file:" in capsys.readouterr().err

    # Resumed for two more epochs, the first of which it has sent already, and interrupted
    write_history(run, 4)
    run.config_file.write_text(dump_config(replace(LOGGED, epochs=4)), encoding="utf-8")
    run.update(findings=[], verdict=[], epochs=4)
    train(run, LOGGED, "interrupted")
    resumed = only_run(client)
    assert (resumed.info.run_id, resumed.info.status) == (logged.info.run_id, "KILLED")
    assert steps(client, resumed.info.run_id, "loss") == [(n, 1 / n) for n in range(1, 5)]
    assert (resumed.data.params["epochs"], resumed.data.tags["resumed.epochs"]) == ("2", "4")
    assert not [tag for tag in resumed.data.tags if tag.startswith("finding.")]
    assert "left out" not in capsys.readouterr().err


def test_a_run_that_mlflow_no_longer_has_becomes_a_new_one(run, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    train(run, LOGGED, "failed")
    first = only_run(client, "mine")
    client.delete_run(first.info.run_id)
    train(run, LOGGED, "failed")
    second = only_run(client, "mine")
    assert first.info.run_id != second.info.run_id
    assert (second.info.status, first.info.status) == ("FAILED", "FAILED")
    assert files(client, second.info.run_id) == ALL_FILES - {"checkpoints/best.keras"}


def test_another_process_ends_the_run_of_a_killed_training(run, client):
    with hold(run.lock_file):
        train(run, LOGGED, "running", epochs=1)
        tracking.end_killed(run)
        assert only_run(client).info.status == "RUNNING"
    write_history(run, 3)
    tracking.end_killed(run)
    logged = only_run(client)
    assert logged.info.status == "KILLED"
    assert steps(client, logged.info.run_id, "val_loss") == [(n, 2 / n) for n in (1, 2, 3)]

    train(run, LOGGED)
    tracking.end_killed(run)
    assert only_run(client).info.status == "FINISHED"


def test_nothing_is_listed_of_a_training_that_has_not_begun(run, tmp_path):
    with pytest.raises(UserError), tracking.listed(run, LOGGED):
        raise UserError("no data")
    assert not (run.path / "mlflow.json").exists()
    assert not (run.logs / "hparams").exists()


class Fragile:
    """A source of three parts, to a receiver that can be down or silent."""

    receiver, place = "tracker", "http://u@tracker"

    def __init__(self):
        self.is_down, self.silence, self.sent = False, threading.Event(), []
        self.silence.set()
        self.tried = threading.Event()

    def parts(self, *, is_over):
        names = ["epochs", "findings", "model"][: 3 if is_over else 1]
        return [Part(name, lambda name=name: self._send(name), 0.2) for name in names]

    def _send(self, name):
        self.tried.set()
        self.silence.wait()
        if self.is_down:
            raise ConnectionError("https://me:secret@tracker refuses")
        self.sent.append(name)


@pytest.mark.parametrize("returns", [True, False])
def test_a_tracker_that_fails_gets_one_warning_and_what_is_missing_later(capsys, returns):
    source = Fragile()
    sender = Sender(source)
    source.is_down = True
    for _ in range(3):
        source.tried.clear()
        sender.wake()
        assert source.tried.wait(10)
    source.is_down = not returns
    sender.end()
    warning, *more = capsys.readouterr().err.splitlines()
    assert warning == (
        "tracker: cannot take epochs: https://tracker refuses; the training goes on, it is sent"
        " again later"
    )
    if returns:
        assert more == ["tracker: nothing was left out after all"]
        assert source.sent == ["epochs", "findings", "model"]
    else:
        assert more == ["tracker: left out: epochs, findings, model; the folder has all of it"]


def test_what_was_left_out_is_a_warning_where_nothing_is_printed():
    source = Fragile()
    source.is_down = True
    with muted():
        sender = Sender(source)
    with pytest.warns(UserWarning, match="left out: epochs, findings, model"), muted():
        sender.wake()
        sender.end()


def test_a_tracker_that_does_not_answer_holds_up_nothing(capsys):
    source = Fragile()
    source.silence.clear()
    sender = Sender(source)
    sender.wake()
    assert source.tried.wait(10)
    time.sleep(0.3)  # longer than the part has
    sender.wake()
    sender.end()
    lines = capsys.readouterr().err.splitlines()
    source.silence.set()
    assert lines[0].startswith("tracker: no answer from http://u@tracker; the training goes on")
    assert lines[1:] == ["tracker: left out: epochs, findings, model; the folder has all of it"]


def test_a_missing_package_is_one_line_before_the_training(monkeypatch, tmp_path, capsys):
    found = requirements.importlib.util.find_spec
    monkeypatch.setattr(
        requirements.importlib.util,
        "find_spec",
        lambda name: None if name == "mlflow" else found(name),
    )
    assert cli.main(["names", "train", "--log", "mlflow", "--run-dir", str(tmp_path / "r")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "errorflow: --log mlflow needs the package mlflow, which is not installed:"
        " pip install 'errorflow[mlflow]'"
    )
    assert not (tmp_path / "r").exists()


def test_log_is_a_key_of_files_and_no_reason_to_refuse_a_resume(run, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("log: mlflow\n", encoding="utf-8")
    assert load_config(NamesConfig, file).tracking.log == "mlflow"
    run.update(status="interrupted")
    shutil.rmtree(run.best.parent)
    run.history_file.unlink()
    check_can_begin("names", replace(LOGGED, log="none"), run)


def test_the_tab_hparams_lists_settings_and_final_figures(run):
    config = replace(LOGGED, log="none")
    for status in ("interrupted", "finished"):  # the second row replaces the first
        train(run, config, status)
    values, metadata = event_files.read(run.logs / "hparams")
    content = metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.group_name == "names/a-seed1"
    assert start.hparams["model"].string_value == "lstm"
    assert start.hparams["epochs"].number_value == 2
    assert not {"forget_bias", "log"} & {*start.hparams}  # the first is None
    assert [values[0][name] for name in values[0] if "hparams" not in name] == [0.75]
    assert len([*(run.logs / "hparams").iterdir()]) == 1


@pytest.mark.slow
def test_a_training_logs_to_mlflows_own_database(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    flags = train_flags("names", tmp_path)
    assert cli.main(["names", "train", "--name", "a", "--log", "mlflow", *flags]) == 0
    client = mlflow.MlflowClient("sqlite:///mlflow.db")
    logged = only_run(client)
    run = RunFolder(tmp_path / "runs" / "names" / "a")
    assert logged.info.status == "FINISHED"
    assert logged.data.metrics["test_accuracy"] == run.results()["test"]["accuracy"]
    assert {"checkpoints/best.keras", "plots/curves.png"} < files(client, logged.info.run_id)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_that_loses_a_worker_is_killed_in_mlflow_until_it_is_resumed(
    lost, client, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    flags = [*train_flags("names", tmp_path), "--log", "mlflow", "--name", "a"]
    flags[flags.index("--epochs") + 1] = "5"
    flags[flags.index("--batch-size") + 1] = "4"
    launched = launch(*flags)
    run = RunFolder(tmp_path / "runs" / "names" / "a")
    while not read_history(run):
        assert launched.poll() is None
        time.sleep(0.02)
    (worker,) = (child for child in psutil.Process(launched.pid).children() if index(child) == lost)
    worker.kill()
    assert launched.wait() == WORKER_LOST
    killed, sent = only_run(client), len(read_history(run))
    assert killed.info.status == "KILLED" and sent < 5
    assert steps_of(client, killed, "loss") == [*range(1, sent + 1)]

    assert launch("--resume", "--name", "a").wait() == 0
    resumed = only_run(client)
    assert (resumed.info.run_id, resumed.info.status) == (killed.info.run_id, "FINISHED")
    assert steps_of(client, resumed, "loss") == [1, 2, 3, 4, 5]
    assert resumed.data.params["epochs"] == "5"
    assert resumed.data.metrics["test_accuracy"] == run.results()["test"]["accuracy"]
    assert {"checkpoints/best.keras", "plots/curves.png"} < files(client, resumed.info.run_id)


def launch(*flags):
    command = ["launch", "--workers", "2", "--", "names", "train", *flags]
    return subprocess.Popen([sys.executable, "-P", "-m", "errorflow.pipelines", *command])


def index(worker):
    """The number of a worker."""
    return json.loads(worker.environ()["TF_CONFIG"])["task"]["index"]


def steps_of(client, run, figure):
    return [step for step, _ in steps(client, run.info.run_id, figure)]
