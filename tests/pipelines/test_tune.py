"""`tune`: how trials end, which files remain, and what is printed.

The trials of one test are real; in the others, a function takes the place of a trial's process.
"""

import csv
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import event_files
import grpc
import keras_tuner
import numpy as np
import pytest
from errorflow.pipelines import cli
from errorflow.pipelines.core.config import flat
from errorflow.pipelines.core.config_files import load_config
from errorflow.pipelines.core.errors import UserError, WorkerLost
from errorflow.pipelines.core.files import read_json, write_json, write_text
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.run_lock import hold
from errorflow.pipelines.core.space import Choice, Range
from errorflow.pipelines.core.stop_request import PARENT
from errorflow.pipelines.names import NamesConfig
from errorflow.pipelines.search import chief, lock, oracles, service, trial_process, worker
from errorflow.pipelines.search.config import parse_objective
from errorflow.pipelines.search.plots import importances
from errorflow.pipelines.search.resources import divide_resources
from errorflow.pipelines.search.trial_folder import read_result, stored_result
from keras_tuner.src.distribute import oracle_client
from keras_tuner.src.engine import conditions

FAST = ["--limit", "60", "--epochs", "1", "--jit", "off"]


@pytest.fixture
def space(tmp_path) -> Path:
    """A space file in which only the number of units is searched."""
    keys = "bidirectional embedding dropout balance label_smoothing learning_rate batch_size"
    keys = [*keys.split(), "optimizer", "clip_norm", "layers"]
    fixed = {"model": "lstm", "units": [2, 3, 4, 5, 6, 7], "embedding": 4, "layers": 1}
    fixed["batch_size"] = 128
    default = flat(NamesConfig())
    lines = {key: fixed.get(key, default[key]) for key in ("model", "units", *keys)}
    path = tmp_path / "space.yaml"
    write_text(path, "\n".join(f"{key}: {json.dumps(value)}" for key, value in lines.items()))
    return path


@pytest.fixture
def tune(two_classes, space, tmp_path):
    """(flags) → exit code of a search in tmp_path/searches/names."""

    def run(*flags: str) -> int:
        where = ["--data-dir", str(two_classes), "--directory", str(tmp_path / "searches")]
        return cli.main(["names", "tune", *where, "--space", str(space), *FAST, *flags])

    return run


@pytest.fixture
def project(tmp_path) -> Path:
    return tmp_path / "searches" / "names"


class Trials:
    """Takes the place of a trial's process: `score` computes the score from the network."""

    def __init__(self):
        self.ran: list[str] = []
        self.score = lambda network: network.units / 10
        self.reason = "out of memory"

    def train(self, folder: Path, *_) -> int:
        trial_id = folder.name.removeprefix("trial_")
        self.ran.append(trial_id)
        config = load_config(NamesConfig, folder / "config.yaml")
        run = RunFolder(folder / "run")
        for path in (run.best, run.last):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(trial_id.encode())
        write_text(run.config_file, (folder / "config.yaml").read_text())
        write_json(run.results_file, {"task": "names", "status": "finished"})
        score = self.score(config.network)
        write_json(
            folder / "result.json",
            {
                "status": "failed" if score is None else "completed",
                "reason": self.reason if score is None else None,
                "objective": {"name": "val_macro_f1", "direction": "max"},
                "score": score,
                "best_epoch": 1,
                "epochs": 1,
                "seconds": 1.0,
                "parameters": 100,
                "devices": ["CPU"],
                "verdict": [],
            },
        )
        return 0


@pytest.fixture
def trials(monkeypatch) -> Trials:
    trials = Trials()
    monkeypatch.setattr(trial_process, "run_process", trials.train)
    monkeypatch.setattr(worker, "WAIT", 0.01)
    monkeypatch.setattr(service, "FAREWELL", 0.2)
    return trials


def rows(project: Path) -> list[dict[str, str]]:
    with (project / "trials.csv").open(newline="") as file:
        return [*csv.DictReader(file)]


