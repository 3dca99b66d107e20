"""`doctor`: which trainings it runs, what it keeps, and what it says.

The trainings of one test are real; in the others, a function takes the place of their processes.
"""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from errorflow import pipelines
from errorflow.callbacks.findings.finding import Finding
from errorflow.callbacks.treatment.answer import Answer
from errorflow.pipelines import cli
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import load_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.files import read_json, write_json
from errorflow.pipelines.core.recorded_findings import finding_row
from errorflow.pipelines.core.run_config import write_config
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.run_lock import hold
from errorflow.pipelines.names import NamesConfig
from errorflow.pipelines.search import trial_process
from errorflow.pipelines.training import verbs
from errorflow.pipelines.treatment import doctor as doctor_module
from errorflow.pipelines.treatment.plan import default_epochs
from tasks import TABLE, errorflow

EXPLODING = Finding("rnn_1", "exploding", "grows tenfold", "the error grows tenfold", {}, 1.0)
HEALTHY = Finding("rnn_1", "healthy", "arrives", "the error arrives", {}, 1.0)


class Trainings:
    """Takes the place of a trial's process: clipping cures an error that explodes.

    Attributes:
        ran: the remedies and the seed of each training, in order.
        before: function that is called with these before a training; it may raise an exception, or
            return the exit code of a process that has died.
    """

    def __init__(self):
        self.ran: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda *_: None
        self.is_sick = lambda config: config.optimisation.clip_norm == 0
        self.failure: str | None = None

    def train(self, folder: Path, *_) -> int:
        place = (folder.parent.name, folder.name)
        if code := self.before(*place):
            return code
        self.ran.append(place)
        config = load_config(NamesConfig, folder / "config.yaml")
        run, seed = RunFolder(folder / "run"), config.optimisation.seed
        score = (0.3 if self.is_sick(config) else 0.8) + 0.01 * (seed % 3)
        _write_run(run, config, EXPLODING if self.is_sick(config) else HEALTHY)
        run.best.write_bytes(b"model")
        result = {"status": "completed", "reason": None, "score": score, "curve": [score] * 3}
        if self.failure is not None:
            run.update(findings=[], verdict=[])
            result = {"status": "failed", "reason": self.failure, "score": None}
        write_json(
            folder / "result.json",
            {
                "objective": {"name": "val_macro_f1", "direction": "max"},
                "seconds": 9.0,
                "compile_seconds": 5.0,
                "parameters": 100,
                **result,
            },
        )
        return 0


def _write_run(run: RunFolder, config: NamesConfig, finding: Finding) -> None:
    run.backup.mkdir(parents=True, exist_ok=True)
    run.update(
        task="names",
        name=run.name,
        status="failed",
        data={"source": "files", "content_hash": "abc"},
        findings=[finding_row(finding)],
        verdict=[finding.first_sentence],
    )
    write_config(run, config)


@pytest.fixture
def trainings(monkeypatch) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(trial_process, "run_process", trainings.train)
    monkeypatch.setattr(doctor_module, "write_picture", lambda *_: None)
    return trainings


@pytest.fixture
def run(two_classes, tmp_path) -> RunFolder:
    """A run that has failed: it has settings and results, and no model."""
    run = RunFolder(tmp_path / "runs" / "names" / "a")
    settings = {"model": "rnn", "data_dir": two_classes, "clip_norm": 0.0, "epochs": 12, "seed": 7}
    config = replace(NamesConfig(), **settings, stop_when="exploding", learning_rate=0.1)
    _write_run(run, config.resolved(), EXPLODING)
    return run


@pytest.fixture
def doctor(run) -> Callable[..., int]:
    """(flags) → exit code of the doctor of the run."""
    return lambda *flags: cli.main(["names", "doctor", "--run", str(run.path), *flags])


def trials(run: RunFolder) -> set[tuple[str, str]]:
    return {
        (path.parent.parent.name, path.parent.name)
        for path in (run.path / "doctor" / "trials").glob("*/*/result.json")
    }


def answer_of(run: RunFolder) -> Answer:
    return Answer.from_json(read_json(run.path / "doctor" / "doctor.json"))


