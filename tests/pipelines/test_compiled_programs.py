"""What XLA has compiled is kept for later commands, and never stands in their way."""

import os
import subprocess
import sys

import pytest
from errorflow.pipelines.core import compiled_programs
from errorflow.pipelines.core.compiled_programs import FLAGS, VARIABLE, keep_programs

COMPILE = """
from errorflow.pipelines.core.devices import load_tensorflow
tf = load_tensorflow()
run = tf.function(lambda x: tf.linalg.matmul(x, x), jit_compile=True)
print(run(tf.constant([[2.0]])).numpy().item())
"""


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """() → TF_XLA_FLAGS after `keep_programs`, with a folder of programs below tmp_path."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "programs"))
    monkeypatch.setenv(FLAGS, "")

    def after() -> str:
        keep_programs()
        return os.environ.get(FLAGS, "")

    return after


def test_a_later_process_takes_the_program(tmp_path):
    environment, found = os.environ | {VARIABLE: str(tmp_path)}, []
    for _ in range(2):
        command = [sys.executable, "-c", COMPILE]
        output = subprocess.check_output(command, env=environment, text=True)
        (program,) = tmp_path.glob("*/*.pb")
        found.append((output, program, program.stat().st_mtime_ns))
    assert found[0][0] == "4.0\n"
    assert found[1] == found[0]  # what is compiled would be written again


def test_the_folder_is_one_of_the_settings_of_xla(flags, monkeypatch):
    first = flags()
    assert flags() == first
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")
    assert flags() != first  # also where a process with other settings has started this one
    assert flags().count("persistent_cache_directory") == 1


def test_the_folder_is_for_its_user_alone(flags, tmp_path):
    assert flags()
    root = tmp_path / "programs"
    (folder,) = root.iterdir()
    for path in (root, folder):
        assert path.stat().st_mode & 0o077 == 0
    folder.chmod(0o770)
    assert not flags()


def test_the_usual_place_is_the_cache_of_the_user(flags, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert f'"{tmp_path}/home/.cache/errorflow/programs/' in flags()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert f'"{tmp_path}/cache/errorflow/programs/' in flags()
    monkeypatch.delenv("XDG_CACHE_HOME")

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compiled_programs.Path, "home", no_home)
    assert not flags()


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
        monkeypatch.setenv(VARIABLE, place)
        assert not flags()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(compiled_programs, "FREE_BYTES", float("inf"))
    assert not flags()


def test_damaged_programs_are_deleted_and_of_too_many_the_oldest(flags, tmp_path, monkeypatch):
    flags()
    (folder,) = (tmp_path / "programs").iterdir()
    whole = b"\x0a\x62" + bytes(98)  # a field of 98 bytes
    contents = {"cut.pb": whole[:50], "zeros.pb": bytes(100), "empty.pb": b"", "text.pb": b"t" * 99}
    contents |= {"endless.pb": b"\xff" * 100, "long.pb": b"\x0a" + b"\xff" * 9 + b"\x01"}
    contents |= {"half.pb.tmp": b"of a killed process"} | {f"{n}.pb": whole for n in range(4)}
    for age, (name, content) in enumerate(contents.items()):
        path = folder / f"xla_compile_cache__{name}"
        path.write_bytes(content)
        os.utime(path, (age, age))
    other = folder.with_name("model") / "saved_model.pb"  # in a folder that somebody chose
    other.parent.mkdir()
    other.write_bytes(b"\x08\x01")

    def kept():
        flags()
        return [path.name.removeprefix("xla_compile_cache__") for path in sorted(folder.iterdir())]

    assert kept() == ["0.pb", "1.pb", "2.pb", "3.pb"]
    monkeypatch.setattr(compiled_programs, "MAX_BYTES", 250)
    assert kept() == ["2.pb", "3.pb"]
    assert other.exists()