def test_a_search_of_real_trials_ends_with_a_model_ready_to_use(tune, project, capsys, monkeypatch):
    for name, value in {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}.items():
        monkeypatch.setenv(name, value)  # searches of their own, or workers of one search
    assert tune("--max-trials", "2", "--strategy", "auto") == 0
    output = capsys.readouterr().out
    assert output.count("completed  val_macro_f1") == 2
    (head,) = [line for line in output.splitlines() if line.split()[:1] == ["rank"]]
    assert head.split()[:3] == ["rank", "trial", "val_macro_f1"] and "objective" not in head
    table = rows(project)
    assert [row["rank"] for row in table] == ["1", "2"]
    assert float(table[0]["score"]) >= float(table[1]["score"])
    assert {row["status"] for row in table} == {"completed"}
    assert all(row["verdict"].startswith("rnn_1") for row in table)

    best = project / "best"
    chosen = load_config(NamesConfig, best / "config.yaml")
    assert (str(chosen.network.units), chosen.network.embedding) == (table[0]["units"], 4)
    assert (best / "best.keras").read_bytes() == RunFolder(best).best.read_bytes()
    assert cli.main(["names", "predict", "--run", str(best), "aeiou", "bcdbcd"]) == 0
    assert (
        cli.main(["names", "train", "--config", str(best / "config.yaml"), "--print-config"]) == 0
    )
    assert f"units: {chosen.network.units}\n" in capsys.readouterr().out

    _, metadata = event_files.read(project)
    assert "_hparams_/experiment" in metadata
    for trial in project.glob("trial_*"):
        values, _ = event_files.read(trial / "run" / "logs" / "train")
        assert values

    assert tune("--max-trials", "2") == 0  # there is nothing left to do
    assert "resuming after 2 finished trials" in capsys.readouterr().err


def test_a_trial_that_fails_is_recorded_and_the_search_continues(tune, trials, project):
    trials.score = lambda network: None if network.units % 2 else network.units / 10
    assert tune("--oracle", "grid") == 0
    table = rows(project)
    assert [row["units"] for row in table] == ["6", "4", "2", "3", "5", "7"]
    assert [row["status"] for row in table] == ["completed"] * 3 + ["failed"] * 3
    assert {row["reason"] for row in table[3:]} == {"out of memory"}
    assert [row["rank"] for row in table] == ["1", "2", "3", "", "", ""]


def test_only_the_best_trials_keep_their_networks(tune, trials, project):
    assert tune("--oracle", "grid", "--keep", "2") == 0
    folders = [path.parts[-4] for path in project.glob("trial_*/run/checkpoints/best.keras")]
    table = rows(project)
    assert sorted(folders) == sorted(f"trial_{row['trial']}" for row in table[:2])
    assert (project / "best" / "best.keras").read_bytes() == table[0]["trial"].encode()
    assert RunFolder(project / "best").results()["trial"] == table[0]["trial"]


