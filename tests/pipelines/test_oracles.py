"""Searches that end, are reproducible, and resume after SIGKILL. A formula replaces the training.

Run as a program, this file is a search that is killed over and over, in processes forked from one
that has loaded keras-tuner.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # this file is a program too

import keras_tuner
import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.search import oracles
from errorflow.pipelines.search.durable_oracle import REASON, mark_failed
from keras_tuner.src.distribute import oracle_chief, oracle_client
from keras_tuner.src.engine.trial import Trial

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{name}:DeprecationWarning")
    for name in ("currentThread", "getName")  # keras-tuner's
]

KINDS = {
    "random": {"max_trials": 12},
    "grid": {},
    "bayesian": {"max_trials": 12, "num_initial_points": 8},
    "hyperband": {"max_epochs": 4, "factor": 2},
}
TRIALS = {"random": 12, "grid": 12, "bayesian": 12, "hyperband": 7 + 5 + 3}


def space(kind="random"):
    """A space with a conditional value; the grid has 3 * (1 + 3) = 12 combinations."""
    hp = keras_tuner.HyperParameters()
    if kind == "grid":
        hp.Int("units", 8, 24, step=8)
    else:
        hp.Float("rate", 1e-4, 1e-1, sampling="log")
        hp.Int("units", 8, 64, step=8)
    hp.Choice("cell", ["gru", "lstm"])
    hp.Int("layers", 1, 3, parent_name="cell", parent_values=["lstm"])
    return hp


def small_space():
    """Six combinations."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("cell", ["simple", "gru", "lstm"])
    hp.Boolean("masked")
    return hp


def make(oracle, directory, **changes):
    arguments = {"objective": "val_loss", "hyperparameters": space(oracle), "seed": 3}
    arguments |= {"task": "names", "data_hash": "ab12", "project_name": "p", "directory": directory}
    return oracles.make(**{"kind": oracle} | arguments | KINDS[oracle] | changes)


def formula(values):
    """The score of a trial; some trials raise an error, some have the score NaN."""
    if values["units"] == 16 and values["cell"] == "gru":
        raise MemoryError("too many units")
    if values.get("layers") == 2:
        return float("nan")
    rate = np.log10(values.get("rate", 1e-2)) + 2
    return float(rate**2 + values["units"] / 50 + 1 / values.get("tuner/epochs", 4))


def run(oracle, trial, score=formula):
    try:
        loss = score(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {"val_loss": loss, "seconds": 1.0})
        trial.status = "COMPLETED"
    except MemoryError as error:
        mark_failed(trial, f"out of memory: {error}")
    oracle.end_trial(trial)


def search(oracle, score=formula):
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        run(oracle, trial, score)
    assert trial.status == "STOPPED"
    return oracle


def trials(oracle):
    """The records by which searches are compared, in the order in which the trials began."""
    assert list(oracle.trials) == oracle.start_order
    return [
        (t.trial_id, t.hyperparameters.values, t.status, t.score, t.message)
        for t in oracle.trials.values()
    ]


def make_fast(patch):
    """Fit the Gaussian process once instead of 20 times, and skip the local search for a maximum.

    They take most of the time of a proposal; a kill cannot affect them."""

    def minimize(function, x0, **_):
        return SimpleNamespace(fun=function(x0), x=x0)

    def make_gpr(self):
        return make_slow(self).set_params(n_restarts_optimizer=0)

    make_slow = oracles.Bayesian._make_gpr
    stand_in = SimpleNamespace(optimize=SimpleNamespace(minimize=minimize))
    patch.setattr("keras_tuner.src.tuners.bayesian.scipy", stand_in)
    patch.setattr(oracles.Bayesian, "_make_gpr", make_gpr)


@pytest.fixture
def fast(monkeypatch):
    make_fast(monkeypatch)


# Killed


