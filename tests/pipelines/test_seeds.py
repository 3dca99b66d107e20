"""`train --seeds`, `runs compare --group`: several seeds are trained, summed up and compared.

The trainings of most tests are a function that writes the run folder; their trials are real.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import scipy.stats
from errorflow import pipelines
from errorflow.callbacks.findings.finding import Finding
from errorflow.callbacks.treatment.statistics import holm, paired_difference
from errorflow.pipelines import cli, names
from errorflow.pipelines.core import run_lifecycle
from errorflow.pipelines.core.config import TrainingConfig, replace
from errorflow.pipelines.core.errors import LossNotFinite, UserError
from errorflow.pipelines.core.files import read_json
from errorflow.pipelines.core.recorded_findings import finding_row
from errorflow.pipelines.core.replacement import run_at
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.names import NamesConfig
from errorflow.pipelines.search import trial_process
from errorflow.pipelines.training import workflow
from tasks import TABLE, train_flags, write_names

VANISHING = Finding("rnn_1", "vanishing", "vanishes", "the error vanishes", {}, 1.0)
HEALTHY = Finding("rnn_1", "healthy", "arrives", "the error arrives", {}, 1.0)


class Trainings:
    """Takes the place of `workflow.train`.

    Attributes:
        ran: the seed of each training, in order, and whether it has resumed a run.
        accuracy: (settings) → the accuracy on the test split.
        data_hash: that of the data.
        before: function of seed and run that is called before a training; it may raise.
    """

    def __init__(self):
        self.ran: list[tuple[int, bool]] = []
        self.accuracy = lambda config: 0.6 + 0.1 * config.optimisation.seed
        self.data_hash = "abc"
        self.before: Callable[[int, RunFolder], None] = lambda *_: None

    def train(self, task, config: TrainingConfig, resume: RunFolder | None = None) -> RunFolder:
        run, seed = run_lifecycle.folder_to_train_in(task.name, config, resume), _seed(config)
        self.ran.append((seed, resume is not None))
        with run_lifecycle.training_in(run, task.name, config, {}) as begin:
            begin()
            run.update(data={"source": "files", "content_hash": self.data_hash})
            self.before(seed, run)
            self._write(run, config)
        return run_at(run.path.parent / run.name)

    def _write(self, run: RunFolder, config: TrainingConfig) -> None:
        finding = VANISHING if _seed(config) % 2 else HEALTHY
        accuracy = self.accuracy(config)
        run.update(
            validation={"accuracy": accuracy},
            test={"accuracy": accuracy, "macro_f1": 0.5},
            seconds=9.0,
            findings=[finding_row(finding)],
            verdict=[finding.first_sentence],
        )
        zipfile.ZipFile(run.best, "w").close()


def _seed(config: TrainingConfig) -> int:
    return config.optimisation.seed


@pytest.fixture
def trainings(monkeypatch, trials_in_this_process) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(workflow, "train", trainings.train)
    return trainings


@pytest.fixture
def runs(tmp_path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def errorflow(runs) -> Callable[..., int]:
    """(words) → exit code; the runs are in a folder of the test."""
    return lambda *words: cli.main([*words, "--run-dir", str(runs)])


@pytest.fixture
def train(errorflow) -> Callable[..., int]:
    """(flags) → exit code of `errorflow names train`."""
    return lambda *flags: errorflow("names", "train", *flags)


def explode(seed: int) -> Callable[[int, RunFolder], None]:
    """The training with this seed ends with a loss that is not finite."""

    def before(actual: int, run: RunFolder) -> None:
        if actual == seed:
            (run.logs / "events").write_bytes(b"")
            raise LossNotFinite("the loss was nan in epoch 1")

    return before


def fail_once(seed: int, error: BaseException) -> Callable[[int, RunFolder], None]:
    errors = [error]

    def before(actual: int, run: RunFolder) -> None:
        if actual == seed and errors:
            raise errors.pop()

    return before


def words(text: str) -> str:
    return " ".join(text.split())


# Training


def test_the_runs_are_ordinary_ones_and_the_answer_has_mean_interval_and_findings(
    train, trainings, runs, capsys
):
    assert train("--seeds", "3", "--name", "a", "--units", "5") == 0
    assert trainings.ran == [(1, False), (2, False), (3, False)]
    assert [pipelines.load_run(runs / "names" / f"a-seed{seed}").config for seed in (1, 3)] == [
        replace(NamesConfig(), units=5, seed=seed).resolved() for seed in (1, 3)
    ]
    printed = capsys.readouterr()
    done = "seed 2: test accuracy 0.8000, macro-F1 0.5000 in 9 s; no trouble found 2 of 3 done"
    assert done in words(printed.err)
    out = words(printed.out)
    # 0.8 ± t(0.975, 2) · 0.1 / √3, with t = 4.3027
    assert "test accuracy 0.8000 (0.5516 to 1.0484)" in out
    assert "finding vanishing 2 of 3 seeds finding healthy 1 of 3 seeds" in out
    assert "3 seeds are few" in out
    report = read_json(runs / "names" / "a-seeds" / "seeds.json")
    assert report["figures"]["test accuracy"]["values"] == pytest.approx(
        {"1": 0.7, "2": 0.8, "3": 0.9}
    )
    assert report["findings"][0] == {
        "kind": "vanishing",
        "severity": "trouble",
        "layers": ["rnn_1"],
        "seeds": [1, 3],
    }
    assert errorflow_list(runs) == {"a-seed1", "a-seed2", "a-seed3"}


def errorflow_list(runs: Path) -> set[str]:
    from errorflow.pipelines.core.run_selection import all_runs

    return {run.name for run in all_runs(runs)}


def test_the_same_command_goes_on_and_more_seeds_are_added(train, trainings, capsys):
    trainings.before = fail_once(2, KeyboardInterrupt())
    assert train("--seeds", "3", "--model", "gru") == 130
    assert "interrupted after 1 of 3 seeds; the same command goes on" in capsys.readouterr().err
    assert train("--seeds", "3", "--model", "gru") == 0
    assert trainings.ran == [(1, False), (2, False), (2, True), (3, False)]

    trainings.ran.clear()
    assert train("--seeds", "3", "--model", "gru", "--device", "cpu") == 0
    assert "all of them are over already; --overwrite trains them again" in capsys.readouterr().err
    assert trainings.ran == []
    assert train("--seeds", "2", "--seed", "3", "--model", "gru", "--workers", "2") == 0
    assert trainings.ran == [(4, False)]


def test_other_settings_without_a_name_are_another_group(train, trainings, runs):
    assert train("--seeds", "1", "--units", "5") == 0
    assert train("--seeds", "1", "--units", "6") == 0
    assert len([*(runs / "names").glob("*-seeds")]) == 2


def test_a_single_seed_has_no_interval(train, trainings, capsys):
    assert train("--seeds", "1", "--seed", "2147483647") == 0
    out = words(capsys.readouterr().out)
    assert "one seed says nothing of the spread" in out
    assert "macro f1 0.5000 seconds 9" in out


def test_a_run_that_was_trained_by_hand_counts(train, trainings, runs):
    trained(trainings, runs, "a-seed", (2,), units=5)
    assert train("--seeds", "2", "--name", "a", "--units", "5") == 0
    assert trainings.ran == [(2, False), (1, False)]


def test_a_loss_that_is_not_finite_is_counted_and_said(train, trainings, capsys):
    trainings.before = explode(2)
    assert train("--seeds", "3", "--name", "a") == 0
    printed = capsys.readouterr()
    assert "seed 2: failed: the loss was nan in epoch 1" in printed.err
    out = words(printed.out)
    assert "seed 2 failed: the loss was nan in epoch 1" in out
    assert "test accuracy 0.8000 (-0.4706 to 2.0706)" in out  # of seeds 1 and 3
    assert train("--seeds", "3", "--name", "a") == 0
    assert len(trainings.ran) == 3  # it is not trained again: it would end the same way

    trainings.before = explode(7)
    assert train("--seeds", "1", "--seed", "7", "--name", "b") == 2
    assert "no run is finished: the loss is not finite in 1 of 1 seeds" in capsys.readouterr().err


def test_another_failure_ends_the_command_and_is_tried_again(train, trainings, runs, capsys):
    trainings.before = fail_once(1, UserError("--hidden is odd"))
    assert train("--seeds", "3", "--name", "a") == 2
    assert "errorflow: the training with seed 1 failed: --hidden is odd" in capsys.readouterr().err
    assert [*(runs / "names").iterdir()] == []

    trainings.before = fail_once(2, RuntimeError("lightning"))
    assert train("--seeds", "3", "--name", "a") == 2
    err = capsys.readouterr().err
    assert "errorflow: seed 2 has no result: RuntimeError: lightning; the same command tries" in err
    trainings.ran.clear()
    assert train("--seeds", "3", "--name", "a") == 0
    assert trainings.ran == [(2, True)]


def test_the_output_of_a_training_whose_process_died_stays(train, runs, monkeypatch, capsys):
    def die(folder, *_):
        (folder / "log.txt").write_text("Fatal Python error")
        return -signal.SIGSEGV

    monkeypatch.setattr(trial_process, "run_process", die)
    assert train("--seeds", "2", "--name", "a") == 2
    assert "was killed by SIGSEGV; its output is in log.txt" in capsys.readouterr().err
    assert (runs / "names" / "a-seeds" / "seed-1" / "log.txt").exists()


def test_overwrite_replaces_each_run_when_the_new_one_is_finished(train, trainings, runs, capsys):
    assert train("--seeds", "2", "--name", "a", "--units", "5") == 0
    trainings.ran.clear()
    trainings.accuracy = lambda config: 0.3
    trainings.before = fail_once(2, KeyboardInterrupt())
    assert train("--seeds", "2", "--name", "a", "--units", "5", "--overwrite") == 130
    accuracies = [_accuracy(runs, seed) for seed in (1, 2)]
    assert accuracies == pytest.approx([0.3, 0.8])
    assert "the same command without --overwrite goes on" in capsys.readouterr().err
    assert train("--seeds", "2", "--name", "a", "--units", "5") == 0
    assert trainings.ran == [(1, False), (2, False), (2, True)]
    assert [_accuracy(runs, seed) for seed in (1, 2)] == [0.3, 0.3]
    assert "test accuracy 0.3000 (0.3000 to 0.3000)" in words(capsys.readouterr().out)

    assert train("--seeds", "1", "--name", "a", "--units", "6", "--overwrite") == 0
    assert pipelines.load_run(runs / "names" / "a-seed1").config.network.units == 6


def _accuracy(runs: Path, seed: int) -> float:
    return RunFolder(runs / "names" / f"a-seed{seed}").results()["test"]["accuracy"]


def test_a_place_that_is_not_free_is_refused_before_anything_is_trained(
    train, trainings, runs, capsys
):
    assert train("--seeds", "1", "--name", "a", "--units", "5") == 0
    (runs / "names" / "b-seed2").mkdir()
    (runs / "names" / "b-seed2" / "thesis.txt").write_text("x")
    trainings.ran.clear()
    for flags, message in [
        (["--name", "a", "--units", "6"], "a-seed1 has other settings: units (5 → 6); give the"),
        (["--name", "a", "--units", "6", "--seed", "3"], "a-seeds has other settings: units"),
        (["--name", "b"], "b-seed2 exists and is not a run: move it"),
        (["--name", "b", "--overwrite"], "b-seed2 exists and is not a run: move it"),
    ]:
        assert train("--seeds", "2", *flags) == 2
        assert message in capsys.readouterr().err
    trainings.data_hash = "def"
    assert train("--seeds", "2", "--name", "a", "--units", "5") == 2
    assert "the data have changed between" in capsys.readouterr().err
    assert trainings.ran == [(2, False)]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--seeds 0", "--seeds must be from 1 to 1,000, got 0"),
        ("--seeds 2 --workers 0", "--workers must be from 1 to 1,000, got 0"),
        ("--workers 2", "give --seeds, too"),
        ("--seeds 2 --resume", "--seeds goes on without --resume"),
        ("--seeds 2 --strategy multi-worker", "--seeds trains each network in one process"),
        ("--seeds 2 --workers 2 --device gpu:0", "the workers divide all GPUs"),
        ("--seeds 2 --data-dir nowhere", "no such file or folder"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(train, runs, flags, message, capsys):
    assert train(*flags.split()) == 2
    assert message in capsys.readouterr().err
    assert not runs.exists() or [*runs.rglob("*")] == []


def test_in_python_it_is_a_group_of_runs(trainings, runs):
    trainings.before = explode(2)
    group = pipelines.train("names", run_dir=runs, seeds=3, workers=2, units=5)
    assert isinstance(group, pipelines.Group)
    assert [*group.runs] == [1, 3]
    assert group.runs[3].results["test"]["accuracy"] == pytest.approx(0.9)
    row = group.figures.loc["test accuracy"]
    assert (row["mean"], row["seeds"]) == pytest.approx((0.8, 2))
    assert group.values["test accuracy"].to_dict() == pytest.approx({1: 0.7, 3: 0.9})
    assert group.without_figures[2].startswith("failed: the loss was nan in epoch 1")
    with pytest.raises(UserError, match="--seeds must be from 1"):
        pipelines.train("names", run_dir=runs, seeds=2.5)  # pyright: ignore[reportCallIssue]


@pytest.mark.usefixtures("undrawn", "trials_in_this_process")
def test_a_seed_is_trained_as_train_does_it(finished_run, train, runs, tmp_path):
    with finished_run("names") as folder:
        run = pipelines.load_run(folder / "names" / "a")
    assert train("--seeds", "1", "--name", "a", *train_flags("names", tmp_path)) == 0
    seeded = pipelines.load_run(runs / "names" / "a-seed1")
    for key in ("validation", "test", "best_epoch", "verdict"):
        assert seeded.results[key] == run.results[key]
    assert {path.name for path in seeded.path.iterdir()} >= {"README.md", "samples", "plots"}


# Comparing


def trained(trainings, runs, name, seeds=(1, 2, 3), **settings):
    """Runs trained by hand, called NAME1, NAME2, …"""
    for seed in seeds:
        config = replace(NamesConfig(), seed=seed, **settings).resolved()
        trainings.train(names.TASK, replace(config, run_dir=runs, name=f"{name}{seed}"))


def of(**accuracies: list[float]) -> Callable[[TrainingConfig], float]:
    """The accuracy by model and seed."""
    return lambda config: accuracies[config.network.model][_seed(config) - 1]  # pyright: ignore


def test_groups_are_recognised_and_the_better_one_is_named(errorflow, trainings, runs, capsys):
    trainings.accuracy = of(lstm=[0.80, 0.82, 0.81, 0.83], gru=[0.70, 0.71, 0.72, 0.73])
    trained(trainings, runs, "x", (1, 2, 3, 4), model="lstm")
    trained(trainings, runs, "gru-seed", (1, 2, 3), model="gru")
    assert errorflow("runs", "compare", "--group", "x4", "gru") == 0
    out = words(capsys.readouterr().out)
    assert out.startswith("x1 gru")
    assert "seeds 1 to 4 1 to 3" in out
    assert "model lstm gru" in out
    # d = 0.10, 0.11, 0.09: mean 0.1, t = 0.1 / (0.01 / √3) = 17.32, two degrees of freedom
    assert (
        "x1 is better than gru in test accuracy: difference 0.1000 (95 % interval 0.0752 to 0.1248,"
        " p = 0.0033, 3 seeds)" in out
    )
    assert "assume that the differences of the seeds are independent and normally" in out
    assert "Holm" not in out  # of a single comparison


def test_the_json_of_a_comparison_has_the_documented_keys(errorflow, trainings, runs, capsys):
    trainings.accuracy = of(lstm=[0.80, 0.82, 0.81], gru=[0.70, 0.71, 0.72])
    for model in ("lstm", "gru"):
        trained(trainings, runs, f"{model}-seed", model=model)
    assert errorflow("runs", "compare", "--group", "--json", "gru", "lstm") == 0
    printed = json.loads(capsys.readouterr().out)
    (test,), (gru, _) = printed["tests"], printed["groups"]
    assert (gru["name"], gru["task"], gru["left_out"]) == ("gru", "names", [])
    assert gru["figures"]["test accuracy"]["values"] == {"1": 0.70, "2": 0.71, "3": 0.72}
    assert printed["settings"] == {"model": {"gru": "gru", "lstm": "lstm"}}
    assert test["difference"] == pytest.approx(-0.1) and test["p"] == pytest.approx(
        0.0033, abs=1e-4
    )
    assert (test["figure"], test["first"], test["better"]) == ("test accuracy", "gru", "lstm")
    assert printed["sentences"][0].startswith("lstm is better than gru in test accuracy")
    page = Path(__file__).parents[2] / "docs" / "guides" / "pipelines.md"
    rows = re.findall(r"^\| (`.+?) \|", page.read_text(encoding="utf-8"), re.M)
    assert {*printed, *gru, *test} - {"task", "left_out"} <= {
        *re.findall(r"`(\w+)`", "".join(rows))
    }
    assert errorflow("runs", "compare", "--json") == 2
    assert "--json shows groups: give --group, too" in capsys.readouterr().err


def test_of_several_comparisons_the_p_values_are_corrected(errorflow, trainings, runs, capsys):
    trainings.accuracy = of(lstm=[0.80, 0.82, 0.81], gru=[0.70, 0.71, 0.72], rnn=[0.78, 0.85, 0.79])
    for model in ("lstm", "gru", "rnn"):
        trained(trainings, runs, f"{model}-seed", model=model)
    assert errorflow("runs", "compare", "--group", "lstm", "gru-seed2", "names/rnn") == 0
    out = words(capsys.readouterr().out)
    assert "lstm is better than gru in test accuracy: difference 0.1000" in out
    assert "p = 0.0100" in out  # three times 0.0033
    assert "no difference between lstm and rnn in test accuracy beyond the noise of 3 seeds" in out
    assert "corrected for these 3 comparisons (Holm)" in out


def test_the_paired_test_and_its_correction_agree_with_their_references():
    before, after = [0.61, 0.72, 0.55, 0.64], [0.70, 0.74, 0.69, 0.66]
    found, expected = paired_difference(before, after), scipy.stats.ttest_rel(after, before)
    interval = expected.confidence_interval(0.95)
    assert (found.value, found.p) == pytest.approx((0.0675, expected.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert paired_difference([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]).p == 1
    # smallest p × 4, next × 3, …, and never smaller than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_an_error_is_better_if_it_is_lower(errorflow, trainings, runs, capsys):
    trainings.accuracy = of(lstm=[0.10, 0.12, 0.11], gru=[0.70, 0.71, 0.72])
    write = trainings._write
    trainings._write = lambda run, config: (
        write(run, config),
        run.update(test=dict.fromkeys(("per", "mase_naive"), trainings.accuracy(config))),
    )
    for model in ("lstm", "gru"):
        trained(trainings, runs, f"{model}-seed", model=model)
    assert errorflow("runs", "compare", "--group") == 0
    out = words(capsys.readouterr().out)
    assert "lstm is better than gru in test per: difference −0.6000" in out
    assert "in test mase naive" not in out  # no network is better in it


def test_what_cannot_be_tested_is_said(errorflow, trainings, runs, capsys):
    assert errorflow("runs", "compare", "--group") == 2
    assert "no runs in" in capsys.readouterr().err
    trainings.accuracy = of(lstm=[0.80, 0.82, 0.81], gru=[0.70, 0.71, 0.72], rnn=[0.5, 0.6])
    trained(trainings, runs, "alone", (1,), model="lstm")
    assert errorflow("runs", "compare", "--group") == 2
    assert "no groups: a group is two or more runs of the same settings" in capsys.readouterr().err
    trained(trainings, runs, "lstm-seed", (1, 2, 3), model="lstm")
    trained(trainings, runs, "gru-seed", (2, 3), model="gru")
    assert errorflow("runs", "compare", "--group") == 0
    printed = capsys.readouterr()
    assert "left out of lstm: alone1, of a seed that another run has" in printed.err
    assert "2 finished seeds in common (2, 3): no test, which needs 3 or more" in printed.out
    assert "better" not in printed.out
    trainings.data_hash = "other"
    trained(trainings, runs, "rnn-seed", (1, 2), model="rnn")
    assert errorflow("runs", "compare", "--group") == 0
    assert "gru" not in capsys.readouterr().out  # trained on other data
    assert errorflow("runs", "compare", "--group", "rnn", "gru") == 0
    assert "were not trained on the same task and data: no test" in capsys.readouterr().out
    assert errorflow("runs", "compare", "--group", "nobody") == 2
    assert "no group or run 'nobody'" in capsys.readouterr().err


def test_a_report_takes_the_name_of_a_group(train, trainings, errorflow, runs, tmp_path):
    assert train("--seeds", "2", "--name", "a") == 0
    assert errorflow("report", "a", "--to", str(tmp_path / "r.html")) == 0
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "names/a-seed1" in text
    assert "0.7500 (0.1147 to 1.3853)" in text  # 0.75 ± 12.706 · 0.0707 / √2


@pytest.mark.slow
def test_killed_processes_are_resumed_by_the_same_command(tmp_path):
    data, runs = write_names(tmp_path), tmp_path / "runs"
    command = [sys.executable, "-m", "errorflow.pipelines", "names", "train", "--seeds", "2"]
    command += [*TABLE["names"].flags.split(), "--data-dir", str(data), "--run-dir", str(runs)]
    command += ["--epochs", "60", "--patience", "0", "--name", "a", "--workers", "2"]
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # it handles signals, and has started a training
        assert any(line.startswith(b"seed ") for line in process.stderr or ())
        _wait_for(runs / "names", "a-seed*/history.csv")
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=120)
        assert process.returncode == code
    assert b"the same command goes on" in err
    subprocess.run(command, capture_output=True, check=True, timeout=300)
    places = [RunFolder(runs / "names" / f"a-seed{seed}") for seed in (1, 2)]
    assert [(run.status, run.results()["epochs"]) for run in places] == [("finished", 60)] * 2
    logs = [*(runs / "names" / "a-seeds").glob("seed-*/log.txt")]
    assert any("resuming" in log.read_text() for log in logs)
    assert json.loads((runs / "names" / "a-seeds" / "seeds.json").read_text())["seeds"] == [1, 2]


def _wait_for(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 180
    while not any(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
