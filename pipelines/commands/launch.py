"""`errorflow launch`: train with several workers on this machine, each a process of its own."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.config import Section
from ..core.console import complain
from ..core.errors import WORKER_LOST, UserError, require
from ..core.flags import parse_flags
from ..core.run_selection import all_runs
from ..core.stop_request import PARENT, PATIENCE, SIGNALS
from ..core.worker_failures import LONGEST_END
from ..registry import is_task, load_task
from ..search.resources import WorkerResources, divide_resources
from ..training.tracking import end_killed

USAGE = "errorflow launch --workers 2 -- TASK train [FLAGS]"
PORTS = range(20_000, 32_000)  # below those that Linux gives to connections
END_AFTER_MISTAKE = 5  # seconds in which the others must end after one worker's own failure
POLL = 0.1  # seconds between two checks of the processes


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchConfig(Section):
    """Train with several workers on this machine: errorflow launch --workers 2 -- TASK train ...

    Each worker is a process with its share of the processor cores and GPUs. The first one, the
    chief, writes the run folder and prints. All end if one ends.
    """

    workers: int = 2
    """Number of processes."""

    def check(self) -> None:
        require(1 <= self.workers <= 64, "workers", "from 1 to 64", self.workers)


def command(arguments: Sequence[str]) -> int:
    """Start the workers, and wait until they end; return the exit code.

    0: all have succeeded. Otherwise the code of the worker that has failed first, or 75 if it was
    killed.

    Raises:
        UserError: a bad flag, also of the training; no worker has started.
        KeyboardInterrupt: a signal, which was passed on to the workers.
    """
    own, training = _split(arguments)
    config = parse_flags(LaunchConfig, own, "errorflow launch")
    config.check()
    words, run_dir = _checked(training)
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(config.workers)]
    shares = divide_resources(config.workers, _gpus())
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with _ended_together(processes):
            for share in shares:
                processes.append(_start(words, addresses, share))
            return _wait(processes)
    finally:
        code = processes[0].returncode if processes else None
        if code is not None and code < 0:  # the chief could not say that its run has ended
            _end_run_of(processes[0].pid, run_dir, words[0])


def _end_run_of(chief: int, run_dir: Path, task: str) -> None:
    """End the run of a killed chief in its tracker."""
    process = {"host": socket.gethostname(), "pid": chief}
    for run in all_runs(run_dir, task, replacements=True):
        if not run.damage and process.items() <= run.results().items():
            end_killed(run)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the flags of `launch` itself, and the command behind `--`."""
    words = [*arguments]
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end + 1 :]


def _checked(training: list[str]) -> tuple[list[str], Path]:
    """Return the command of each worker, and the folder of all runs.

    Raises:
        UserError: it is no training, or has a bad flag.
    """
    if len(training) < 2 or not is_task(training[0]) or training[1] != "train":
        raise UserError(f"errorflow launch takes a training behind --: {USAGE}")
    if os.environ.get("TF_CONFIG"):
        raise UserError(
            "TF_CONFIG is set, so this process is a worker already: train without `errorflow"
            " launch`, or unset TF_CONFIG"
        )
    task, _, *flags = training
    config = parse_flags(load_task(task).config, flags, f"errorflow {task} train")
    config.resolved().check()
    if config.run.print_config:
        raise UserError(f"--print-config starts no training: errorflow {task} train --print-config")
    has_strategy = any(flag.split("=")[0] == "--strategy" for flag in flags)
    words = training if has_strategy else [*training, "--strategy", "multi-worker"]
    return words, config.run.run_dir


def _free_ports(count: int) -> list[int]:
    """Return ports on which no process of this machine listens."""
    free: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise UserError(f"no {count} free ports from {PORTS.start} to {PORTS.stop - 1} on 127.0.0.1")


def _gpus() -> list[str]:
    """Return the GPUs of this machine, as CUDA_VISIBLE_DEVICES names them."""
    if (names := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in names.split(",") if name not in ("", "-1")]
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def _start(
    words: Sequence[str], addresses: Sequence[str], share: WorkerResources
) -> subprocess.Popen[bytes]:
    task = {"type": "worker", "index": share.number}
    environment = os.environ | {
        "TF_CONFIG": json.dumps({"cluster": {"worker": [*addresses]}, "task": task}),
        PARENT: str(os.getpid()),
    }
    if share.gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = share.gpus
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "errorflow.pipelines", *words],
        stdin=subprocess.DEVNULL,
        env=environment,
        process_group=0,  # Ctrl-C reaches it once, from `_ended_together`
    )
    share.pin(process.pid)
    return process


@contextlib.contextmanager
def _ended_together(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """If a signal ends the block, pass it on to the processes, and wait for them."""
    try:
        yield
    except BaseException:
        for process in processes:
            process.send_signal(signal.SIGINT)
        _end(processes, PATIENCE)
        raise


def _end(processes: Sequence[subprocess.Popen[bytes]], patience: float) -> None:
    """Wait until the processes end by themselves; stop those that do not, in the end by force."""
    _wait_for(processes, patience)
    for process in processes:
        process.terminate()
    _wait_for(processes, PATIENCE)
    for process in processes:
        process.kill()
        process.wait()


def _wait_for(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    last = time.monotonic() + seconds
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0, last - time.monotonic()))


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait until all processes end, or one fails and the others end after it."""
    while True:
        codes = [process.poll() for process in processes]
        failed = next((number for number, code in enumerate(codes) if code), None)
        if failed is not None:
            code = _code_of(failed, codes[failed] or 0)
            # After a mistake before they have met, the others still wait for that worker.
            _end(processes, LONGEST_END if code == WORKER_LOST else END_AFTER_MISTAKE)
            return code
        if None not in codes:
            return 0
        time.sleep(POLL)


def _code_of(number: int, code: int) -> int:
    """Return the exit code for a worker that has failed; say so if it could not do that itself."""
    if code > 0:
        return code
    name = signal.Signals(-code).name
    complain(f"worker {number} was ended by {name}; --resume goes on after the last complete epoch")
    return 128 - code if -code in SIGNALS else WORKER_LOST