def snapshots(kind, folder, kept):
    """Run a search; copy the files that a kill during or around each write would leave.

    Returns the state after 0, 1, ... trials, and [(how many had been ended, copy)].
    """
    copies, states = [], []
    write, rename = Path.write_text, Path.replace

    def keep():
        path = kept / str(len(copies))
        shutil.copytree(folder, path)
        copies.append((len(states) - 1, path))

    def writing(path, text, **kwargs):
        write(path, text[: len(text) // 2], **kwargs)
        keep()
        write(path, text, **kwargs)

    def renaming(path, target):
        rename(path, target)
        if target.name == "oracle.json":
            count = len(state_of(folder)["end_order"])
            if count == len(states):
                states.append(state_of(folder))
        keep()

    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", writing)
        patch.setattr(Path, "replace", renaming)
        oracle = search(make(kind, folder))
    return oracle, states, copies


def state_of(folder):
    state = json.loads((folder / "p" / "oracle.json").read_text())
    return state | {"tried_so_far": sorted(state["tried_so_far"])}


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_killed_at_any_write_resumes_to_the_same_result(kind, tmp_path, fast):
    oracle, states, copies = snapshots(kind, tmp_path / "whole", tmp_path / "kept")
    expected = trials(oracle)
    assert len(expected) == TRIALS[kind] == len(states) - 1
    assert {"COMPLETED", "FAILED"} == {status for _, _, status, _, _ in expected}
    assert len(copies) > 2 * 4 * len(expected)
    for ended, copy in copies:
        again = make(kind, copy)
        if again.done:
            assert ended == len(expected)
            continue
        trial = again.create_trial("tuner0")
        if ended == len(expected):
            assert trial.status == "STOPPED" and again.done
            continue
        number = max(ended, 0)  # -1 before there is any file
        assert (trial.trial_id, trial.hyperparameters.values) == expected[number][:2]
        run(again, trial)
        assert state_of(copy) == states[number + 1]
        shutil.rmtree(copy)


@pytest.mark.slow
def test_a_search_killed_repeatedly_ends_with_the_same_result(tmp_path, fast):
    command = [sys.executable, __file__, str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)
    for kind in KINDS:
        killed = make(kind, tmp_path / kind)
        assert killed.done
        assert trials(killed) == trials(search(make(kind, tmp_path / f"{kind} whole")))
        begun, finished, lives = [], set(), 0
        for line in (tmp_path / f"{kind}.log").read_text().splitlines():
            event, _, trial_id = line.partition(" ")
            assert event != "began" or trial_id not in finished
            if event == "alive":
                lives += 1
            else:
                (begun.append if event == "began" else finished.add)(trial_id)
        assert lives > 3
        assert begun == sorted(begun)


def life(kind, folder, fate):
    """Continue a search until it is done or dies; `fate` is the write to die at, or 0: none."""
    left = [fate]

    def dying(method):
        def do(path, *args, **kwargs):
            left[0] -= 1
            if left[0] == 0 and method is write:
                write(path, args[0][: len(args[0]) // 2], **kwargs)
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(path, *args, **kwargs)

        return do

    write, Path.write_text = Path.write_text, dying(Path.write_text)
    Path.replace = dying(Path.replace)
    with (folder / f"{kind}.log").open("a", buffering=1) as log:
        oracle = make(kind, folder / kind)
        log.write("alive\n")
        log.writelines(f"known {trial_id}\n" for trial_id in oracle.end_order)
        while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
            log.write(f"began {trial.trial_id}\n")
            time.sleep(0.005)
            run(oracle, trial)
            log.write(f"ended {trial.trial_id}\n")


def killed_until_it_ends(kind, folder, dice):
    """Kill a search in turn at one of its writes and at any moment, until it ends."""
    for number in range(400):
        sys.stdout.flush()
        at_a_write = number % 2 == 0
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            life(kind, folder, dice.randint(1, 24) if at_a_write else 0)
            os._exit(0)
        if not at_a_write:
            time.sleep(dice.uniform(0, 0.03 + 0.005 * number))
            os.kill(pid, signal.SIGKILL)
        if os.waitpid(pid, 0)[1] == 0:
            return
    raise RuntimeError(f"{kind} does not end")


# One after the other


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_determines_the_trials_and_0_is_a_seed(kind, tmp_path, fast):
    first, again, other = (
        search(make(kind, tmp_path / name, seed=seed), lambda values: values["units"])
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.seed == 0
    assert trials(first) == trials(again)
    if kind != "grid":
        values = [[t.hyperparameters.values for t in o.trials.values()] for o in (first, other)]
        assert not any(value in values[0] for value in values[1])


def test_bayesian_is_repeatable_with_scipys_search_too(tmp_path):
    rate = keras_tuner.HyperParameters()
    rate.Float("rate", 1e-4, 1e-1, sampling="log")
    options = {"hyperparameters": rate, "max_trials": 6, "num_initial_points": 5}
    first, again = (
        search(make("bayesian", tmp_path / name, **options), lambda values: values["rate"])
        for name in "ab"
    )
    assert trials(first) == trials(again)


def test_a_grid_is_in_order_and_complete(tmp_path):
    oracle = search(make("grid", tmp_path))
    values = [tuple(t.hyperparameters.values.values()) for t in oracle.trials.values()]
    assert values == [
        (units, *rest)
        for units in (8, 16, 24)
        for rest in (("gru",), ("lstm", 1), ("lstm", 2), ("lstm", 3))
    ]


def test_no_worker_of_a_grid_waits_for_another(tmp_path):
    oracle = make("grid", tmp_path)
    running = [oracle.create_trial(f"worker {n}") for n in range(13)]
    assert [trial.status for trial in running] == ["RUNNING"] * 12 + ["IDLE"]
    alone = search(make("grid", tmp_path / "alone"), lambda values: 0.0)
    values = [trial.hyperparameters.values for trial in alone.trials.values()]
    assert [trial.hyperparameters.values for trial in running[:12]] == values


def test_max_trials_ends_a_search_and_a_larger_number_continues_it(tmp_path):
    oracle = make("random", tmp_path / "a", max_trials=10)
    assert not oracle.done and oracle.ending is None
    search(oracle)
    assert oracle.done and oracle.ending == "all 10 trials done"
    longer = make("random", tmp_path / "a")
    assert not longer.done
    assert trials(search(longer)) == trials(search(make("random", tmp_path / "b")))


def test_max_trials_ends_hyperband_early(tmp_path):
    oracle = search(make("hyperband", tmp_path, max_trials=5))
    assert len(oracle.trials) == 5 and oracle.done


@pytest.mark.parametrize("kind", ["random", "grid", "bayesian"])
def test_an_exhausted_space_ends_a_search(kind, tmp_path, fast):
    options = {"hyperparameters": small_space(), "max_trials": 50}
    if kind == "bayesian":
        options["num_initial_points"] = 2
    oracle = search(make(kind, tmp_path, **options), lambda values: len(values["cell"]))
    values = [t.hyperparameters.values for t in oracle.trials.values()]
    assert len(values) == 6 and all(values.count(value) == 1 for value in values)
    assert oracle.done and oracle.ending == "nothing left to try after 6"
    assert make(kind, tmp_path, **options).done


# Failed


def test_a_failed_trial_is_kept_with_its_reason(tmp_path):
    def score(values):
        if values["cell"] == "gru":
            raise MemoryError("12 GB")
        return values["units"] if values["layers"] > 1 else float("inf")

    for oracle in (search(make("grid", tmp_path), score), make("grid", tmp_path)):
        for trial in oracle.trials.values():
            values, got = trial.hyperparameters.values, (trial.status, trial.message, trial.score)
            if values["cell"] == "gru":
                assert got == ("FAILED", "out of memory: 12 GB", None)
                assert REASON not in values
            elif values["layers"] == 1:
                assert got == ("FAILED", "no finite val_loss was reported", None)
            else:
                assert got == ("COMPLETED", None, values["units"])
        assert oracle.get_best_trials(1)[0].score == 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [float("nan"), float("-inf"), None])
def test_a_search_in_which_all_trials_fail_ends_too(kind, loss, tmp_path):
    def score(values):
        if loss is None:
            raise MemoryError
        return loss

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        oracle = search(make(kind, tmp_path), score)
    assert {trial.status for trial in oracle.trials.values()} == {"FAILED"}
    assert len(oracle.trials) == (4 + 3 + 3 if kind == "hyperband" else 12)
    assert oracle.done


def test_a_trial_that_reports_nothing_has_failed(tmp_path):
    oracle = make("random", tmp_path)
    trial = oracle.create_trial("tuner0")
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert (trial.status, trial.message) == ("FAILED", "no finite val_loss was reported")


def test_bayesian_is_fitted_to_trials_that_have_not_failed(tmp_path, fast):
    def score(values):
        return float("nan") if values["units"] > 40 else formula(values | {"layers": 1})

    oracle = search(make("bayesian", tmp_path, max_trials=16), score)
    assert len(oracle.trials) == 16
    x, y = oracle._vectorize_trials()
    assert len(x) == sum(t.status == "COMPLETED" for t in oracle.trials.values()) > 8
    assert np.isfinite(x).all() and np.isfinite(y).all()


def test_bayesian_predicts_running_trials_from_finished_ones(tmp_path, fast):
    """Without a fit the prediction would be about 0, better than the scores of about 1000."""
    oracle = make("bayesian", tmp_path, max_trials=30)
    for _ in range(8):
        run(oracle, oracle.create_trial("a"), lambda values: 1000.0 + values["units"])
    running = [oracle.create_trial(tuner) for tuner in "abc"]
    _, y = oracle._vectorize_trials()
    assert len(y) == 11 and min(y) >= 1000 and len({t.trial_id for t in running}) == 3


def rounds(oracle):
    """The number of trials in each round of each bracket."""
    counted = {}
    for trial in oracle.trials.values():
        values = trial.hyperparameters.values
        place = values["tuner/bracket"], values["tuner/round"]
        counted[place] = counted.get(place, 0) + 1
    return counted


def test_hyperband_promotes_the_best_of_each_round(tmp_path):
    oracle = search(make("hyperband", tmp_path), lambda v: v["units"] + v["rate"])
    assert rounds(oracle) == {(2, 0): 4, (2, 1): 2, (2, 2): 1, (1, 0): 3, (1, 1): 2, (0, 0): 3}
    check_promotions(oracle)


def check_promotions(oracle):
    """Assert that each trial continues an earlier one, and that no better one was left out."""
    by_trial = {key: trial.hyperparameters.values for key, trial in oracle.trials.items()}
    origins = {values.get("tuner/trial_id") for values in by_trial.values()}
    for values in by_trial.values():
        if "tuner/trial_id" not in values:
            assert values["tuner/initial_epoch"] == values["tuner/round"] == 0
            continue
        earlier = oracle.trials[values["tuner/trial_id"]]
        before = by_trial[earlier.trial_id]
        assert values["tuner/initial_epoch"] == before["tuner/epochs"] < values["tuner/epochs"]
        assert values["tuner/round"] == before["tuner/round"] + 1
        assert {k: v for k, v in values.items() if k in oracle.hyperparameters} == {
            k: v for k, v in before.items() if k in oracle.hyperparameters
        }
        for key, other in oracle.trials.items():
            same = all(by_trial[key][k] == before[k] for k in ("tuner/bracket", "tuner/round"))
            if same and key not in origins and other.status == "COMPLETED":
                assert other.score >= earlier.score


def test_failed_trials_do_not_take_places_in_hyperband(tmp_path):
    """By keras-tuner's rule, two failures among four trials prevent any promotion."""
    oracle = make("hyperband", tmp_path)
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        values = trial.hyperparameters.values
        bad = values["tuner/round"] == 0 and int(trial.trial_id) % 2
        run(oracle, trial, lambda v, bad=bad: float("nan") if bad else v["units"] + v["rate"])
    assert rounds(oracle) == {(2, 0): 4, (2, 1): 2, (2, 2): 1, (1, 0): 3, (1, 1): 1, (0, 0): 3}
    check_promotions(oracle)


def test_hyperband_halves_a_space_that_is_smaller_than_a_round(tmp_path):
    options = {"hyperparameters": small_space(), "max_epochs": 9, "factor": 3}
    oracle = search(make("hyperband", tmp_path, **options), lambda v: len(v["cell"]))
    assert rounds(oracle) == {(2, 0): 6, (2, 1): 3, (2, 2): 1}
    assert oracle.done and oracle.ending == "nothing left to try after 10"
    check_promotions(oracle)


def test_retries_and_a_limit_of_failures_can_be_set(tmp_path):
    oracle = make("random", tmp_path / "a", max_retries_per_trial=1)
    for loss in (float("nan"), 0.5):
        trial = oracle.create_trial("tuner0")
        assert trial.trial_id == "00"
        run(oracle, trial, lambda values, loss=loss: loss)
    assert (trial.status, trial.score, trial.message) == ("COMPLETED", 0.5, None)

    oracle = make("random", tmp_path / "b", max_consecutive_failed_trials=2)
    with pytest.raises(RuntimeError, match="consecutive failures"):
        search(oracle, lambda values: float("nan"))
    assert make("random", tmp_path / "b").end_order == ["00", "01"]


# Other arguments


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"factor": 3}, "factor (2 → 3)"),
        ({"hyperband_iterations": 2}, "hyperband_iterations (1 → 2)"),
        ({"max_epochs": 8, "seed": 0}, "seed (3 → 0), max_epochs (4 → 8)"),
        ({"task": "images"}, "task (names → images)"),
        ({"data_hash": "cd34"}, "data_hash (ab12 → cd34)"),
        ({"objective": "val_accuracy"}, 'objective (Objective(name="val_loss", direction="min") →'),
        ({"hyperparameters": space("grid")}, "space (rate, units)"),
        ({"hyperparameters": small_space()}, "space (rate, units, cell, layers, masked)"),
    ],
)
def test_a_search_does_not_resume_with_other_arguments(changes, argument, tmp_path):
    make("hyperband", tmp_path).create_trial("tuner0")
    before = state_of(tmp_path)
    with pytest.raises(UserError) as error:
        make("hyperband", tmp_path, **changes)
    assert f"the search in {tmp_path / 'p'} was begun with another {argument}" in str(error.value)
    assert "--overwrite to start anew, or another --project-name" in str(error.value)
    assert "\n" not in str(error.value)
    assert state_of(tmp_path) == before
    assert make("hyperband", tmp_path, hyperband_iterations=1).trials


