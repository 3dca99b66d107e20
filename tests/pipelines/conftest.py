"""One tiny finished run of each task, which all tests share."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The plots of the other tasks, which are of the same kinds, are blank files, as in `undrawn`.
DRAWN = frozenset({"names", "lags", "series", "images", "captions"})


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
            if task not in folders:
                with _alone(of_all_processes, task) as shared:
                    if shared.exists():
                        shutil.copytree(shared, folder, dirs_exist_ok=True)
                    else:
                        flags = train_flags(task, folder)
                        with pytest.MonkeyPatch.context() as patch:
                            patch.setattr(plots, "save", draw if task in DRAWN else leave_blank)
                            assert errorflow(task, "train", folder, "--name", "a", *flags) == 0
                        copy = shared.with_name(f"{task}-{os.getpid()}")
                        shutil.copytree(folder, copy)
                        copy.rename(shared)  # whole, whenever this process is killed
            folders[task] = folder
            yield folder

    return context


@pytest.fixture
def undrawn(monkeypatch):
    """The plots of trainings are blank files: drawing them takes a third of a tiny training."""
    from errorflow.pipelines.training import plots

    monkeypatch.setattr(plots, "save", leave_blank)


def leave_blank(figure, path: Path) -> None:
    """Take the place of `plots.save`."""
    path.write_bytes(b"blank")


@pytest.fixture
def trials_in_this_process(monkeypatch):
    """Trials of a search are trained without a process of their own, which imports TensorFlow."""
    from errorflow.pipelines.search import trial_process
    from errorflow.pipelines.search.trial import run_trial

    def train(folder: Path, *_) -> int:
        run_trial(folder)
        return 0

    monkeypatch.setattr(trial_process, "run_process", train)


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[Path]:
    """Yield a path below a folder of all processes; others wait until the block has ended."""
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however it ends
        yield folder / name
