"""One tiny finished run of each task, which all tests share."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Callable[[str], contextlib.AbstractContextManager[Path]]:
    """(task) → a context with a folder that has one finished run, <task>/a; to read only.

    The run is trained at the first use, and copied where another process has trained it. Inside
    the context the task's embedded data are few.
    """
    from errorflow.pipelines.training import plots
    from tasks import TABLE, errorflow, train_flags

    draw = plots.save
    folders: dict[str, Path] = {}
    base = tmp_path_factory.getbasetemp()
    of_all_processes = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"

    @contextlib.contextmanager
    def context(task: str) -> Iterator[Path]:
        for package in TABLE[task].packages:
            pytest.importorskip(package)
        folder = folders.get(task) or tmp_path_factory.mktemp(task)
        with TABLE[task].surroundings(folder):
            shared = of_all_processes / task
            if task not in folders and shared.exists():
                shutil.copytree(shared, folder, dirs_exist_ok=True)
            elif task not in folders:
                flags = train_flags(task, folder)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(plots, "save", draw)
                    assert errorflow(task, "train", folder, "--name", "a", *flags) == 0
                _publish(folder, shared)
            folders[task] = folder
            yield folder

    return context


@pytest.fixture
def undrawn(monkeypatch):
    """The plots of trainings are blank files: drawing them takes a third of a tiny training."""
    from errorflow.pipelines.training import plots

    monkeypatch.setattr(plots, "save", lambda figure, path: path.write_bytes(b"blank"))


@pytest.fixture
def trials_in_this_process(monkeypatch):
    """Trials of a search are trained without a process of their own, which imports TensorFlow."""
    from errorflow.pipelines.search import trial_process
    from errorflow.pipelines.search.trial import run_trial

    def train(folder: Path, *_) -> int:
        run_trial(folder)
        return 0

    monkeypatch.setattr(trial_process, "run_process", train)


def _publish(folder: Path, shared: Path) -> None:
    """Copy a folder for other processes, unless one of them was faster."""
    shared.parent.mkdir(exist_ok=True)
    copy = shared.with_name(f"{shared.name}-{os.getpid()}")
    shutil.copytree(folder, copy)
    with contextlib.suppress(OSError):
        copy.rename(shared)