def test_a_cure_is_proven_over_the_seeds_and_its_settings_are_ready_to_train(
    doctor, trainings, run, capsys
):
    assert doctor("--only", "clip-norm,learning-rate") == 0
    untreated = {("untreated", f"seed-{seed}") for seed in (7, 8, 9)}
    proof = {("clip-norm", f"seed-{seed}") for seed in (7, 8, 9)}
    assert trials(run) == untreated | proof | {("learning-rate", "seed-7")}
    assert len(trainings.ran) == 7

    answer = answer_of(run)
    assert answer.best is not None
    assert answer.best.remedies == ("clip-norm",)
    assert (answer.task, answer.run, answer.epochs) == ("names", str(run.path), 4)
    assert [trial.seconds for trial in answer.untreated] == [4.0] * 3  # compiling is not counted
    original = load_config(NamesConfig, run.config_file)
    best = load_config(NamesConfig, run.path / "doctor" / "best" / "config.yaml")
    assert best == replace(original, **answer.best.settings)
    short = load_config(NamesConfig, _trial(run, "untreated", 8) / "config.yaml")
    assert short == replace(original, epochs=4, seed=8, stop_when="")
    assert not [*(run.path / "doctor").rglob("*.keras")]  # nobody needs the models

    printed = capsys.readouterr()
    assert f"train --config {run.path / 'doctor' / 'best' / 'config.yaml'}" in printed.out
    (row,) = (line for line in printed.out.splitlines() if line.startswith(" clip-norm"))
    assert row.split()[-1] == "cure"
    assert "at most" in printed.err.splitlines()[2]


def _trial(run: RunFolder, remedies: str, seed: int) -> Path:
    return run.path / "doctor" / "trials" / remedies / f"seed-{seed}"


def test_json_is_all_that_is_printed_to_stdout(doctor, trainings, run, capsys):
    assert doctor("--only", "clip-norm", "--json", "--seeds", "2", "--epochs", "1") == 0
    content = json.loads(capsys.readouterr().out)
    assert content == read_json(run.path / "doctor" / "doctor.json")
    assert content["best"] == ["clip-norm"]
    assert content["seeds"] == [7, 8]
    assert content["epochs"] == 1


def test_a_doctor_that_was_interrupted_goes_on(doctor, trainings, run, capsys):
    def interrupt(remedies: str, seed: str) -> None:
        if (remedies, seed) == ("clip-norm", "seed-8"):
            raise KeyboardInterrupt

    trainings.before = interrupt
    assert doctor("--only", "clip-norm") == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (run.path / "doctor" / "lock.json").exists()
    finished = trials(run)
    assert len(finished) == 4
    trainings.before = lambda *_: None
    assert doctor("--only", "clip-norm") == 0
    assert len(trainings.ran) == 6
    assert trials(run) > finished
    assert answer_of(run).best is not None


@pytest.mark.parametrize("name", ["result.json", "run/results.json", "config.yaml"])
def test_a_training_with_a_torn_file_is_repeated(doctor, trainings, run, name):
    assert doctor("--only", "clip-norm") == 0
    (_trial(run, "untreated", 8) / name).write_text('{"sta')
    assert doctor("--only", "clip-norm") == 0
    assert len(trainings.ran) == 7
    assert trainings.ran[-1] == ("untreated", "seed-8")


def test_a_training_whose_process_is_killed_twice_is_tried_again_at_the_next_start(
    doctor, trainings, run
):
    trainings.before = lambda remedies, _: -signal.SIGKILL if remedies == "clip-norm" else None
    assert doctor("--only", "clip-norm") == 0
    (treatment,) = answer_of(run).treatments
    assert "SIGKILL" in str(treatment.trials[0].failure)
    trainings.before = lambda *_: None
    assert doctor("--only", "clip-norm") == 0
    assert answer_of(run).best is not None


def test_only_remedies_that_were_named_or_are_for_the_findings_are_spoken_of(
    doctor, trainings, run, capsys
):
    assert doctor("--only", "clip-norm,attention") == 0
    reasons = {each.name: each.judgement.sentence for each in answer_of(run).treatments}
    assert "does not cross" in reasons["attention"]
    assert "attention was not tried: it is for" in capsys.readouterr().out
    assert doctor("--first-cure") == 0
    assert not {"attention", "leaky-relu"} & {each.name for each in answer_of(run).treatments}


def test_more_seeds_and_remedies_use_the_earlier_trainings(doctor, trainings, run):
    assert doctor("--only", "clip-norm", "--seeds", "2") == 0
    assert doctor("--only", "clip-norm,learning-rate", "--seeds", "3", "--workers", "2") == 0
    assert len(trainings.ran) == len({*trainings.ran}) == 7


def test_other_settings_need_overwrite(doctor, trainings, run, capsys):
    assert doctor("--only", "clip-norm") == 0
    assert doctor("--only", "clip-norm", "--epochs", "5") == 2
    assert "epochs (4 → 5)" in capsys.readouterr().err
    assert doctor("--only", "clip-norm", "--epochs", "5", "--overwrite") == 0
    assert len(trainings.ran) == 12
    assert answer_of(run).epochs == 5


