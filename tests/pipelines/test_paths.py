"""Paths that a person gives, and files that would hang a reader or fill the memory."""

import gzip
import os
import socket
from pathlib import Path

import pytest
from errorflow.pipelines.core.config_files import load_yaml
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.flags import parse_flags
from errorflow.pipelines.core.paths import usable_path
from errorflow.pipelines.datasets import utf8
from errorflow.pipelines.datasets.data_path import data_path
from errorflow.pipelines.datasets.tables import delimited
from errorflow.pipelines.datasets.tables.table import read_table
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.run import load_run


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path / "pipe.csv"


@pytest.mark.parametrize("read", [load_yaml, data_path, utf8.read_text, read_table, load_run])
def test_a_pipe_is_refused_because_to_open_it_could_wait_forever(pipe, read):
    with pytest.raises(UserError, match=r"pipe\.csv.* is a pipe"):
        read(pipe)


@pytest.mark.parametrize("flag", ["--run-dir", "--data-dir", "--config"])
def test_each_flag_of_a_path_refuses_what_is_neither_a_file_nor_a_folder(pipe, flag):
    for path, kind in ((pipe, "a pipe"), (Path(os.devnull), "a device")):
        with pytest.raises(UserError) as error:
            parse_flags(NamesConfig, [flag, str(path)], "errorflow names train")
        assert str(error.value) == f"{flag} {path}: is {kind}, neither a file nor a folder"


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(UserError, match="is a socket"):
            usable_path("s", "--to")


def test_a_pipe_of_the_shell_is_read():
    read, write = os.pipe()
    os.write(write, b"epochs: 3\n")
    os.close(write)
    path = usable_path(f"/dev/fd/{read}", "--config", or_pipe=True)
    assert load_yaml(path) == {"epochs": 3}
    os.close(read)


def test_the_home_folder_is_meant_by_its_sign_in_flags_and_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c.yaml").write_text("data_dir: ~/data")
    flags = ["--run-dir", "~/runs", "--config", "~/c.yaml"]
    config = parse_flags(NamesConfig, flags, "errorflow names train")
    assert (config.run.run_dir, config.run.config) == (tmp_path / "runs", tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nobody-of-this-name/x", "no valid path"),
        ("a\0b", "no valid path"),
        ("x" * 300, "cannot be read \\(File name too long\\)"),
        ("a/" * 5000, "cannot be read \\(File name too long\\)"),
        (" ", "an empty path"),
    ],
)
def test_a_path_that_cannot_exist_is_refused(path, message):
    with pytest.raises(UserError, match=message):
        usable_path(path, "--to")


def test_a_line_that_is_too_long_for_a_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\n" + b"x" * 10_000_001)
    with pytest.raises(UserError, match=r"a\.txt:3: a line of more than 10,000,000 bytes"):
        utf8.read_text(tmp_path / "a.txt")


def test_a_cell_that_is_too_long_for_a_text_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "LONGEST_LINE", 1000)
    huge = "x y\n" * 300  # more lines than show the separator
    (tmp_path / "a.csv").write_text(f'text,label\na b,A\n"{huge}",B\nc d,B\n')
    table = read_table(tmp_path / "a.csv", known=["text", "label"])
    assert table.rows == [["a b", "A"], ["c d", "B"]]
    (left_out,) = table.left_out
    assert left_out.where.endswith("a.csv:3")
    assert "more than 10,000,000 characters" in left_out.reason


def test_a_few_bytes_do_not_unpack_to_more_than_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(utf8, "memory_limit", lambda: 10**6)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 10**6))
    with pytest.raises(UserError, match=r"too much for the 0\.0 GB of memory here"):
        utf8.read_text(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    ("value", "reason"), [("[" * 100_000, "nested too deeply"), ("9" * 5000, "too long a number")]
)
def test_what_no_json_reader_takes_is_named_by_its_line(tmp_path, value, reason):
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a"}}\n{{"text": {value}')
    with pytest.raises(UserError, match=rf"a\.jsonl:2: not JSON \({reason}\)"):
        read_table(tmp_path / "a.jsonl")