def test_a_search_does_not_resume_with_another_oracle_or_from_keras_tuner(tmp_path):
    make("random", tmp_path)
    with pytest.raises(UserError, match=r"another oracle \(random → grid\): --overwrite"):
        make("random", tmp_path, kind="grid")
    (tmp_path / "p" / "search.json").rename(tmp_path / "p" / "oracle.json")
    with pytest.raises(UserError, match=r"without search\.json to compare: --overwrite"):
        make("random", tmp_path)


@pytest.mark.parametrize("file", ["search.json", "oracle.json"])
@pytest.mark.parametrize(
    "text", ["", "[]", '{"space": 1, "trials": [3]}', '{"a": 1}', "[" * 99_999]
)
def test_a_damaged_state_is_refused_and_kept(file, text, tmp_path):
    make("random", tmp_path).create_trial("tuner0")
    (tmp_path / "p" / file).write_text(text)
    with pytest.raises(UserError, match=f"{file} is damaged"):
        make("random", tmp_path)
    assert (tmp_path / "p" / file).read_text() == text


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("random", {"kind": "guess"}),
        ("random", {"max_trials": None}),
        ("bayesian", {"max_trials": 0}),
        ("grid", {"seed": -1}),
        ("hyperband", {"factor": 1}),
        ("hyperband", {"hyperband_iterations": 0}),
        ("hyperband", {"max_epochs": 0}),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_written(kind, changes, tmp_path):
    with pytest.raises(UserError, match="must be"):
        make(kind, tmp_path, **changes)
    assert not any(tmp_path.iterdir())


