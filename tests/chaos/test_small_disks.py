"""Disks of 1 to 5 MB, which fill up while a command writes to them.

Each command ends as it must, earlier runs stay as they are and usable, and once there is room, a
training that was stopped goes on as if it never had been.
"""

import functools
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import invariant, weights
from chaos.processes import Process
from tasks import train_flags

MEGABYTES = (1, 2, 3, 4, 5)
ROOMY = 64  # megabytes
LEFT = 300_000  # at most that many bytes are left on the disk after the first epoch
EPOCHS = 3


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A folder on a file system of its own; `_resize` gives its size."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", path],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def _resize(disk: Path, megabytes: float) -> None:
    option = f"remount,size={int(megabytes * 1024)}k"
    subprocess.run(["mount", "-o", option, disk], check=True)


def _fill(disk: Path, leave: int) -> None:
    """Leave that many bytes."""
    (disk / "fill").unlink(missing_ok=True)
    free = shutil.disk_usage(disk).free
    (disk / "fill").write_bytes(bytes(max(0, free - leave)))


def test_a_disk_that_fills_up_costs_nothing_that_existed(disk: Path, tmp_path: Path, summary):
    start, faults, refused = functools.partial(Process, cwd=tmp_path), [], []
    amounts = random.Random(25)
    _resize(disk, ROOMY)
    lines = [_train_line(tmp_path, "whole", "elsewhere"), _train_line(tmp_path, "earlier", "disk")]
    made = start(*lines, output=tmp_path / "made").wait()
    assert [end.code for end in made] == [0, 0], made[-1].err
    whole, earlier = tmp_path / "elsewhere/names/whole", disk / "names/earlier"
    before = invariant.digests(earlier)
    for megabytes in MEGABYTES:
        place, name = f"{megabytes} MB", f"new-{megabytes}"
        shutil.rmtree(disk / "names" / f"new-{megabytes - 1}", ignore_errors=True)
        left = amounts.randrange(LEFT)
        training = start(_train_line(tmp_path, name, "disk"), output=tmp_path / name)
        _wait_for_an_epoch(training)
        _resize(disk, max(megabytes, _used(disk) / 1e6 + 0.1))
        _fill(disk, left)
        ended = training.wait()[0]
        refused.append(ended.code == 2)
        faults += [f"{place}, train: {fault}" for fault in _faults(ended)]
        _fill(disk, 0)
        others = _other_commands()
        ends = start(*others, output=tmp_path / f"{name}-full").wait()
        for line, end in zip(others, ends, strict=True):
            faults += [f"{place}, {' '.join(line[:2])}: {fault}" for fault in _faults(end)]
        faults += [f"{place}: {fault}" for fault in _changed(earlier, before)]
        (disk / "fill").unlink()
        shutil.rmtree(disk / "searches", ignore_errors=True)
        _resize(disk, ROOMY)
        if ended.code == 2:
            resume = ["names", "train", "--resume", "--name", name, "--run-dir", "disk"]
            resumed = start(resume, output=tmp_path / f"{name}-resumed").wait()[0]
            found = _unlike(disk / "names" / name, whole) if resumed.code == 0 else [resumed.err]
            faults += [f"{place}, resumed: {fault[-500:]}" for fault in found]
    summary(
        f"disks of 1 to 5 MB: {sum(refused)} of {len(refused)} trainings stopped in one line and"
        f" resumed, {len(refused) * len(_other_commands())} other commands, {len(faults)} faults"
    )
    assert faults == []


def test_a_run_folder_removed_while_it_trains_ends_in_one_line(tmp_path: Path, summary):
    training = Process(
        _train_line(tmp_path, "a", "runs"), cwd=tmp_path, output=tmp_path / "training"
    )
    _wait_for_an_epoch(training)
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    ended = training.wait()[0]
    summary(f"a run folder removed during training: exit code {ended.code}")
    invariant.check(ended, (2,))


def _train_line(folder: Path, name: str, run_dir: str) -> list[str]:
    flags = [*train_flags("names", folder), "--jit", "off", "--device", "cpu", "--patience", "0"]
    return ["names", "train", "--name", name, "--run-dir", run_dir, *flags, "--epochs", str(EPOCHS)]


def _wait_for_an_epoch(training: Process) -> None:
    while training.is_alive and "epoch 1/" not in training.printed(0, "out"):
        time.sleep(0.01)


def _other_commands() -> list[list[str]]:
    run = ["--name", "earlier", "--run-dir", "disk"]
    return [
        ["runs", "--run-dir", "disk"],
        ["names", "evaluate", *run],
        ["names", "export", *run, "--format", "keras"],
        ["report", "earlier", "--run-dir", "disk", "--to", "disk/report.html"],
        ["names", "tune", "--directory", "disk/searches", "--max-trials", "1", "--limit", "60"],
        ["names", "train", "--run-dir", "disk", "--limit", "60", "--epochs", "1"],
        ["names", "predict", *run, "abba"],
    ]


def _faults(ended: invariant.Ended) -> Iterator[str]:
    try:
        invariant.check(ended)
    except AssertionError as error:
        yield str(error)[-500:]


def _changed(earlier: Path, before: dict[str, str]) -> Iterator[str]:
    """Yield what a finished run has lost; `evaluate` writes its confusion matrix anew."""
    now = invariant.digests(earlier)
    lost = [name for name in before if name not in now]
    changed = [name for name in before if now.get(name, before[name]) != before[name]]
    if lost:
        yield f"lost: {lost}"
    if changed := [name for name in changed if not name.startswith("plots/confusion")]:
        yield f"changed: {changed}"


def _unlike(run: Path, whole: Path) -> Iterator[str]:
    for name in ("checkpoints/best.keras", "checkpoints/last.keras"):
        if found := weights.differing(run / name, whole / name):
            yield f"{len(found)} weights of {name} differ"
    if weights.history_of(run) != weights.history_of(whole):
        yield "the history differs"


def _used(disk: Path) -> int:
    return shutil.disk_usage(disk).used
