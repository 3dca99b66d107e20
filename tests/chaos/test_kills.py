"""Trainings and searches killed at random moments: once resumed, they end as if undisturbed."""

import functools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from chaos import invariant, weights
from chaos.processes import Process, with_few_data
from chaos.searches import rows_of, write_space
from errorflow.pipelines.core.files import read_json
from tasks import TABLE, train_flags

SEED = 25
KILLS = {"names": 8, "images": 6, "captions": 6}  # of train
FLAGS = {
    "names": "--epochs 10",
    "images": "--model convnet --epochs 6",
    "captions": "--epochs 6",  # and an epoch of pretraining
}
REPLACEMENTS, SEARCH_KILLS = 4, 10
SEARCH_HANGS = 3_600  # seconds; each of its trials imports TensorFlow
SAME_RESULTS = ("verdict", "findings", "validation", "test", "best_epoch", "data")


def train_line(task: str, folder: Path, name: str, *flags: str) -> list[str]:
    """A short training; nothing is compiled by XLA, which takes long."""
    usual = train_flags(task, folder)
    own = [*FLAGS[task].split(), "--jit", "off", "--device", "cpu", "--patience", "0"]
    return [task, "train", "--name", name, *usual, *own, *flags]


def kill_after(process: Process, seconds: float) -> bool:
    """Kill a process when it has used that much processor time; False: it had ended before."""
    while process.is_alive and process.processor_seconds() < seconds:
        time.sleep(0.02)
    was_alive = process.is_alive
    process.kill()
    return was_alive


@pytest.mark.parametrize("task", KILLS)
def test_a_killed_training_ends_as_an_undisturbed_one(task: str, tmp_path: Path, summary):
    for package in TABLE[task].packages:
        pytest.importorskip(package)
    moments, faults, started_again = random.Random(f"{SEED} {task}"), [], 0
    start = functools.partial(Process, cwd=tmp_path, surroundings=with_few_data(task, tmp_path))
    undisturbed = start(train_line(task, tmp_path, "whole"), output=tmp_path / "whole")
    assert undisturbed.wait()[0].code == 0
    whole = tmp_path / "runs" / task / "whole"
    before = invariant.digests(whole)
    for number in range(KILLS[task]):
        name, moment = f"killed-{number}", moments.uniform(0, undisturbed.processor_seconds())
        line = train_line(task, tmp_path, name)
        kill_after(start(line, output=tmp_path / name), moment)
        run = tmp_path / "runs" / task / name
        resume = [task, "train", "--resume", "--name", name]
        if not (run / "results.json").exists():  # it was killed before its run began
            started_again += 1
            resume = line
        elif read_json(run / "results.json")["status"] == "finished":
            resume = [task, "evaluate", "--name", name]
        end = start(resume, output=tmp_path / f"{name}-resumed").wait()[0]
        found = [*_unlike(run, whole)] if end.code == 0 else [f"not resumed: {end.err[-500:]}"]
        faults += [f"{task}, killed after {moment:.2f} s: {fault}" for fault in found]
    if invariant.digests(whole) != before:
        faults.append("another run has changed")
    summary(
        f"{task}: {KILLS[task]} kills of train, {started_again} of them before the run began,"
        f" {len(faults)} faults"
    )
    assert faults == []


def _unlike(run: Path, whole: Path) -> Iterator[str]:
    """Yield in what a run differs from an undisturbed one."""
    for name in ("best.keras", "last.keras", _newest_backup(whole)):
        if found := weights.differing(run / "checkpoints" / name, whole / "checkpoints" / name):
            yield f"{len(found)} weights of {name} differ"
    if weights.history_of(run) != weights.history_of(whole):
        yield f"the history differs: {weights.history_of(run)}"
    results, expected = read_json(run / "results.json"), read_json(whole / "results.json")
    for key in SAME_RESULTS:
        if results.get(key) != expected.get(key):
            yield f"{key}: {results.get(key)} in place of {expected.get(key)}"
    plots, usual = ({path.name for path in (r / "plots").iterdir()} for r in (run, whole))
    if plots != usual:
        yield f"the pictures differ: {sorted(plots ^ usual)}"