@pytest.mark.parametrize("oracle", ["random", "bayesian", "hyperband"])
def test_the_seed_determines_the_trials(tune, trials, project, oracle):
    def search(seed: str):
        flags = ["--oracle", oracle, "--max-trials", "5", "--epochs", "4"]
        assert tune(*flags, "--seed", seed, "--project-name", f"p{len(trials.ran)}") == 0
        last = max(project.parent.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [(row["trial"], row["units"], row["score"]) for row in rows(last)]

    first = search("0")
    assert search("0") == first
    assert search("1") != first or search("2") != first


def test_a_stopped_search_resumes_and_runs_no_trial_twice(tune, trials, project):
    def interrupt(network):
        if len(trials.ran) == 3:
            raise KeyboardInterrupt
        return network.units / 10

    trials.score = interrupt
    assert tune("--oracle", "grid") == 130
    assert not (project / "lock.json").exists()
    trials.score = lambda network: network.units / 10
    assert tune("--oracle", "grid") == 0
    assert sorted(map(int, trials.ran)) == [0, 1, 2, 2, 3, 4, 5]
    assert sorted(row["units"] for row in rows(project)) == [*"234567"]


def test_a_trial_whose_process_dies_is_tried_again_and_then_failed(tune, project, monkeypatch):
    codes = iter([1, -signal.SIGSEGV, 1, 1])
    monkeypatch.setattr(trial_process, "run_process", lambda *_: next(codes))
    assert tune("--max-trials", "2") == 2  # no trial has a score
    reasons = {row["reason"].partition(";")[0] for row in rows(project)}
    assert reasons == {"its process was killed by SIGSEGV", "its process ended with code 1"}


def test_a_trial_that_is_killed_from_outside_is_tried_again_at_the_next_start(
    tune, trials, project, monkeypatch
):
    train = trial_process.run_process
    codes = {1: [-signal.SIGKILL] * 2, 2: [143, 129]}

    def run(folder, *arguments):
        ended = codes.get(int(folder.name.removeprefix("trial_")))
        return ended.pop() if ended else train(folder, *arguments)

    monkeypatch.setattr(trial_process, "run_process", run)
    grid = ["--oracle", "grid", "--max-trials", "4"]
    assert tune(*grid) == 0
    assert {row["trial"]: row["status"] for row in rows(project)} == {
        **dict.fromkeys("03", "completed"),
        **dict.fromkeys("12", "interrupted"),
    }
    assert tune(*grid) == 0
    assert [*map(int, trials.ran)] == [0, 3, 1, 2]
    killed = [{**row, "seconds": ""} for row in rows(project)]
    assert tune(*grid, "--project-name", "undisturbed") == 0
    undisturbed = rows(project.with_name("undisturbed"))
    assert killed == [{**row, "seconds": ""} for row in undisturbed]


def test_the_next_call_completes_what_a_killed_one_has_not_written(tune, trials, project):
    assert tune("--max-trials", "2") == 0
    shutil.rmtree(project / "best")
    (project / "trials.csv").unlink()
    assert tune("--max-trials", "2", "--keep", "1") == 0
    assert len(trials.ran) == len(rows(project)) == 2
    assert len([*project.glob("trial_*/run/checkpoints")]) == 1
    assert (project / "best" / "best.keras").exists()


DAMAGED_RESULTS = {
    "": "empty",
    '{"score": 9}': "no status",
    '{"status": "completed", "score": "9"}': "score is not a finite number",
    '{"status": "completed", "score": NaN}': "score is not a finite number",
    '{"status": "completed", "score": 9}': "a score without its objective",
    '{"status": "completed", "curve": [[]]}': "curve is not a list of numbers",
}


@pytest.mark.parametrize("text, reason", DAMAGED_RESULTS.items(), ids=DAMAGED_RESULTS.values())
def test_a_damaged_result_counts_as_none(tmp_path, text, reason):
    (tmp_path / "result.json").write_text(text)
    assert read_result(tmp_path) == {}
    with pytest.raises(UserError, match=f"result.json is damaged .{reason}"):
        stored_result(tmp_path)


def test_a_trial_with_a_damaged_result_is_marked_and_keeps_its_network(tune, trials, project):
    assert tune("--oracle", "grid", "--keep", "1") == 0
    best, second, *_ = rows(project)
    folder = project / f"trial_{best['trial']}"
    (folder / "result.json").write_text("")
    assert tune("--oracle", "grid", "--keep", "1") == 0
    first, *_, last = rows(project)
    assert (first["trial"], first["rank"]) == (second["trial"], "1")
    assert (last["trial"], last["rank"], last["status"]) == (best["trial"], "", "damaged")
    assert last["reason"] == "result.json: empty"
    assert (folder / "run" / "checkpoints" / "best.keras").exists()
    assert (project / "best" / "best.keras").read_text() == best["trial"]


def test_a_damaged_run_is_not_copied_to_best(tune, trials, project, capsys):
    assert tune("--oracle", "grid", "--keep", "2") == 0
    best, second, *_ = rows(project)
    (project / f"trial_{best['trial']}" / "run" / "results.json").write_text("[]")
    (project / "best" / "results.json").write_text("[]")
    assert tune("--oracle", "grid", "--keep", "2") == 0
    assert rows(project)[0] == best
    assert (project / "best" / "best.keras").read_text() == second["trial"]
    assert f"trial {best['trial']} is not copied" in capsys.readouterr().err


def test_hyperband_needs_a_number_of_epochs(tune, space, capsys):
    names = ["names", "tune", "--oracle", "hyperband", "--space", str(space)]
    write_text(space, "epochs: [1, 2]")
    assert cli.main(names) == 2
    assert "remove them from the space" in capsys.readouterr().err
    assert cli.main(["images", "tune", "--oracle", "hyperband"]) == 2
    assert "--oracle hyperband needs --epochs" in capsys.readouterr().err


def test_hyperband_continues_the_shorter_trial(tune, trials, project):
    assert tune("--oracle", "hyperband", "--epochs", "4", "--factor", "2") == 0
    trials = [
        (read_json(path)["hyperparameters"]["values"], path.parent)
        for path in project.glob("trial_*/trial.json")
    ]
    later = [(values, folder) for values, folder in trials if values["tuner/initial_epoch"]]
    assert later
    for values, folder in later:
        config = load_config(NamesConfig, folder / "config.yaml")
        assert config.optimisation.epochs == values["tuner/epochs"] > values["tuner/initial_epoch"]
        assert (project / f"trial_{values['tuner/trial_id']}" / "result.json").exists()


def test_workers_divide_cores_and_trials_among_them(tune, trials, project):
    assert tune("--oracle", "grid", "--workers", "3") == 0
    assert sorted(map(int, trials.ran)) == [*range(6)]
    if hasattr(os, "sched_getaffinity"):
        parts = [resources.cores for resources in divide_resources(2)]
        assert all(parts)
        assert sorted({p for part in parts for p in part}) == sorted(os.sched_getaffinity(0))


# Flags of searched settings


@pytest.fixture
def search(two_classes, tmp_path):
    """(flags) → exit code of a search of one trial in tmp_path/searches/names."""
    where = ["--data-dir", str(two_classes), "--directory", str(tmp_path / "searches")]
    return lambda *flags: cli.main(["names", "tune", *where, *FAST, "--max-trials", "1", *flags])


def test_a_flag_fixes_a_setting_that_would_be_searched(search, trials, project, tmp_path, capsys):
    flags = ["--units=24", "--weight_decay", "0.2", "--no-bidirectional", "--model", "gru"]
    assert search(*flags) == 0
    printed = capsys.readouterr().err
    values = "model gru, units 24, bidirectional False, weight_decay 0.2"
    assert f"not searched, since flags fix them: {values}\n" in printed
    assert not {"model", "units", "bidirectional"} & {*rows(project)[0]}
    chosen = flat(load_config(NamesConfig, project / "best" / "config.yaml"))
    assert (chosen["units"], chosen["weight_decay"], chosen["bidirectional"]) == (24, 0.2, False)
    assert search(*flags) == 0
    assert "resuming after 1 finished trials" in capsys.readouterr().err
    assert search(*flags[1:]) == 2
    assert (
        "begun with another choice of fixed settings (units), space (units)"
        in capsys.readouterr().err
    )


def test_a_setting_of_a_config_file_is_searched(search, trials, project, tmp_path):
    write_text(tmp_path / "mine.yaml", "units: 24")
    assert search("--config", str(tmp_path / "mine.yaml")) == 0
    assert rows(project)[0]["units"] in ("64", "128", "256")


def test_a_flag_and_a_space_file_that_give_the_same_setting_are_refused(tune, project, capsys):
    assert tune("--units", "3") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("key units: --units gives this setting, too; leave one of them out")
    assert not project.exists()


def test_a_search_of_an_earlier_version_goes_on_with_its_space(
    search, trials, project, tmp_path, capsys
):
    write_text(tmp_path / "mine.yaml", "units: 24")  # as a flag was then
    assert search("--config", str(tmp_path / "mine.yaml")) == 0
    arguments = read_json(project / "search.json")
    del arguments["fixed"]
    write_json(project / "search.json", arguments)
    assert search("--units", "24", "--max-trials", "2") == 0
    assert "which searches units in spite of the flags" in capsys.readouterr().err
    configs = [load_config(NamesConfig, file) for file in project.glob("trial_*/config.yaml")]
    assert len(configs) == 2 and {c.network.units for c in configs} <= {64, 128, 256}
    assert search("--units", "24", "--overwrite") == 0
    assert "units" not in rows(project)[0]


# The service


@pytest.fixture
def address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def as_worker(monkeypatch):
    """keras-tuner's environment variables, gone after the test."""
    for name in ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def chief_and_worker(tune, project, address, as_worker) -> Callable[[], list[int]]:
    """() → exit codes of the worker and the chief of a search over the grid."""

    def run() -> list[int]:
        codes = []
        chief = threading.Thread(
            target=lambda: codes.append(tune("--oracle", "grid", "--chief", address))
        )
        chief.start()
        while not (project / "tune.yaml").exists():
            time.sleep(0.05)
        codes.append(tune("--worker-of", address))
        chief.join()
        return codes

    return run


@pytest.mark.enable_socket
def test_a_worker_on_another_machine_takes_part(chief_and_worker, trials, project, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # leads nowhere
    assert chief_and_worker() == [0, 0]
    assert sorted(map(int, trials.ran)) == [*range(6)]
    assert len(rows(project)) == 6


@pytest.mark.enable_socket
@pytest.mark.parametrize("call", ["CreateTrial", "EndTrial"])
def test_an_answer_that_is_lost_repeats_no_trial(
    call, chief_and_worker, trials, project, monkeypatch, capsys
):
    answer, answers = getattr(service.Service, call), itertools.count()

    def lose_the_third(self, request, context):
        response = answer(self, request, context)
        if next(answers) == 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection is lost")
        return response

    monkeypatch.setattr(service.Service, call, lose_the_third)
    assert chief_and_worker() == [0, 0]
    assert sorted(map(int, trials.ran)) == [*range(6)]
    assert len(rows(project)) == 6
    lines = [line for line in capsys.readouterr().err.splitlines() if " answer" in line]
    assert ["does not answer" in lines[0], "answers again" in lines[1]] == [True, True]


@pytest.mark.enable_socket
def test_a_search_that_ends_while_its_worker_is_cut_off_is_over(
    chief_and_worker, trials, monkeypatch, capsys
):
    create = service.Service.CreateTrial

    def lose_the_end(self, request, context):
        response = create(self, request, context)
        if self.stop_triggered:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection is lost")
        return response

    monkeypatch.setattr(service.Service, "CreateTrial", lose_the_end)
    monkeypatch.setattr(service, "PATIENCE", 0.5)
    monkeypatch.setattr(chief, "ATTEMPT", 0.1)
    usual = oracle_client.TIMEOUT
    assert chief_and_worker() == [0, 0]
    assert "the search is over" in capsys.readouterr().err
    assert usual == oracle_client.TIMEOUT


def test_workers_that_are_started_elsewhere_find_the_data(
    tune, trials, project, two_classes, monkeypatch
):
    monkeypatch.chdir(two_classes.parent)
    assert tune("--data-dir", two_classes.name, "--oracle", "grid") == 0
    assert f"data_dir: {two_classes}\n" in (project / "tune.yaml").read_text()


def test_a_worker_waits_while_anothers_trial_may_be_queued_again(tmp_path):
    objective = keras_tuner.Objective("score", "max")
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 9)
    search = {"seed": 0, "task": "names", "data_hash": "", "max_trials": 1}
    where = {"directory": tmp_path, "project_name": "p"}
    oracle = oracles.make("random", objective=objective, hyperparameters=space, **search, **where)
    first = oracle.create_trial("one")
    assert oracle.create_trial("two").status == "IDLE"
    oracle.requeue(first.trial_id)
    again = oracle.create_trial("two")
    assert (again.trial_id, again.status) == (first.trial_id, "RUNNING")
    oracle.update_trial(again.trial_id, {"score": 1.0})
    again.status = "COMPLETED"
    oracle.end_trial(again)
    assert oracle.create_trial("two").status == "STOPPED"


@pytest.mark.enable_socket
def test_a_lost_workers_trial_is_given_to_another_one(monkeypatch, address):
    class Oracle:
        def __init__(self):
            self.back = []

        def requeue(self, trial_id):
            self.back.append(trial_id)
            return True

    chief = service.Service(Oracle())
    chief.last_call = {"1": time.monotonic() - 50, "2": time.monotonic()}
    chief.return_lost_trials()
    chief.return_lost_trials()
    assert chief.oracle.back == ["1"]
    assert service.PATIENCE + service.BEAT < service.LOST < 60


@pytest.mark.enable_socket
def test_a_worker_whose_chief_stays_away_gives_up(monkeypatch, address):
    monkeypatch.setattr(chief, "ABSENCE", 0.2)
    with pytest.raises(WorkerLost, match=r"has not answered for 0.2 s; once it runs, repeat"):
        chief.Chief(address).wait_for_return(is_over=lambda: False)


def test_keras_tuner_prints_nothing_while_conditions_are_sent(capsys):
    parent = conditions.Parent("model", ["lstm"])
    with service.quiet_conditions():
        assert parent.to_proto().parent.name == "model"
        assert capsys.readouterr().out == ""
    parent.to_proto()
    assert capsys.readouterr().out == "lstm\n"  # else `quiet_conditions` is no longer needed


@pytest.mark.enable_socket
def test_a_wrong_address_is_explained(tune, trials, address, capsys, monkeypatch):
    host, port = address.split(":")
    with socket.create_server((host, int(port))):
        assert tune("--chief", address) == 2
    assert f"--chief {address}: Address already in use" in capsys.readouterr().err
    monkeypatch.setattr(chief, "ABSENCE", 0.2)
    assert tune("--worker-of", address) == 2
    assert "no chief has answered for 0.2 s" in capsys.readouterr().err
    of_another_search = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    port = of_another_search.add_insecure_port(f"{host}:0")
    of_another_search.start()
    assert tune("--worker-of", f"{host}:{port}") == 2
    of_another_search.stop(grace=None).wait()
    assert "holds no search" in capsys.readouterr().err


# Mistakes


def test_no_network_of_a_search_is_trained_by_several_workers(tune, trials, capsys, monkeypatch):
    assert tune("--strategy", "multi-worker") == 2
    assert "a search trains each network in one process" in capsys.readouterr().err
    cluster = {"worker": ["10.0.0.1:1", "10.0.0.2:1"]}
    tf_config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    monkeypatch.setenv("TF_CONFIG", tf_config)
    assert tune("--max-trials", "1") == 2
    assert "TF_CONFIG names 2 workers, but a search trains each" in capsys.readouterr().err
    assert not trials.ran


def test_an_unknown_objective_ends_the_search_and_leaves_nothing(tune, trials, project, capsys):
    trials.score = lambda network: None
    trials.reason = "no objective 'val_fun'; there are: loss, val_loss"
    assert tune("--objective", "val_fun") == 2
    message = "errorflow: --objective: no objective 'val_fun'; there are: loss, val_loss"
    assert message in capsys.readouterr().err
    assert not project.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-trials", "0"], "--max-trials (key max_trials) must be 1 or more, got 0"),
        (["--workers", "0"], "--workers (key workers) must be 1 or more"),
        (["--objective", "val_f1:best"], "must be NAME, NAME:min or NAME:max"),
        (["--chief", "here:x"], "must be HOST:PORT, or PORT"),
        (["--workers", "2", "--device", "gpu:0"], "the workers divide all GPUs"),
        (["--chief", "a:1", "--worker-of", "b:1"], "--chief and --worker-of exclude each other"),
        (["--project-name", "a/b"], "--project-name 'a/b' must be"),
        (["--space", "nowhere.yaml"], "nowhere.yaml"),
        (["--data-dir", "nowhere"], "nowhere"),
    ],
)
def test_bad_flags_leave_nothing(tune, tmp_path, capsys, flags, message):
    assert tune(*flags) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert not any((tmp_path / "searches").glob("*"))


