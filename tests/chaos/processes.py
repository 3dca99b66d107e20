"""Command lines in processes of their own, to be killed, or to run out of disk.

A server process imports TensorFlow once, and forks a process for each `Process` that is started.
"""

import contextlib
import functools
import json
import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
from chaos.invariant import BYTES, SECONDS, Ended

Line = Sequence[str]
HANGS = 10 * SECONDS  # on a busy machine


class Process:
    """A process that runs command lines one after another, in a folder of its own for their output.

    Args:
        lines: the command lines.
        cwd: the current folder of the process.
        output: the folder for what the command lines print, and how they end.
        surroundings: a context manager in which they run, such as one with few embedded data.
    """

    def __init__(
        self,
        *lines: Line,
        cwd: Path,
        output: Path,
        surroundings: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
    ):
        self.lines, self.output = lines, output
        output.mkdir(parents=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["chaos.with_tensorflow"])
        self._process = context.Process(target=_run, args=(lines, cwd, output, surroundings))
        self._process.start()

    def kill(self) -> None:
        """End it as the kernel does when memory is gone."""
        self._process.kill()
        self._process.join()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def children(self) -> list[psutil.Process]:
        """The processes that it has started, such as those of trials."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def processor_seconds(self, with_children: bool = False) -> float:
        """Processor time used so far; of one that has ended, with its children's."""
        if self.is_alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                every = [psutil.Process(self._process.pid)] + (
                    self.children if with_children else []
                )
                return sum(sum(process.cpu_times()[:2]) for process in every)
        return self._ends()[-1]["processor"] if self._ends() else 0.0

    def _ends(self) -> list[dict[str, Any]]:
        path = self.output / "ends"
        return [*map(json.loads, path.read_text().splitlines())] if path.exists() else []

    def wait(self, patience: float = HANGS) -> list[Ended]:
        """Wait until it ends; return how each command line ended.

        Args:
            patience: seconds after which a command line hangs.

        Raises:
            AssertionError: it took too long or too much memory, or the process died.
        """
        self._process.join(patience * len(self.lines))
        if self.is_alive:
            self.kill()
            raise AssertionError(f"it hangs: {self.lines}")
        ends = self._ends()
        assert len(ends) == len(self.lines), f"{self.lines[len(ends)]} ended the process"
        for line, end in zip(self.lines, ends, strict=True):
            assert end["seconds"] < SECONDS, f"{end['seconds']:.0f} s: {line}"
            assert end["bytes"] < BYTES, f"{end['bytes']:,} bytes: {line}"
        return [
            Ended(end["code"], self.printed(number, "out"), self.printed(number, "err"))
            for number, end in enumerate(ends)
        ]

    def printed(self, number: int, stream: str) -> str:
        """What a command line has printed to a stream, out or err, so far."""
        path = self.output / f"{number}.{stream}"
        return path.read_text(errors="replace") if path.exists() else ""


def with_few_data(task: str, folder: Path) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """The `surroundings` in which the embedded data of a task are few, and stay in a folder."""
    return functools.partial(_few_data, task, folder)


@contextlib.contextmanager
def _few_data(task: str, folder: Path) -> Iterator[None]:
    from tasks import TABLE

    with TABLE[task].surroundings(folder):
        yield


def _run(lines: Sequence[Line], cwd: Path, output: Path, surroundings: Callable) -> None:
    os.chdir(cwd)
    with surroundings():
        for number, line in enumerate(lines):
            for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
                with (output / f"{number}.{name}").open("wb") as file:
                    os.dup2(file.fileno(), stream.fileno())
            began = time.process_time()
            code = _exit_code(line)
            own, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            end = {
                "code": code,
                "seconds": time.process_time() - began,
                "bytes": own.ru_maxrss * 1024,
                "processor": own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
            }
            with (output / "ends").open("a") as file:
                print(json.dumps(end), file=file)


def _exit_code(line: Line) -> int:
    from errorflow.pipelines import cli

    try:
        code = cli.main(line)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
