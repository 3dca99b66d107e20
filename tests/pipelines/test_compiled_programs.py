"""What XLA has compiled is kept for later commands, and never stands in their way."""

import os
import subprocess
import sys

import pytest
from errorflow.pipelines.core import compiled_programs
from errorflow.pipelines.core.compiled_programs import FLAGS, FOLDER, keep_programs

COMPILE = """
from errorflow.pipelines.core.devices import load_tensorflow
tf = load_tensorflow()
run = tf.function(lambda x: tf.linalg.matmul(x, x), jit_compile=True)
print(run(tf.constant([[2.0]])).numpy().item())
"""


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """() → TF_XLA_FLAGS after `keep_programs`, with a folder of programs below tmp_path."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "programs"))
    monkeypatch.setenv(FLAGS, "")

    def after() -> str:
        keep_programs()
        return os.environ.get(FLAGS, "")

    return after


def test_a_later_process_takes_the_program(tmp_path):
    environment, found = os.environ | {FOLDER: str(tmp_path)}, []
    for _ in range(2):
        command = [sys.executable, "-c", COMPILE]
        output = subprocess.check_output(command, env=environment, text=True)
        (program,) = tmp_path.glob("*/*.pb")
        found.append((output, program, program.stat().st_mtime_ns))
    assert found[0][0] == "4.0\n"
    assert found[1] == found[0]  # what is compiled would be written again


def test_the_folder_is_one_of_the_settings_of_xla_for_the_user_alone(flags, tmp_path, monkeypatch):
    first = flags()
    assert flags() == first
    (folder,) = (tmp_path / "programs").iterdir()
    assert folder.stat().st_mode & 0o077 == 0  # programs are code
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")
    assert flags() != first  # also where a process with other settings has started this one
    assert flags().count("persistent_cache_directory") == 1


def test_flags_of_the_user_come_first(flags, monkeypatch):
    monkeypatch.setenv(FLAGS, "--tf_xla_auto_jit=1")
    assert flags().startswith("--tf_xla_auto_jit=1 --tf_xla_persistent_cache_directory=")
    for own in ("--tf_xla_persistent_cache_directory=/x", "flags.txt"):
        monkeypatch.setenv(FLAGS, own)
        assert flags() == own


def test_nothing_is_kept_where_that_cannot_be_or_is_not_wanted(flags, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert flags()
    for place in (str(tmp_path / "file" / "below"), ""):
        monkeypatch.setenv(FOLDER, place)
        assert not flags()
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(compiled_programs, "FREE_BYTES", float("inf"))
    assert not flags()


def test_damaged_programs_are_deleted_and_of_too_many_the_oldest(flags, tmp_path, monkeypatch):
    flags()
    (folder,) = (tmp_path / "programs").iterdir()
    whole = b"\x0a\x62" + bytes(98)  # a field of 98 bytes
    contents = {"cut": whole[:50], "zeros": bytes(100), "empty": b"", "other": b"text" * 25}
    contents |= {str(number): whole for number in range(4)}
    for age, (name, content) in enumerate(contents.items()):
        (folder / f"{name}.pb").write_bytes(content)
        os.utime(folder / f"{name}.pb", (age, age))

    def kept():
        flags()
        return sorted(path.stem for path in folder.iterdir())

    assert kept() == ["0", "1", "2", "3"]
    monkeypatch.setattr(compiled_programs, "MAX_BYTES", 250)
    assert kept() == ["2", "3"]
