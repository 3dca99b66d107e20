"""Trials one after another, in one process: python -m errorflow.pipelines.search.trials

Reads one folder per line from stdin, as JSON, and trains the trial there, see `trial`; what is
printed meanwhile goes to its log.txt. Then it writes [exit code, whether it goes on] to stdout. It
ends with stdin, after `MOST` trials, when it keeps too much memory, or after a trial that failed.
"""

import json
import os
import sys
from pathlib import Path
from typing import TextIO

from ..core.memory import memory_limit
from ..core.stop_request import StopRequest, end_with, leave, listening, stop_with_parent
from .execution import free_memory
from .trial import run_and_say

MOST = 10  # trials: TensorFlow keeps the gradient functions of every network, some 40 MB
SHARE = 4  # a process that keeps more than this part of the memory is not used again


def main() -> int:
    """Train trials until stdin ends; return the exit code."""
    with (
        os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers,
        listening() as stop,
    ):
        stop_with_parent()
        try:
            _train_all(answers, stop)
        except KeyboardInterrupt:  # between two trials
            end_with(stop.exit_code)
    return 0


def _train_all(answers: TextIO, stop: StopRequest) -> None:
    for count, line in enumerate(iter(sys.stdin.readline, ""), start=1):
        folder = json.loads(line)
        _print_to(Path(folder) / "log.txt")
        sys.argv[1:] = [folder]  # environment.json has it
        code = run_and_say(Path(folder), stop, is_alone=False)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        goes_on = code == 0 and count < MOST and _has_room()
        print(json.dumps([code, goes_on]), file=answers, flush=True)
        if not goes_on:
            return
        if "keras" in sys.modules:
            free_memory()


def _print_to(log: Path) -> None:
    """Let this process print to a file, whatever prints."""
    with log.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)


def _has_room() -> bool:
    """Whether a further network has room in memory beside what this process keeps."""
    import psutil

    return psutil.Process().memory_info().rss < memory_limit() / SHARE


if __name__ == "__main__":
    leave(main())
