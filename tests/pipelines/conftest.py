"""One tiny finished run of each task, which all tests share."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Callable[[str], contextlib.AbstractContextManager[Path]]:
    """(task) → a context with a folder that has one finished run, <task>/a; to read only.

    The run is trained at the first use. Inside the context the task's embedded data are few.
    """
    from tasks import TABLE, errorflow, train_flags

    folders: dict[str, Path] = {}

    @contextlib.contextmanager
    def context(task: str) -> Iterator[Path]:
        for package in TABLE[task].packages:
            pytest.importorskip(package)
        folder = folders.get(task) or tmp_path_factory.mktemp(task)
        with TABLE[task].surroundings(folder):
            if task not in folders:
                flags = train_flags(task, folder)
                assert errorflow(task, "train", folder, "--name", "a", *flags) == 0
                folders[task] = folder
            yield folder

    return context
