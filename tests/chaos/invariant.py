"""What holds for any command, whatever its arguments, its files or its disk.

It ends within a minute and in 4 GB, with exit code 0, or 2 and one line that says what is wrong (3:
`predict` could not answer every input), without a traceback; and no file that existed is lost.
"""

import contextlib
import dataclasses
import hashlib
import io
import re
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from unittest import mock

from errorflow.pipelines import cli

SECONDS = 60
BYTES = 4 * 2**30
LONGEST_LINE = 2_000
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class TookTooLongError(BaseException):
    """A call took too long. Hypothesis does not catch it: to find a smaller example takes hours."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str


def run(*arguments: str, stdin: bytes = b"") -> Ended:
    """Run a command line in this process, within the limits; exceptions are the caller's."""
    lines = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with mock.patch.object(sys, "stdin", lines):
        return ended(lambda: cli.main(arguments), arguments)


def ended(call: Callable[[], int], example: object) -> Ended:
    """Return how a call ended that returns an exit code, within the limits."""
    out, err = io.StringIO(), io.StringIO()
    with limits(example), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = call()
        except SystemExit as stop:  # --help
            code = stop.code or 0
    return Ended(code, out.getvalue(), err.getvalue())


def check(ended: Ended, codes: Collection[int] = (0, 2)) -> None:
    """Assert that a command ended as every command must."""
    assert ended.code in codes, f"exit code {ended.code}: {ended.err[-LONGEST_LINE:]}"
    for text in (ended.out, ended.err):
        assert "Traceback" not in text, text[-LONGEST_LINE:]
        assert not FORBIDDEN.search(text), f"control characters: {text[-LONGEST_LINE:]!r}"
    errors = [line for line in ended.err.splitlines() if line.startswith("errorflow: ")]
    if ended.code == 2:
        assert len(errors) == 1, f"{len(errors)} lines of error: {ended.err[-LONGEST_LINE:]!r}"
        assert len(errors[0]) <= LONGEST_LINE, f"a line of {len(errors[0])} characters"
        assert ended.err.rstrip().endswith(errors[0].rstrip()), f"more follows: {ended.err!r}"


@contextlib.contextmanager
def limits(example: object) -> Iterator[None]:
    """Raise in the block if it takes more than a minute, or 4 GB beyond what is used already."""

    def took_too_long(*_: object) -> None:
        raise TookTooLongError(f"more than {SECONDS} s: {str(example)[:LONGEST_LINE]}")

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, took_too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every regular file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
