"""The lock of a folder: it ends with its process, whatever clocks and process numbers say."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.files import write_json
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.run_lock import (
    BEAT,
    TIMEOUT,
    FolderInUse,
    check_still_held,
    hold,
    holder,
)

HOLD = """
import sys, time
from pathlib import Path
from errorflow.pipelines.core.run_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "a" / "lock.json"


def left_by(lock: Path, silent: float = 0, **names: object) -> None:
    """Write the lock of a process on another machine that has been silent for some seconds."""
    lock.parent.mkdir()
    lock.write_text(json.dumps({"pid": 1, "host": "pod-7f9c", "machine": "another"} | names))
    now = lock.stat().st_mtime
    os.utime(lock, (now - silent, now - silent))


def test_a_lock_keeps_every_other_process_out_until_its_own_ends(lock, monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    os.utime(lock, (0, 0))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert (found := holder(lock)) and found.pid == process.pid
    message = f"process {process.pid} on .*wait until it ends"
    with pytest.raises(FolderInUse, match=message), hold(lock):
        pass
    process.kill()
    process.wait()
    assert holder(lock) is None
    with hold(lock):
        assert (found := holder(lock)) and found.pid == os.getpid()
    assert not list(lock.parent.iterdir())


def test_a_process_on_another_machine_is_gone_after_a_stated_time(lock, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock of this machine is wrong
    left_by(lock, silent=TIMEOUT - 20)
    message = rf"process 1 on pod-7f9c.*4. s ago in {lock}: if it has ended, wait [12]. s or delete"
    with pytest.raises(FolderInUse, match=message), hold(lock):
        pass
    os.utime(lock, (0, 0))
    assert holder(lock) is None
    with hold(lock):
        pass


def test_the_holder_of_another_container_on_this_machine_is_known_to_have_ended(lock):
    with hold(lock):
        content = json.loads(lock.read_text())
    left_by(lock.parent.with_name("b") / "lock.json", machine=content["machine"])
    assert holder(lock.parent.with_name("b") / "lock.json") is None


def test_a_run_without_a_lock_is_trained_by_nobody(tmp_path):
    run = RunFolder(tmp_path)
    run.config_file.write_text("model: lstm")
    write_json(run.results_file, {"status": "running", "host": "pod-7f9c", "pid": 1})
    assert run.status == "interrupted"
    with hold(run.lock_file):
        assert run.status == "running"


def test_a_lock_follows_its_folder(lock):
    with hold(lock):
        moved = lock.parent.rename(lock.parent.with_name("b"))
        assert holder(moved / "lock.json")
    assert not list(moved.iterdir())


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_process_that_has_lost_its_lock_raises_an_error(lock, is_deleted):
    with hold(lock):
        check_still_held(lock)
        if is_deleted:
            lock.unlink()
            check_still_held(lock)
        lock.write_text(json.dumps({"pid": 1, "host": "pod-7f9c", "machine": "another"}))
        with pytest.raises(FolderInUse, match="process 1 on pod-7f9c has taken over"):
            check_still_held(lock)
    assert lock.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"pid": 1}', "\0" * 99])
def test_a_damaged_lock_is_that_of_an_unknown_process(lock, content):
    left_by(lock)
    lock.write_text(content)
    message = r"process \? on an unknown machine.*: if it has ended, wait \d+ s or delete"
    with pytest.raises(FolderInUse, match=message), hold(lock):
        pass
    assert lock.read_text() == content
    os.utime(lock, (0, 0))  # it has given no sign of life for long
    with hold(lock):
        assert (found := holder(lock)) and found.pid == os.getpid()


def test_an_empty_lock_is_that_of_a_process_which_ended_before_it_wrote_its_name(lock):
    left_by(lock)
    lock.write_text("")
    assert holder(lock) is None
    with hold(lock):
        assert (found := holder(lock)) and found.pid == os.getpid()


def test_a_lock_is_no_link_and_no_pipe(lock, tmp_path):
    lock.parent.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("x")
    lock.symlink_to(precious)
    for _ in range(2):
        with pytest.raises(UserError, match="cannot lock"), hold(lock):
            pass
        assert holder(lock) is None
        lock.unlink()
        os.mkfifo(lock)
    assert precious.read_text() == "x"


def test_a_sign_of_life_is_given_well_within_the_timeout():
    assert 3 * BEAT < TIMEOUT
