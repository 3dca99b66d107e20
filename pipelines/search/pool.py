"""Run trials in parallel, by several processes."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

from ..core.devices import load_tensorflow
from ..core.phases import phase
from .processes import TrialProcess, open_processes
from .resources import WorkerResources, divide_resources, may_have_gpus
from .trial_process import run_to_result

WAIT = 0.2  # seconds between two checks of a process


class _Stopped(BaseException):
    """The pool is closed; the trial will be resumed."""


class Pool:
    """Threads that let processes train trials, each on its own cores and GPUs.

    Args:
        processes: that of each thread.
    """

    def __init__(self, processes: Sequence[TrialProcess]):
        self._free = [*processes]
        self._stop = threading.Event()
        self._threads = futures.ThreadPoolExecutor(len(processes))
        self._running: dict[futures.Future, tuple[Any, TrialProcess]] = {}

    @property
    def has_room(self) -> bool:
        """Whether a further trial can run now."""
        return bool(self._free)

    @property
    def running(self) -> list[Any]:
        """The keys of the trials that run."""
        return [key for key, _ in self._running.values()]

    def start(self, key: Any, folder: Path) -> None:
        """Run the trial in a folder, unless it has a result."""
        process = self._free.pop(0)
        future = self._threads.submit(run_to_result, folder, process, self._pause, self._pause)
        self._running[future] = (key, process)

    def next_results(self) -> list[tuple[Any, dict[str, Any]]]:
        """Wait until a trial has ended; return the keys and results of those that have."""
        done, _ = futures.wait(self._running, return_when=futures.FIRST_COMPLETED)
        ended = [(self._running.pop(future), future) for future in done]
        self._free += [process for (_, process), _ in ended]
        return [(key, future.result()) for (key, _), future in ended]

    def _pause(self, seconds: float = WAIT) -> None:
        if self._stop.wait(seconds):
            raise _Stopped

    def close(self) -> None:
        """Stop the trials that run, and wait until their processes have ended."""
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)


@contextlib.contextmanager
def open_pool(workers: int) -> Iterator[Pool]:
    """Give a pool; at the end of the block, what still runs is stopped.

    Args:
        workers: number of trials that run at the same time; CPU cores and GPUs are divided among
            them.
    """
    with open_processes(_resources(workers)) as processes:
        pool = Pool(processes)
        try:
            yield pool
        finally:
            pool.close()


def _resources(workers: int) -> list[WorkerResources]:
    """Return the cores and GPUs of each worker; TensorFlow knows the GPUs."""
    if workers > 1 and may_have_gpus():
        with phase("loading TensorFlow", after=0):
            load_tensorflow()
    return divide_resources(workers)