# Several workers


@pytest.mark.parametrize("kind", KINDS)
def test_a_queued_trial_is_the_next_to_run(kind, tmp_path):
    oracle = make(kind, tmp_path)
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    first_values = dict(first.hyperparameters.values)
    oracle.update_trial(first.trial_id, {"val_loss": 100.0})
    assert oracle.requeue(first.trial_id)
    assert not oracle.requeue(first.trial_id)
    assert [t.trial_id for t in oracle.ongoing_trials.values()] == [second.trial_id]
    again = oracle.create_trial("c")
    assert (again.trial_id, again.hyperparameters.values) == (first.trial_id, first_values)
    copy = Trial.load(str(tmp_path / "p" / f"trial_{first.trial_id}" / "trial.json"))
    assert copy.status == "RUNNING" and not copy.metrics.metrics
    run(oracle, again, lambda values: 0.5)
    assert again.score == 0.5  # not the earlier 100
    assert oracle.create_trial("b") is second
    assert not oracle.requeue(again.trial_id)


def test_several_queued_trials_run_in_their_order(tmp_path):
    oracle = make("random", tmp_path)
    ids = [oracle.create_trial(tuner).trial_id for tuner in "abcd"]
    assert oracle.requeue(ids[2]) and oracle.requeue(ids[0])
    oracle = make("random", tmp_path)  # and those that ran when all was killed
    assert not oracle.ongoing_trials
    assert [oracle.create_trial(tuner).trial_id for tuner in "efgh"] == ids


