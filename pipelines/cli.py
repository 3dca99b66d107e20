"""The process of the command `errorflow`: exit codes, signals, and mistakes in one line."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from .core.console import complain
from .core.errors import WORKER_LOST, UserError, WorkerLost, brief
from .core.stop_request import end_with, leave, listening, recovered, stop_with_parent
from .core.system_errors import path_of, reason_of
from .dispatch import dispatch

LONGEST = 200  # characters of a path in a message


def console(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of this process, which has to end with the returned exit code.

    If a signal ends the command, it ends the process here: later signals find no process.
    """
    return main(arguments, ends_process=True)


def main(arguments: Sequence[str] | None = None, *, ends_process: bool = False) -> int:
    """Run a command line; return the exit code.

    0; 2 for a mistake; 3 if `predict` could not answer every input; 75 if another worker of the
    training is lost; 130, 143 or 129 if Ctrl-C, SIGTERM or SIGHUP has ended it.
    """
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without δ shows ? in its place
    with listening() as stop:
        stop_with_parent()
        try:
            code = _exit_code(list(sys.argv[1:] if arguments is None else arguments))
        except KeyboardInterrupt as interrupt:
            _say_interrupted(str(interrupt) or "interrupted")
            if ends_process:
                end_with(stop.exit_code)  # while further signals are still handled
            return stop.exit_code
    if ends_process and "tensorflow" in sys.modules:
        leave(code)
    return code


def _exit_code(arguments: list[str]) -> int:
    try:
        with recovered():
            code = dispatch(arguments)
            sys.stdout.flush()
    except WorkerLost as error:
        complain(str(error))
        end_with(WORKER_LOST)
    except UserError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _discard(sys.stdout)
        return 141
    except OSError as error:
        complain(_refused(error))
        return 2
    except MemoryError:
        complain("there is not enough memory for this")
        return 2
    return code


def _say_interrupted(reason: str) -> None:
    """Print why the command ends; a terminal that was closed refuses it."""
    try:
        print(file=sys.stderr)
        complain(reason)
        sys.stdout.flush()
    except OSError:
        for stream in (sys.stdout, sys.stderr):
            _discard(stream)


def _open_missing_streams() -> None:
    """Give a process that was started without stdout or stderr, as by `>&-`, one that is lost."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _discard(stream: TextIO) -> None:
    """Discard what Python would write to a stream at exit, and report if it failed."""
    with contextlib.suppress(OSError, ValueError):  # io.UnsupportedOperation of a captured stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refused(error: OSError) -> str:
    """Return what the system has refused, in one line."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard(sys.stdout)
    reason, path = reason_of(error) or str(error), path_of(error)
    if path is None:
        return f"{reason}, where the output or a temporary file goes"
    return f"{brief(str(path), LONGEST)}: {reason}"


if __name__ == "__main__":
    raise SystemExit(console())
