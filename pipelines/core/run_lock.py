"""The lock of a folder: only one process at a time trains a run, or searches.

The process writes its name to `lock.json` in the folder, and holds that file in two ways:

    flock           ends with the process, however it ends. It counts for all processes of a
                    machine, also those in other containers, and on many network file systems for
                    all machines.
    sign of life    every `BEAT` seconds a thread sets the time of the file. A holder on another
                    machine counts as gone after `TIMEOUT` seconds without one.

Neither depends on process numbers and host names, which a new container may share with the one
before, or on the wall clock: ages are measured by the clock of the file system.
"""

import contextlib
import dataclasses
import fcntl
import functools
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .background import in_background
from .errors import UserError

BEAT = 10  # seconds between two signs of life
TIMEOUT = 60  # seconds without a sign of life, after which a process on another machine is gone
_RETRY = 0.02  # seconds until the lock is tried again: another process only looks at it
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # neither follows a link nor waits at a pipe


class FolderInUse(UserError):
    """Another process holds the lock of a folder."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
        lock_file: the file that it holds.
        pid, host: its number and machine; None: unknown.
        silent: seconds since its last sign of life.
        is_certain: whether it is alive for certain; otherwise, it may have ended on another
            machine.
    """

    lock_file: Path
    pid: int | None
    host: str | None
    silent: float
    is_certain: bool

    def __str__(self) -> str:
        advice = "wait until it ends, or stop it"
        if not self.is_certain:
            seconds = max(1, round(TIMEOUT - self.silent))
            advice = f"if it has ended, wait {seconds} s or delete that file"
        return (
            f"{self.lock_file.parent} is in use by process {self.pid or '?'} on"
            f" {self.host or 'an unknown machine'}, which gave a sign of life {self.silent:.0f} s"
            f" ago in {self.lock_file}: {advice}"
        )


def holder(lock_file: Path) -> Holder | None:
    """Return the process that holds a lock; None: nobody does."""
    try:
        file = os.open(lock_file, os.O_RDONLY | _SAFELY)
    except OSError:
        return None
    with _closing(file):
        return _judge(lock_file, file, _flock(file, fcntl.LOCK_SH))


def check_not_held(lock_file: Path) -> None:
    """Raise `FolderInUse` if a process holds the lock."""
    if found := holder(lock_file):
        raise FolderInUse(str(found))


def check_still_held(lock_file: Path) -> None:
    """Raise `FolderInUse` if another process has taken the lock from this one.

    This happens if this process was stopped for longer than `TIMEOUT`, or if its lock was deleted.
    """
    with contextlib.suppress(OSError):
        found = _parse(lock_file.read_bytes())
        if found and found != _this_process():
            raise FolderInUse(
                f"process {found.get('pid')} on {found.get('host')} has taken over"
                f" {lock_file.parent}, since this one gave no sign of life: nothing more is written"
            )


@contextlib.contextmanager
def hold(lock_file: Path) -> Iterator[None]:
    """Hold the lock of a folder during the block, also if the folder is renamed.

    The folder is created if there is none.

    Raises:
        FolderInUse: another process holds it.
        UserError: the lock file cannot be written.
    """
    lock = _take(lock_file)
    try:
        with in_background(functools.partial(_give_signs_of_life, lock)):
            yield
    finally:
        _release(lock)


# Holding


class _Lock(NamedTuple):
    """An open lock file; descriptors stay valid if the folder is renamed."""

    folder: int
    name: str
    file: int


def _take(lock_file: Path) -> _Lock:
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(lock_file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _lock_in(folder, lock_file)
        except BaseException:
            os.close(folder)
            raise
    except OSError as error:
        raise UserError(f"cannot lock {lock_file}: {error.strerror}") from None


def _lock_in(folder: int, lock_file: Path) -> _Lock:
    name = lock_file.name
    while True:
        file = os.open(name, os.O_RDWR | os.O_CREAT | _SAFELY, 0o666, dir_fd=folder)
        try:
            if _is_taken(lock_file, file) and _is_current(folder, name, file):
                os.ftruncate(file, 0)
                os.pwrite(file, json.dumps(_this_process()).encode(), 0)
                return _Lock(folder, name, file)
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        time.sleep(_RETRY)


def _is_taken(lock_file: Path, file: int) -> bool:
    """Return whether this process now has the lock; False: to be tried again.

    Raises:
        FolderInUse: another process holds it.
    """
    is_free = _flock(file, fcntl.LOCK_EX)
    if is_free is False and _flock(file, fcntl.LOCK_SH):
        return False  # others only look at it
    if found := _judge(lock_file, file, is_free):
        raise FolderInUse(str(found))
    return True


def _is_current(folder: int, name: str, file: int) -> bool:
    """Whether a file still has its name: the holder before may just have deleted it."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=folder), os.fstat(file))
    except FileNotFoundError:
        return False


def _give_signs_of_life(lock: _Lock, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):
            os.utime(lock.file)


def _release(lock: _Lock) -> None:
    with contextlib.suppress(OSError):  # the folder may be gone, or read-only
        is_own = _parse(os.pread(lock.file, 1000, 0)) == _this_process()
        if is_own and _is_current(lock.folder, lock.name, lock.file):
            os.unlink(lock.name, dir_fd=lock.folder)
    os.close(lock.file)
    os.close(lock.folder)


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "machine": _machine()}


def _machine() -> str:
    """Return the identity of the running system, which all containers on a machine share."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


# Judging


def _judge(lock_file: Path, file: int, is_free: bool | None) -> Holder | None:
    """Return the holder of an open lock file.

    Args:
        is_free: whether flock could lock it; None: its file system has no such locks.
    """
    state = os.fstat(file)
    if not stat.S_ISREG(state.st_mode):
        return None
    found = _parse(os.pread(file, 1000, 0))
    silent = abs(_clock(lock_file.parent) - state.st_mtime)
    if is_free is not False and (
        state.st_size == 0
        or silent > TIMEOUT
        or (is_free and found.get("machine") == _machine())  # it has ended
    ):
        return None
    return Holder(lock_file, found.get("pid"), found.get("host"), silent, is_free is False)


def _flock(file: int, how: int) -> bool | None:
    """Return whether a file could be locked; None: its file system has no such locks."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _parse(content: bytes) -> dict[str, Any]:
    """Return the process that a lock file names; empty if the file is damaged."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    kinds = {"pid": int, "host": str, "machine": str}
    is_whole = isinstance(found, dict) and all(
        isinstance(found.get(key), kind) for key, kind in kinds.items()
    )
    return found if is_whole else {}


def _clock(folder: Path) -> float:
    """Return the time by the clock of a folder's file system, or else of this machine."""
    probe = folder / f".clock-{os.getpid()}-{threading.get_ident()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY
    try:
        with _closing(os.open(probe, flags, 0o600)) as file:
            return os.fstat(file).st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


@contextlib.contextmanager
def _closing(file: int) -> Iterator[int]:
    try:
        yield file
    finally:
        os.close(file)