def test_a_trial_that_two_workers_run_ends_once(tmp_path):
    oracle = make("random", tmp_path)
    trial = oracle.create_trial("a")
    mine, theirs = (Trial.from_state(trial.get_state()) for _ in range(2))
    oracle.requeue(trial.trial_id)
    run(oracle, mine, lambda values: 1.0)
    assert oracle.create_trial("b").trial_id != trial.trial_id
    run(oracle, theirs, lambda values: 2.0)
    assert oracle.end_order == [trial.trial_id]
    assert oracle.trials[trial.trial_id].score == 1.0
    assert oracle.trials[trial.trial_id].metrics.get_history("val_loss")[0].value == [1.0]


def test_threads_share_an_oracle_and_an_exception_does_not_lock_it(tmp_path):
    oracle = make("random", tmp_path, max_trials=40)
    trial = oracle.create_trial("main")
    with pytest.raises(ValueError, match="Objective value missing"):
        oracle.update_trial(trial.trial_id, {"val_los": 1.0})
    oracle.requeue(trial.trial_id)
    ran = []

    def work(tuner):
        dice = random.Random(tuner)
        while (trial := oracle.create_trial(tuner)).status == "RUNNING":
            if dice.random() < 0.3:
                oracle.requeue(trial.trial_id)
                continue
            run(oracle, trial, lambda values: 1.0)
            ran.append(trial.trial_id)

    workers = [threading.Thread(target=work, args=(f"t{n}",), daemon=True) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    assert oracle.done
    assert sorted(ran) == sorted(oracle.end_order) == sorted(oracle.trials)
    assert len(ran) == 40


def test_a_chief_survives_a_lost_worker_and_learns_why_trials_failed(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    oracle = make("grid", tmp_path / "chief")
    chief = threading.Thread(target=oracle_chief.start_server, args=(oracle,), daemon=True)
    chief.start()
    client = oracle_client.OracleClient(oracle)

    lost = client.create_trial("dies")
    oracle.requeue(lost.trial_id)
    while (trial := client.create_trial("lives")).status == "RUNNING":
        run(client, trial)
    chief.join(timeout=10)
    assert not chief.is_alive()
    assert oracle.done
    assert trials(oracle) == trials(search(make("grid", tmp_path / "alone")))


def test_hyperparameters_that_a_trial_adds_join_the_space(tmp_path):
    oracle = make("random", tmp_path)
    trial = Trial.from_proto(oracle.create_trial("a").to_proto())
    assert trial.hyperparameters.Float("dropout", 0, 1, default=0.25) == 0.25
    run(oracle, trial, lambda values: 1.0)
    names = [hyperparameter.name for hyperparameter in space().space]
    resumed = make("random", tmp_path)
    assert [hyperparameter.name for hyperparameter in resumed.hyperparameters.space] == [
        *names,
        "dropout",
    ]
    assert [
        hyperparameter.name for hyperparameter in resumed.trials["00"].hyperparameters.space
    ] == [*names, "dropout"]
    assert resumed.trials["00"].hyperparameters.values["dropout"] == 0.25
    assert "dropout" in resumed.create_trial("a").hyperparameters.values


def test_files_are_complete_and_in_keras_tuners_format(tmp_path):
    oracle = search(make("random", tmp_path))
    for trial_id, trial in oracle.trials.items():
        copy = Trial.load(str(tmp_path / "p" / f"trial_{trial_id}" / "trial.json"))
        assert copy.get_state() == trial.get_state()
    assert not list(tmp_path.rglob(".writing*"))


if __name__ == "__main__":
    make_fast(pytest.MonkeyPatch())
    for one in KINDS:
        killed_until_it_ends(one, Path(sys.argv[1]), random.Random(one))
