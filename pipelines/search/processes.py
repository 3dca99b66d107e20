"""The processes that train trials: each trains one after another, and all share compiled programs.

To load TensorFlow, and to compile, takes longer than a short training. A trial whose process died,
or that failed for a reason which may lie in the trials before it, is trained once more in a process
of its own, which shares nothing.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from ..core.cluster import without_cluster
from ..core.run_lock import hold, holder
from ..core.stop_request import PARENT
from .resources import WorkerResources

PATIENCE = 60  # seconds that a process has to stop by itself
FLAGS = "TF_XLA_FLAGS"
PREFIX = "errorflow-programs-"  # of folders of compiled programs
_LOCK = "lock.json"


class TrialProcess:
    """The process of a worker, which is started for the first trial and goes on with the next.

    Args:
        resources: the CPU cores and GPUs that it uses.
        variables: environment variables of a process that trains several trials.
    """

    def __init__(self, resources: WorkerResources, variables: Mapping[str, str]):
        self.resources, self._variables = resources, variables
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
        if not is_alone:
            environment |= self._variables
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
    with shared_programs() as variables:
        processes = [TrialProcess(part, variables) for part in resources]
        try:
            yield processes
        finally:
            for process in processes:
                process.close()


@contextlib.contextmanager
def shared_programs() -> Iterator[dict[str, str]]:
    """Yield environment variables: processes with them share what XLA compiles during the block.

    TensorFlow writes a compiled program to a temporary name and renames it. The folder is one of
    this machine and this command, since programs are made for a processor and a version.
    On a GPU nothing is shared, nor if TF_XLA_FLAGS says where to keep programs already.
    """
    flags = os.environ.get(FLAGS, "").strip()
    if "persistent_cache" in flags or flags[:1] not in ("", "-"):  # a file
        yield {}
        return
    with _temporary_folder() as folder:
        place = f'--tf_xla_persistent_cache_directory="{folder}"'
        kinds = "--tf_xla_persistent_cache_device_types=CPU"
        yield {FLAGS: f"{flags} {place} {kinds}".strip()}


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder, which is deleted after the block; delete those of commands that were killed.

    Its command holds its lock. As long as it has no lock, it has another name, by which nobody
    takes it for one that was left behind.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if holder(path / _LOCK) is None:
            shutil.rmtree(path, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    folder = new.with_name(new.name.removeprefix("."))
    try:
        with hold(new / _LOCK):
            new.rename(folder)
            yield folder
    finally:
        for path in (new, folder):
            shutil.rmtree(path, ignore_errors=True)
