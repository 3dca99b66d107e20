"""Data folders with damaged files: each is read, or refused in one line."""

import tempfile
from pathlib import Path

import hypothesis
import pytest
from chaos import hostile, invariant
from chaos.samples import SAMPLES
from errorflow.pipelines.core import config as settings
from errorflow.pipelines.core.console import complain, note
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.registry import load_task
from errorflow.pipelines.training.data_report import data_in_one_line, read_data
from errorflow.pipelines.training.task import Task
from hypothesis import strategies as st

EXAMPLES = 240  # of each sample


def read(task: Task, folder: Path, encoding: str | None, ready_splits: bool) -> int:
    """Read the data of a folder as `train` does; return what its exit code would be."""
    options = {"encoding": encoding} if hasattr(task.config().data, "encoding") else {}
    config = settings.replace(
        task.config(), data_dir=folder, ready_splits=ready_splits, **options
    ).resolved()
    try:
        note(data_in_one_line(read_data(task, config, task.find_data(config))))
    except UserError as error:
        complain(str(error))
        return 2
    return 0


@pytest.mark.parametrize("sample", SAMPLES)
def test_damaged_data_are_read_or_refused(sample: str, tmp_path: Path, summary):
    name, files = SAMPLES[sample]
    task, usual, codes = load_task(name), files(), []

    @hostile.fuzzed(EXAMPLES)
    @hypothesis.given(
        hostile.damaged_folder(usual),
        st.sampled_from((None,) * 6 + ("latin-1", "utf-16", "cp932")),
        st.sampled_from((True,) * 4 + (False,)),
    )
    def fuzz(damaged, encoding, ready_splits):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            hostile.write(Path(folder), damaged)
            before = invariant.digests(Path(folder))
            ended = invariant.ended(
                lambda: read(task, Path(folder), encoding, ready_splits), damaged
            )
            invariant.check(ended)
            assert invariant.digests(Path(folder)) == before
        codes.append(ended.code)

    hostile.write(tmp_path / "usual", usual)
    assert read(task, tmp_path / "usual", None, True) == 0
    fuzz()
    summary(f"{sample}: {len(codes)} damaged folders, {codes.count(2)} refused in one line")
