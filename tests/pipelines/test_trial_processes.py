"""The processes of a search train one trial after another, and no trial changes the next one."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from errorflow.pipelines import names
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import dump_config
from errorflow.pipelines.core.errors import OutOfMemory, UserError
from errorflow.pipelines.core.files import write_json, write_text
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.names import NamesConfig
from errorflow.pipelines.search import trial_process
from errorflow.pipelines.search.execution import free_memory
from errorflow.pipelines.search.processes import TrialProcess, open_processes
from errorflow.pipelines.search.resources import WorkerResources, divide_resources
from errorflow.pipelines.search.trial import UNFIT, UnfitProcess, run_trial
from errorflow.pipelines.search.trial_folder import Request, read_result

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {"units": 5, "embedding": 4, "batch_size": 16, "dropout": 0.2, "limit": 60}
SMALL |= {"learning_rate": 0.01, "epochs": 1, "jit": "off"}
F1 = {"name": "val_macro_f1", "direction": "max"}
DONE = {"status": "completed", "reason": None, "score": 0.5, "objective": F1}


@pytest.fixture
def make(two_classes, tmp_path):
    """Write the folder of a trial: request and configuration."""

    def make_trial(name: str, **request) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        config = replace(NamesConfig(), data_dir=two_classes, **SMALL)
        write_text(folder / "config.yaml", dump_config(config))
        content = dataclasses.asdict(Request(task="names", **request))
        write_json(folder / "trial_request.json", content)
        return folder

    return make_trial


@pytest.fixture
def finished(tmp_path):
    """Write the folder of a trial that has a result."""

    def make_finished(name: str, score: float = 0.5) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write_json(folder / "result.json", DONE | {"score": score})
        return folder

    return make_finished


def code_of(process: TrialProcess, folder: Path) -> int:
    return trial_process.run_process(folder, process, lambda: time.sleep(0.01), 10)


def children() -> set[psutil.Process]:
    return {*psutil.Process().children()}


def test_a_process_takes_one_trial_after_another_and_another_process_follows_it(finished, tmp_path):
    """Trials that have a result already need no TensorFlow."""
    earlier, first, second = children(), finished("first"), finished("second")
    with open_processes([WorkerResources()]) as (process,):
        assert [code_of(process, folder) for folder in (first, second)] == [0, 0]
        (child,) = children() - earlier
        assert [(folder / "log.txt").read_text() for folder in (first, second)] == (
            ["trial completed\n"] * 2
        )
        child.kill()
        child.wait()
        assert code_of(process, finished("third")) == 0
        (tmp_path / "no trial").mkdir()
        assert code_of(process, tmp_path / "no trial") == 2
        assert children() == earlier  # it does not go on
        assert code_of(process, finished("fourth")) == 0
        (child,) = children() - earlier
    assert children() == earlier


def test_a_process_between_two_trials_ends_when_its_search_was_killed(finished):
    earlier = children()
    with open_processes([WorkerResources()]) as (process,):
        assert code_of(process, finished("first")) == 0
        (child,) = children() - earlier
        os.kill(child.pid, signal.SIGTERM)  # as `stop_with_parent` does
        assert child.wait(20) in (143, None)


def test_a_trial_that_is_unfit_for_a_process_is_run_again_alone(finished, monkeypatch):
    folder, calls, codes = finished("first"), [], iter([UNFIT, -signal.SIGSEGV, 1])
    (folder / "result.json").unlink()

    def run(folder, process, wait, patience, is_alone):
        calls.append(is_alone)
        return next(codes)

    monkeypatch.setattr(trial_process, "run_process", run)
    process = TrialProcess(WorkerResources())
    result = trial_process.run_to_result(folder, process, lambda: None, lambda _: None)
    assert calls == [False, True, True]
    assert result["score"] is None


@pytest.mark.parametrize("error", [MemoryError("9 GiB"), OutOfMemory("9 GiB"), ValueError("x")])
def test_a_failure_that_may_lie_in_the_process_is_no_result(make, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(type(names.TASK), "read_data", fail)
    folder = make("first")
    with pytest.raises(UnfitProcess):
        run_trial(folder, is_alone=False)
    assert not read_result(folder)
    assert run_trial(folder)["status"] == "failed"


def test_a_failure_of_the_settings_is_a_result_in_any_process(make, monkeypatch):
    def fail(*_):
        raise UserError("no such file")

    monkeypatch.setattr(type(names.TASK), "read_data", fail)
    assert run_trial(make("first"), is_alone=False)["reason"] == "no such file"


def test_a_trial_after_others_has_the_same_result_and_plots_only_if_it_is_better(make, finished):
    finished("0", score=0.0)
    finished("9", score=2.0)
    first = make("1", finished=["../0"])
    second = make("2", finished=["../0", "../1", "../9"])
    results = []
    for folder in (first, second):
        results.append(run_trial(folder, is_alone=False))
        free_memory()
    assert results[0]["curve"] == results[1]["curve"]
    assert results[0]["verdict"] == results[1]["verdict"]
    rows, again = (read_history(RunFolder(folder / "run")) for folder in (first, second))
    assert [row | {"seconds": 0} for row in rows] == [row | {"seconds": 0} for row in again]
    assert (first / "run" / "plots" / "curves.png").exists()
    assert not [*(second / "run" / "plots").iterdir()]


def test_workers_know_whether_they_share_a_gpu():
    assert [part.shares_gpu for part in divide_resources(3, ["0", "1"])] == [True] * 3
    assert [part.shares_gpu for part in divide_resources(2, ["0", "1"])] == [False] * 2
    assert [part.shares_gpu for part in divide_resources(2, [])] == [False] * 2
