"""Programs that XLA has compiled for a CPU are kept in a folder, for this command and later ones.

To compile a network takes seconds, and a network of the same layers and shapes is compiled to the
same programs, whatever its weights and its learning rate are. TensorFlow looks each one up by its
whole instructions; the folder is one of this processor, of this version of TensorFlow and of these
settings of XLA. For programs of a GPU, CUDA keeps a cache of its own.
"""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

FOLDER = "ERRORFLOW_PROGRAMS"  # environment variable: the folder; empty: no program is kept
FLAGS = "TF_XLA_FLAGS"
MAX_BYTES = 500 * 2**20  # in all; those that were not used for the longest time are deleted
FREE_BYTES = 2**30  # a disk with less has no place for programs
_BYTES = 2  # a kind of field of protocol buffers
_PLACE = '--tf_xla_persistent_cache_directory="{}" --tf_xla_persistent_cache_device_types=CPU'
_OWN = re.compile(_PLACE.format(r'[^"]*/[0-9a-f]{16}') + "$")


def keep_programs() -> None:
    """Let TensorFlow keep the programs that XLA compiles; call it before TensorFlow is imported.

    Nothing is kept if TF_XLA_FLAGS says where to keep programs already, or where it cannot be done.
    """
    # A process that started this one may use other processors, for which its folder is.
    flags = _OWN.sub("", os.environ.get(FLAGS, "")).strip()
    if "persistent_cache" in flags or flags[:1] not in ("", "-"):  # a file
        return
    folder = _folder()
    place = "" if folder is None else _PLACE.format(folder)
    if flags or place:
        os.environ[FLAGS] = f"{flags} {place}".strip()
    else:
        os.environ.pop(FLAGS, None)


def _folder() -> Path | None:
    """Return the folder of programs for this process; None: none are kept."""
    chosen = os.environ.get(FOLDER)
    if chosen == "":
        return None
    try:
        folder = (_usual_place() if chosen is None else Path(chosen).absolute()) / _kind()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # programs are code
        with tempfile.TemporaryFile(dir=folder):  # TensorFlow fails where it cannot write
            pass
        _clean(folder.parent)
        return folder if shutil.disk_usage(folder).free > FREE_BYTES else None
    except (OSError, PackageNotFoundError, RuntimeError):  # RuntimeError: there is no home
        return None


def _usual_place() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "errorflow" / "programs"


def _kind() -> str:
    """Return a name for the machine and the software that programs are compiled for."""
    parts = [version("tensorflow"), platform.machine(), _processor(), str(_usable_cpus())]
    parts.append(os.environ.get("XLA_FLAGS", ""))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """Return what the processor can do, or else the name of the computer."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = ("model name", "flags", "Features", "CPU part")
        return "\n".join(sorted({line for line in lines if line.startswith(named)}))
    return platform.node()


def _usable_cpus() -> int | None:
    """Return among how many processors XLA divides a program."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _clean(root: Path) -> None:
    """Delete programs that are not whole, and the oldest ones of too many.

    A power failure can leave a file without its end, with which TensorFlow would fail.
    """
    total = 0
    for status, path in sorted(_programs(root), key=lambda found: -_last_used(found[0])):
        total += status.st_size
        if total > MAX_BYTES or not _is_whole(path, status.st_size):
            path.unlink(missing_ok=True)


def _programs(root: Path) -> Iterator[tuple[os.stat_result, Path]]:
    for path in root.glob("*/*.pb"):
        with contextlib.suppress(FileNotFoundError):
            yield path.stat(), path


def _last_used(status: os.stat_result) -> float:
    return max(status.st_atime, status.st_mtime)


def _is_whole(path: Path, size: int) -> bool:
    """Return whether a file consists of whole fields of bytes, as the files of TensorFlow do."""
    with open(path, "rb", opener=_unnoticed) as file:
        while file.tell() < size:
            tag, length = _read_varint(file), _read_varint(file)
            if tag & 7 != _BYTES or tag >> 3 < 1 or length < 0:
                return False
            file.seek(length, os.SEEK_CUR)
        return file.tell() == size > 0


def _unnoticed(path: str, flags: int) -> int:
    """Open a file whose time of last use stays as it is."""
    return os.open(path, flags | getattr(os, "O_NOATIME", 0))


def _read_varint(file: BinaryIO) -> int:
    """Return the number that follows in a protocol buffer; -1: the file ends."""
    value = shift = 0
    while byte := file.read(1):
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
    return -1
