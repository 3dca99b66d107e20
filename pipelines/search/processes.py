"""The processes that train trials, each of them one after another.

To load TensorFlow takes longer than a short training. A trial whose process died, or that failed
for a reason which may lie in the trials before it, is trained once more in a process of its own.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ..core.cluster import without_cluster
from ..core.compiled_programs import VARIABLE
from ..core.stop_request import PARENT
from .resources import WorkerResources

PATIENCE = 60  # seconds that a process has to stop by itself


class TrialProcess:
    """The process of a worker, which is started for the first trial and goes on with the next.

    Args:
        resources: the CPU cores and GPUs that it uses.
    """

    def __init__(self, resources: WorkerResources):
        self.resources = resources
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, folder: Path, is_alone: bool = False) -> None:
        """Begin the trial in a folder.

        Args:
            is_alone: in a process of its own.
        """
        if is_alone or self.resources.shares_gpu:
            self.close()
            self._process = self._start("trial", folder, is_alone=True)
            return
        try:
            self._hand_over(folder)
        except BrokenPipeError:  # it has died since the last trial
            self.close()
            self._hand_over(folder)

    def _hand_over(self, folder: Path) -> None:
        if self._process is None:
            self._process = self._start("trials", folder)
        input_ = _pipe(self._process.stdin)
        input_.write(json.dumps(str(folder)).encode() + b"\n")
        input_.flush()

    def _start(
        self, module: str, folder: Path, *, is_alone: bool = False
    ) -> subprocess.Popen[bytes]:
        environment = without_cluster(os.environ) | {PARENT: str(os.getpid())}
        if is_alone:  # it shares nothing; where trials share a GPU, each is alone
            environment[VARIABLE] = ""
        if self.resources.gpus is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self.resources.gpus
        command = [sys.executable, "-P", "-m", f"errorflow.pipelines.search.{module}"]
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [*command, str(folder)] if is_alone else command,
                stdin=subprocess.DEVNULL if is_alone else subprocess.PIPE,
                stdout=log if is_alone else subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches it once, from `end`
            )
        self.resources.pin(process.pid)
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
        return process

    def code(self) -> int | None:
        """Return the exit code of the trial that was begun last; None: it still runs."""
        process = self._process
        if process is None:
            raise RuntimeError("no trial was begun")
        if process.stdout is not None and (answer := _read(process.stdout)):
            code, goes_on = json.loads(answer)
            if not goes_on:
                self.close()
            return code
        code = process.poll()
        if code is not None:
            self.close()
        return code

    def end(self, patience: float) -> None:
        """Stop the trial that runs.

        Args:
            patience: seconds that the process has to stop by itself.
        """
        if self._process is not None:
            self._process.terminate()
            self.close(patience)

    def close(self, patience: float = PATIENCE) -> None:
        """Let the process end, which has no trial; the next trial starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("this process takes one trial only")
    return stream


def _read(stream: IO[bytes]) -> bytes:
    """Return what can be read at once."""
    try:
        return os.read(stream.fileno(), 100)
    except BlockingIOError:
        return b""


@contextlib.contextmanager
def open_processes(resources: Sequence[WorkerResources]) -> Iterator[list[TrialProcess]]:
    """Give a process to each worker; at the end of the block, those without a trial end."""
    processes = [TrialProcess(part) for part in resources]
    try:
        yield processes
    finally:
        for process in processes:
            process.close()