def _newest_backup(run: Path) -> str:
    return f"backup/{max(path.name for path in (run / 'checkpoints/backup').glob('*.h5'))}"


def test_a_killed_replacement_loses_no_finished_run(tmp_path: Path, summary):
    moments, faults, again = random.Random(SEED), [], []
    start = functools.partial(Process, cwd=tmp_path)
    line = train_line("names", tmp_path, "a")
    undisturbed = start(line, output=tmp_path / "first")
    assert undisturbed.wait()[0].code == 0
    run = tmp_path / "runs/names/a"
    before, duration = invariant.digests(run), undisturbed.processor_seconds()
    for number in range(REPLACEMENTS):
        moment = moments.uniform(0, duration)
        replacing = start([*line, "--overwrite"], output=tmp_path / f"replaced-{number}")
        if not kill_after(replacing, moment):
            break
        use = ["names", "predict", "--name", "a", "abba"]
        ends = start(["runs"], use, output=tmp_path / f"used-{number}").wait()
        again.append(moment)
        if invariant.digests(run) != before:
            faults.append(f"killed after {moment:.2f} s: the finished run has changed")
        if any(end.code for end in ends) or "names/a " not in ends[0].out:
            faults.append(f"killed after {moment:.2f} s: {ends[0].out} {ends[1].err[-300:]}")
    end = start([*line, "--overwrite"], output=tmp_path / "last").wait()[0]
    if end.code or read_json(run / "results.json").get("status") != "finished":
        faults.append(f"not replaced: {end.err[-500:]}")
    if left := [path.name for path in run.parent.iterdir() if path != run]:
        faults.append(f"left behind: {left}")
    summary(f"{len(again)} kills of train --overwrite, {len(faults)} faults")
    assert faults == []


def test_a_killed_search_ends_with_the_same_table(tmp_path: Path, summary):
    moments, faults, kinds = random.Random(SEED), [], []
    write_space(tmp_path / "space.yaml", units=[2, 3, 4])
    data = train_flags("names", tmp_path)[:2]
    line = ["names", "tune", "--space", "space.yaml", *data, "--epochs", "2", "--jit", "off"]
    line = [*line, "--device", "cpu", "--max-trials", "3", "--workers", "1"]
    start = functools.partial(Process, cwd=tmp_path)
    undisturbed = start([*line, "--project-name", "whole"], output=tmp_path / "whole")
    assert undisturbed.wait(SEARCH_HANGS)[0].code == 0
    expected, ends, searches = rows_of(tmp_path / "searches/whole"), [], 0
    while len(kinds) < SEARCH_KILLS or ends[-1]:  # until the last search has ended, too
        own = [*line, "--project-name", f"killed-{searches}"]
        search = start(own, output=tmp_path / f"{len(ends)}")
        kind, is_killed = moments.choice(("search", "trial", "both")), False
        if len(kinds) < SEARCH_KILLS:
            moment = moments.uniform(1, undisturbed.processor_seconds() / 2)
            is_killed = _kill_search(search, moment, kind)
        ends.append(is_killed)
        if is_killed:
            kinds.append(kind)
            continue
        end = search.wait(SEARCH_HANGS)[0]
        if end.code:
            faults.append(f"not resumed: {end.err[-500:]}")
            break
        if (table := rows_of(tmp_path / "searches" / f"killed-{searches}")) != expected:
            faults.append(f"{table} in place of {expected}")
        searches += 1
    count = f"{len(kinds)} kills ({', '.join(kinds)}) of {searches} searches"
    summary(f"tune: {count}, {len(faults)} faults")
    assert faults == []


def _kill_search(search: Process, seconds: float, kind: str) -> bool:
    """Kill a search, its trial, or both, when they have used that much processor time."""
    while search.is_alive and search.processor_seconds(with_children=True) < seconds:
        time.sleep(0.5)
    trials, was_alive = search.children, search.is_alive
    if kind == "trial":
        for trial in trials:
            trial.kill()
        time.sleep(1)  # the search sees it, and goes on
    search.kill()
    if kind == "both":
        for trial in trials:
            trial.kill()
    psutil.wait_procs(trials, timeout=60)
    return was_alive
