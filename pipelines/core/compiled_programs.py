"""Programs that XLA has compiled for a CPU are kept in a folder, for this command and later ones.

Compiling a network takes seconds, and a network of the same layers and shapes is compiled to the
same programs, whatever its weights are. TensorFlow looks each one up by all its instructions. Each
folder belongs to one processor, one number of usable cores, one version of TensorFlow and one value
of XLA_FLAGS. Programs of a GPU are not kept.
"""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

VARIABLE = "ERRORFLOW_PROGRAMS"  # of the environment: the folder; empty: no program is kept
FLAGS = "TF_XLA_FLAGS"
MAX_BYTES = 500 * 2**20  # in all; the least recently used are deleted
FREE_BYTES = 2**30  # a disk with less has no place for programs
_HALF_WRITTEN = 3_600  # seconds after which a temporary file is one of a killed process
_BYTES, _LONGEST_VARINT = 2, 10  # a kind of field of protocol buffers; bytes of a number
_CACHE_FLAGS = '--tf_xla_persistent_cache_directory="{}" --tf_xla_persistent_cache_device_types=CPU'
_OWN_FLAGS = re.compile(_CACHE_FLAGS.format(r'[^"]*/[0-9a-f]{16}') + "$")


def keep_programs() -> None:
    """Let TensorFlow keep the programs that XLA compiles; call it before TensorFlow is imported.

    Nothing is kept if TF_XLA_FLAGS already names a place, or if the folder cannot be used: it
    belongs to somebody else, others can write in it, or the disk is almost full.
    """
    # The parent process may use other cores, and so another folder.
    flags = _OWN_FLAGS.sub("", os.environ.get(FLAGS, "")).strip()
    if "persistent_cache" in flags or flags[:1] not in ("", "-"):  # a file
        return
    folder = _folder()
    place = "" if folder is None else _CACHE_FLAGS.format(folder)
    if flags or place:
        os.environ[FLAGS] = f"{flags} {place}".strip()
    else:
        os.environ.pop(FLAGS, None)


def _folder() -> Path | None:
    """Return the folder of programs for this process; None: none are kept."""
    chosen = os.environ.get(VARIABLE)
    if chosen == "":
        return None
    try:
        root = _usual_place() if chosen is None else Path(chosen).expanduser().absolute()
        folder = root / _fingerprint()
        if {'"', "\\"} & {*str(folder)}:  # TensorFlow would read the path as something else
            return None
        root.parent.mkdir(parents=True, exist_ok=True)
        for path in (root, folder):
            path.mkdir(mode=0o700, exist_ok=True)
        if not (_is_own(root) and _is_own(folder)):
            return None
        with tempfile.TemporaryFile(dir=folder):  # TensorFlow fails where it cannot write
            pass
        _clean(root)
        return folder if shutil.disk_usage(folder).free > FREE_BYTES else None
    except (OSError, PackageNotFoundError, RuntimeError):  # RuntimeError: there is no home
        return None


def _usual_place() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "errorflow" / "programs"


def _is_own(folder: Path) -> bool:
    """Return whether only this user writes in a folder: programs are code."""
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _fingerprint() -> str:
    """Return a name for the machine and the software that programs are compiled for."""
    parts = [version("tensorflow"), platform.machine(), _processor(), str(_usable_cores())]
    parts.append(os.environ.get("XLA_FLAGS", ""))
    return hashlib.sha256(os.fsencode("\n".join(parts))).hexdigest()[:16]


def _processor() -> str:
    """Return what the processor can do, or else the name of the computer."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = ("model name", "flags", "Features", "CPU part")
        return "\n".join(sorted({line for line in lines if line.startswith(named)}))
    return platform.node()


def _usable_cores() -> int | None:
    """Return among how many cores XLA divides a program."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _clean(root: Path) -> None:
    """Delete programs that are not whole, and the least recently used of too many.

    A power failure can leave a file without its end, with which TensorFlow would fail. A file of
    the right length with other content is not recognised.
    """
    total = 0
    for status, path in sorted(_files(root), key=lambda found: -_last_used(found[0])):
        with contextlib.suppress(OSError):  # another process deletes it
            is_kept = (
                _is_whole(path, status)
                if path.suffix == ".pb"
                else time.time() - status.st_mtime < _HALF_WRITTEN
            )
            if is_kept and total + status.st_size <= MAX_BYTES:
                total += status.st_size
            else:
                path.unlink()


def _files(root: Path) -> Iterator[tuple[os.stat_result, Path]]:
    """Yield the files that TensorFlow has written, also those of which it wrote a part."""
    for path in root.glob("[0-9a-f]" * 16 + "/xla_compile_cache__*"):
        with contextlib.suppress(OSError):
            if stat.S_ISREG((status := path.lstat()).st_mode):
                yield status, path


def _last_used(status: os.stat_result) -> float:
    return max(status.st_atime, status.st_mtime)


def _is_whole(path: Path, status: os.stat_result) -> bool:
    """Return whether a file consists of whole fields of bytes, as the files of TensorFlow do."""
    size = status.st_size
    with path.open("rb") as file:
        while (place := file.tell()) < size:
            tag, length = _read_varint(file), _read_varint(file)
            if tag & 7 != _BYTES or tag >> 3 < 1 or not 0 <= length <= size - file.tell():
                break
            file.seek(length, os.SEEK_CUR)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # to look at it is not to use it
    return place == size > 0


def _read_varint(file: BinaryIO) -> int:
    """Return the number that follows in a protocol buffer; -1: there is none."""
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 127) << 7 * place
        if byte[0] < 128:
            return value
    return -1
