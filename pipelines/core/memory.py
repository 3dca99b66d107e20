"""The memory that this process may use, and settings that need more of it."""

import contextlib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from .config import TrainingConfig, flat
from .errors import OutOfMemory, UserError

CGROUPS = Path("/sys/fs/cgroup")
# Settings that determine the size of a network, and of its batches.
OF_WEIGHTS = ("units", "character_units", "embedding", "features", "layers", "width", "vocabulary")
OF_BATCHES = ("batch_size", "max_length", "steps", "frames")
OF_IMAGES = ("size", "image_size")  # of both


def memory_limit() -> int:
    """Return the bytes that this process may use: of the machine, its container and its shell."""
    import psutil

    return min([psutil.virtual_memory().total, *_of_cgroups(), *_of_shell()])


def _of_cgroups() -> Iterator[int]:
    """Yield the limits of the control groups of this process, such as that of its container."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, name = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield from _along(CGROUPS / "memory", name, "memory.limit_in_bytes")
            elif not controllers:
                yield from _along(CGROUPS, name, "memory.max")


def _along(root: Path, name: str, file: str) -> Iterator[int]:
    """Yield the limit of a control group and of those around it."""
    group = root / name.strip("/")  # a container sees its own group as the root
    for folder in {group, *(p for p in group.parents if p.is_relative_to(root)), root}:
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            yield int((folder / file).read_text(encoding="ascii"))


def _of_shell() -> Iterator[int]:
    """Yield the limit of `ulimit -v`, if there is one."""
    if sys.platform != "win32":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            yield soft


def require_memory(needed: float, what: str, flags: Sequence[str]) -> None:
    """Raise `UserError` if something needs more bytes of memory than there are.

    Args:
        needed: the number of bytes.
        what: what needs them, the subject of the message.
        flags: names of the settings to lower.
    """
    if needed > (limit := memory_limit()):
        raise UserError(
            f"{what} would take {in_gigabytes(needed)} of memory, of {in_gigabytes(limit)} here:"
            f" lower {in_flags(flags)}"
        )


@contextlib.contextmanager
def shortage_in_words(config: TrainingConfig) -> Iterator[None]:
    """Raise `OutOfMemory` in one line if memory runs out inside the block."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        flags = in_flags(names_in(config, OF_BATCHES + OF_IMAGES + OF_WEIGHTS))
        said = textwrap.shorten(str(error), 200, placeholder=" …") or type(error).__name__
        raise OutOfMemory(f"out of memory ({said}): lower {flags}") from None


def names_in(config: TrainingConfig, names: Sequence[str]) -> list[str]:
    """Return the names of settings that a config has."""
    return [name for name in names if name in flat(config)]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, NumPy or TensorFlow could not get memory."""
    said = ("OOM when allocating", "RESOURCE_EXHAUSTED", "Out of memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in said)


def in_gigabytes(size: float) -> str:
    """Return a number of bytes as "3.2 GB"."""
    return f"{size / 1e9:,.1f} GB"


def in_flags(names: Sequence[str]) -> str:
    """Return the flags of settings: "--units, --layers or --batch-size"."""
    *first, last = [f"--{name.replace('_', '-')}" for name in names]
    return f"{', '.join(first)} or {last}" if first else last