def test_a_healthy_training_is_not_treated(doctor, trainings, run, capsys):
    trainings.is_sick = lambda _: False
    assert doctor() == 0
    assert trials(run) == {("untreated", "seed-7"), ("untreated", "seed-8")}
    assert answer_of(run).best is None
    assert not (run.path / "doctor" / "best").exists()
    printed = capsys.readouterr().out
    assert "nothing to treat" in printed
    assert "give more --epochs" in printed  # the run itself has a finding


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("out of memory: 3 GB", "the untreated training failed: out of memory: 3 GB"),
        ("the data have changed since the run was trained: x", "train a new run"),
    ],
)
def test_an_untreated_training_that_fails_for_another_reason_ends_it_in_one_line(
    doctor, trainings, run, capsys, reason, words
):
    trainings.failure = reason
    assert doctor() == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"errorflow: {reason}") or words in last
    assert words in last
    assert not (run.path / "doctor").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--seeds 1", "--seeds"),
        ("--epochs 0", "--epochs"),
        ("--workers 0", "--workers"),
        ("--only clipnorm", "clip-norm"),
        ("--name b", "--run and --name"),
        ("--sedes 3", "--seeds"),
    ],
)
def test_a_wrong_flag_is_one_line_and_writes_nothing(doctor, trainings, run, capsys, flags, words):
    assert doctor(*flags.split()) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (run.path / "doctor").exists()


def test_a_folder_that_cannot_be_treated_is_one_line(doctor, trainings, run, capsys, tmp_path):
    def error_of(*arguments: str) -> str:
        assert cli.main([*arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "no config.yaml" in error_of("names", "doctor", "--run", str(tmp_path))
    assert "is a run of names" in error_of("lags", "doctor", "--run", str(run.path))
    assert "no run" in error_of("names", "doctor", "--run-dir", str(tmp_path / "none"))
    with hold(run.path / "doctor" / "lock.json"):
        assert "in use" in error_of("names", "doctor", "--run", str(run.path))
    run.config_file.write_text("epochs: 12\n")
    assert "config.yaml was changed" in error_of("names", "doctor", "--run", str(run.path))
    assert trainings.ran == []


def test_apply_trains_the_best_in_full_as_a_new_run(doctor, trainings, run, monkeypatch):
    trained = []
    monkeypatch.setattr(verbs, "train", lambda task, config, resume: trained.append(config))
    assert doctor("--only", "clip-norm", "--apply") == 0
    (config,) = trained
    assert (config.run.name, config.run.run_dir) == ("a-clip-norm", run.path.parent.parent)
    assert config.optimisation.epochs == 12
    assert config.optimisation.clip_norm > 0
    trainings.is_sick = lambda _: True
    assert doctor("--only", "clip-norm", "--apply", "--overwrite") == 0
    assert len(trained) == 1  # without a cure, nothing is trained


def test_the_python_function_returns_the_answer_and_prints_nothing(trainings, run, capsys):
    answer = pipelines.doctor(run.path, only=["clip-norm"], seeds=2)
    assert answer.best is not None
    assert answer.best.remedies == ("clip-norm",)
    assert capsys.readouterr() == ("", "")
    for wrong in ({"sedes": 2}, {"seeds": "2"}, {"seeds": 1}, {"only": ["clip"]}):
        with pytest.raises(UserError):
            pipelines.doctor(run.path, **wrong)


def test_the_default_is_a_third_of_the_epochs_but_three_if_the_run_has_them():
    assert [default_epochs(n) for n in (1, 2, 3, 5, 9, 10, 100)] == [1, 2, 3, 3, 3, 4, 34]


@pytest.mark.slow
def test_a_real_run_is_treated_without_the_test_split(two_classes, tmp_path, capsys):
    flags = "--model rnn --units 8 --embedding 4 --batch-size 16 --optimizer sgd --jit off"
    flags += " --learning-rate 1000 --clip-norm 0 --epochs 3 --name a"
    where = ["--run-dir", str(tmp_path)]
    data = ["--data-dir", str(two_classes)]
    cli.main(["names", "train", *where, *data, *flags.split()])
    capsys.readouterr()
    run = RunFolder(tmp_path / "names" / "a")
    command = ["names", "doctor", *where, "--seeds", "2", "--json", "--workers", "2"]
    assert cli.main([*command, "--only", "learning-rate,clip-norm"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["untreated"]["trials"]
    results = [read_json(path) for path in (run.path / "doctor").rglob("run/results.json")]
    assert len(results) >= 2
    assert not any({"test", "validation"} & {*each} for each in results)
    assert (run.path / "doctor" / "answer.png").stat().st_size > 1000
    shutil.rmtree(run.path / "doctor")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a pretraining, and two trainings of a large network
@pytest.mark.parametrize("task", TABLE)
@pytest.mark.usefixtures("trials_in_this_process")
def test_a_run_of_every_task_can_be_treated(task, finished_run, tmp_path):
    with finished_run(task) as folder:
        shutil.copytree(folder / task / "a", tmp_path / task / "a")
        assert errorflow(task, "doctor", tmp_path, "--epochs", "1", "--seeds", "2") == 0
    answer = answer_of(RunFolder(tmp_path / task / "a"))
    assert [trial.failure for trial in answer.untreated] == [None, None]
    assert all(trial.score is not None for trial in answer.untreated)
    assert answer.is_complete
