"""Two processes train one network together, with the results of one process."""

import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import workers
from tasks import TABLE

SECONDS = 240  # in which the processes end, however busy the machine is
# Each group is trained by one start of the processes; the second one by the slow tests.
GROUPS = [["several steps per execution"], ["jit", *workers.TASKS]]
TRAININGS = [
    pytest.param(group, name, marks=pytest.mark.slow) if group else (group, name)
    for group, names in enumerate(GROUPS)
    for name in names
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a folder of examples for each task."""
    folder = tmp_path_factory.mktemp("data")
    for task in workers.TASKS:
        write = TABLE[task].data
        (folder / "new").mkdir()
        write(folder / "new").rename(folder / task)
        (folder / "new").rmdir()
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(group) → figures and weights of its trainings: of one process, and of each worker."""
    return functools.cache(lambda group: train(GROUPS[group], data, tmp_path_factory.mktemp("w")))


def train(names: list[str], data: Path, out: Path) -> list[dict[str, tuple]]:
    """Figures and weights of each training, by its name: of one process, and of each worker."""
    import tensorflow as tf

    processes = [start(names, data, out / str(index), config) for index, config in enumerate(two())]
    try:
        alone = workers.results(names, tf.distribute.get_strategy(), data, out / "alone")
        one = {name: (figures, weights) for name, figures, weights in alone}
        for process in processes:
            said = process.communicate(timeout=SECONDS)[0]
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
    return [one, *(read(out / str(index)) for index in range(2))]


def two() -> list[str]:
    """TF_CONFIG of two workers on this machine."""
    sockets = [socket.socket() for _ in range(2)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in sockets]
    for free in sockets:
        free.close()
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


def start(names: list[str], data: Path, out: Path, config: str) -> subprocess.Popen:
    """Start the worker that TF_CONFIG describes."""
    paths = [str(Path(workers.__file__).parent), *sys.path]
    settings = {"TF_CONFIG": config, "PYTHONPATH": os.pathsep.join(paths)}
    settings["http_proxy"] = "http://127.0.0.1:9"  # leads nowhere; workers need no proxy
    return subprocess.Popen(
        [sys.executable, workers.__file__, str(data), str(out), *names],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read(out: Path) -> dict[str, tuple]:
    """What a worker has written, by training."""
    figures = json.loads((out / "figures.json").read_text())
    return {
        name: (found, [*np.load(out / f"{name}.npz").values()]) for name, found in figures.items()
    }


@pytest.mark.parametrize(("group", "training"), TRAININGS)
def test_two_workers_compute_what_one_process_does(trained, group, training):
    """Loss, metrics, validation and weights; with the gradients of each step clipped."""
    (figures, weights), *of_workers = (found[training] for found in trained(group))
    for worker_figures, worker_weights in of_workers:
        assert flat(worker_figures) == pytest.approx(flat(figures), rel=1e-6, abs=1e-6)
        for own, other in zip(weights, worker_weights, strict=True):
            np.testing.assert_allclose(other, own, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("group", "training"),
    [(0, "several steps per execution"), pytest.param(1, "jit", marks=pytest.mark.slow)],
)
def test_two_workers_record_what_one_process_does(trained, group, training):
    """Errors, gradients, gates, mean losses and, read from the chief's files, earlier errors."""
    (files, tables), *of_workers = (found[f"records of {training}"] for found in trained(group))
    for _, of_worker in of_workers:
        for own, other in zip(tables, of_worker, strict=True):
            scale = np.nanmax(np.abs(own), initial=0.0)
            np.testing.assert_allclose(other, own, rtol=1e-6, atol=1e-6 * scale)
    assert [found for found, _ in of_workers] == [files, {"event files": 0}]


def flat(figures, name="") -> dict[str, float]:
    """The numbers in nested lists and dictionaries, by their place."""
    if isinstance(figures, float | int):
        return {name: figures}
    pairs = figures.items() if isinstance(figures, dict) else enumerate(figures)
    return {k: v for key, value in pairs for k, v in flat(value, f"{name}/{key}").items()}