def test_a_folder_of_another_search_or_process_is_refused(tune, trials, project, capsys):
    assert tune("--max-trials", "1") == 0
    assert tune("--max-trials", "1", "--oracle", "grid") == 2
    assert "was begun with another oracle (random → grid)" in capsys.readouterr().err
    assert tune("--max-trials", "1", "--patience", "3") == 2
    assert "patience (10 → 3)" in capsys.readouterr().err
    assert tune("--max-trials", "1", "--objective", "val_loss") == 2
    assert "objective (the task's own → val_loss)" in capsys.readouterr().err
    assert tune("--max-trials", "1", "--overwrite", "--data-dir", "nowhere") == 2
    assert len(rows(project)) == 1  # a refused call deletes nothing
    capsys.readouterr()
    assert tune("--max-trials", "1", "--oracle", "grid", "--overwrite") == 0
    assert [*map(int, trials.ran)] == [0, 0]
    with hold(project / "lock.json"):
        assert tune("--max-trials", "1", "--oracle", "grid", "--overwrite") == 2
    assert f"is in use by process {os.getpid()} on" in capsys.readouterr().err
    assert len(rows(project)) == 1
    (project.parent / "other").mkdir()
    write_text(project.parent / "other" / "thesis.txt", "")
    assert tune("--overwrite", "--project-name", "other") == 2
    assert (project.parent / "other" / "thesis.txt").exists()


