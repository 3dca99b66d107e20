"""What the system refuses becomes one line: the path, the reason, and what stays usable."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import keras
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.files import atomic, write_text
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.run_lifecycle import recorded_status
from errorflow.pipelines.core.system_errors import path_of, writing
from errorflow.pipelines.training.checkpoint_space import require_checkpoint_space

FULL = "No space left on device"


@pytest.mark.parametrize(
    "error, reason",
    [
        (OSError(errno.ENOSPC, FULL), FULL),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        # as h5py raises them
        (OSError(errno.ENOSPC, f"Unable to create file (time = Sat\n, error = '{FULL}')"), FULL),
        (RuntimeError(f"Unable to flush file (errno = 28, error message = '{FULL}')"), FULL),
        # as TensorFlow raises them
        (RuntimeError(f"{{{{function_node x}}}} logs/events.1; {FULL}\n\tCould not flush"), FULL),
    ],
)
def test_every_librarys_error_is_one_line(tmp_path, error, reason):
    with (
        pytest.raises(UserError) as refused,
        writing(tmp_path, lambda: "the rest stays usable"),
    ):
        raise error
    assert str(refused.value) == f"cannot write {tmp_path}: {reason}; the rest stays usable"


def test_a_temporary_file_is_called_by_its_own_name(tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone").rmdir()
    file = tmp_path / "gone" / "history.csv"
    line = rf"^cannot write {file}: No such file or directory$"
    with pytest.raises(UserError, match=line), writing(tmp_path):
        write_text(file, "")


def test_a_file_that_fills_the_disk_is_named(tmp_path):
    line = f"^cannot write {tmp_path}/a.csv: {FULL}$"
    with pytest.raises(UserError, match=line), writing(tmp_path), atomic(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, FULL)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("a bug"),
        RuntimeError("photos/1.jpg: No such file or directory"),  # is read, and not written
        BrokenPipeError(errno.EPIPE, "Broken pipe"),  # of stdout
    ],
)
def test_errors_of_other_kinds_pass(tmp_path, error):
    with pytest.raises(type(error)), writing(tmp_path):
        raise error


def test_a_folder_that_tensorflow_cannot_write_is_named(tmp_path):
    denied = RuntimeError(f"{{{{node}}}} {tmp_path}/logs/events.1; Permission denied")
    line = f"^cannot write {tmp_path}: Permission denied$"
    with pytest.raises(UserError, match=line), writing(tmp_path):
        raise denied


def test_a_write_to_a_full_disk_names_the_file(tmp_path):
    """The system names none: the file is open."""
    with pytest.raises(OSError) as caught, atomic(tmp_path / "report.html"):
        Path("/dev/full").write_text("text", encoding="utf-8")
    assert path_of(caught.value) == tmp_path / "report.html"


class Disk(NamedTuple):
    free: int


@pytest.mark.parametrize("free, fits", [(10**8, True), (10**6, False)])
def test_room_for_a_checkpoint_is_checked_before_it_is_begun(tmp_path, monkeypatch, free, fits):
    run = RunFolder(tmp_path / "names" / "a")
    run.backup.mkdir(parents=True)
    run.best.touch()
    model = keras.Sequential([keras.Input([9]), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Disk(free))
    if fits:
        require_checkpoint_space(run, model, model)
    else:
        with pytest.raises(
            UserError, match=r"1\.0 MB left; .*best\.keras stays usable; .*--resume"
        ):
            require_checkpoint_space(run, model, model)


def test_a_run_folder_that_disappears_is_named(tmp_path):
    run = RunFolder(tmp_path / "names" / "a")
    run.path.mkdir(parents=True)
    gone = OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(run.last))
    with (
        pytest.raises(UserError, match="has been removed or renamed; under its old name"),
        recorded_status(run),
    ):
        shutil.rmtree(run.path)
        raise gone
    assert not run.path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_one_line():
    script = "import sys; from errorflow.pipelines.cli import main; sys.exit(main(['--help']))"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-c", script]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 2
    reason = f"{FULL}, where the output or a temporary file goes"
    assert ended.stderr.decode() == f"errorflow: {reason}\n"