@pytest.mark.parametrize("ending", ["interrupted", "failed", "killed"])
def test_an_earlier_search_is_kept_until_the_new_one_has_a_score(
    tune, trials, project, monkeypatch, ending
):
    assert tune("--max-trials", "2") == 0
    table, best = rows(project), (project / "best" / "best.keras").read_bytes()

    def end(network):
        assert (project / "best" / "best.keras").read_bytes() == best  # usable meanwhile
        if ending == "interrupted":
            raise KeyboardInterrupt

    trials.score = end
    with monkeypatch.context() as patch:
        if ending == "killed":  # nothing is tidied up
            patch.setattr(lock, "settle", lambda *_: None)
        tune("--max-trials", "1", "--overwrite", "--seed", "5")
    trials.score = lambda network: network.units / 10
    assert tune("--max-trials", "2") == 0  # the earlier one, which is finished
    assert rows(project) == table
    assert read_json(project / "best" / "results.json")["trial"] is not None
    assert tune("--max-trials", "1", "--overwrite", "--seed", "5") == 0
    assert len(rows(project)) == 1 and not (project / ".earlier").exists()


@pytest.mark.parametrize(
    ("text", "direction"),
    [("val_loss", "min"), ("val_accuracy", "max"), ("val_wrong", "min"), ("val_loss:max", "max")],
)
def test_the_direction_of_an_objective_follows_from_its_name(text, direction):
    assert parse_objective(text) == {"name": text.partition(":")[0], "direction": direction}


def test_a_trial_stops_when_its_search_is_killed(tmp_path):
    """A trial ends by itself when the process that started it has ended."""
    code = "import sys, time; from errorflow.pipelines.search import trial; "
    code += "trial.run_trial = lambda *_: time.sleep(60); sys.exit(trial.main(sys.argv[1:]))"
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    environment = os.environ | {PARENT: str(parent.pid)}
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    time.sleep(2)
    assert child.poll() is None
    parent.kill()
    parent.wait()
    assert child.wait(20) == 128 + signal.SIGTERM


def test_the_setting_that_scores_depend_on_is_the_most_important_one():
    space = {"units": Range(1, 50), "model": Choice("rnn", "lstm"), "layers": Choice(1, 2)}
    random = np.random.default_rng(0)
    values = [
        {"units": int(random.integers(1, 51)), "model": str(random.choice(["rnn", "lstm"])),
         "layers": int(random.integers(1, 3))}
        for _ in range(40)
    ]  # fmt: skip
    ranked = [{"values": v, "score": v["units"] + 5.0 * (v["model"] == "lstm")} for v in values]
    shares = importances(space, ranked, [*space])
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["units"] > 0.7
    assert shares["layers"] < shares["model"] < shares["units"]
