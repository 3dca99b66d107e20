"""Tests of the verb `predict` for pipes: inputs of all kinds, JSON lines and CSV, in every task."""

import csv
import io
import json
import sys

import pytest
from errorflow.pipelines.registry import load_task
from errorflow.pipelines.training.answers import Answers
from errorflow.pipelines.training.inputs import Input, path_reader, read_inputs, text_reader
from tasks import TABLE, errorflow

LISTED = [
    pytest.param(task, marks=pytest.mark.slow) if task == "stories" else task
    for task, row in TABLE.items()
    if row.lists_inputs
]
OF_FILES = {"images": "image", "captions": "image", "stories": "image", "actions": "video"}


def pipe(monkeypatch, content: bytes) -> None:
    """Let stdin have a content."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# Every task


@pytest.mark.parametrize("task", [task for task, row in TABLE.items() if row.lists_inputs])
def test_a_file_that_does_not_fit_names_only_flags_that_predict_has(task, tmp_path):
    (tmp_path / "a.csv").write_text("height,weight\n1,2\n")
    (tmp_path / "b.csv").write_bytes(b"caf\xe9\n")
    reader = load_task(task).input_reader()
    ((table, latin),) = read_inputs([*map(str, sorted(tmp_path.iterdir()))], reader, False, 8)
    assert f"choose it with --{OF_FILES.get(task, 'text')}-column" in table.fault
    assert latin.fault.endswith("(byte 0xe9 at position 4); save it as UTF-8")


@pytest.mark.parametrize("task", LISTED)
def test_every_task_answers_all_that_it_can_read(task, finished_run, tmp_path, capsys, monkeypatch):
    """Arguments, a table, a folder, a glob and stdin; a broken input among them is one line."""
    (tmp_path / "in").mkdir()
    inputs = TABLE[task].inputs(tmp_path / "in")
    key = "file" if task in OF_FILES else "text"
    with (tmp_path / "table.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["odd", "name"], *(["x", value] for value in inputs)])
    broken = tmp_path / ("broken.gif" if task in OF_FILES else "broken.txt")
    broken.write_bytes(b"ab\n\xff\xe9")
    places = [str(tmp_path / "in"), str(tmp_path / "i[n]")] if task in OF_FILES else []
    flags = ["--name", "a", f"--{OF_FILES.get(task, 'text')}-column", "name", "--json"]
    arguments = [str(broken), str(tmp_path / "table.csv"), *places, "-"]
    with finished_run(task) as where:
        capsys.readouterr()
        pipe(monkeypatch, b"\xef\xbb\xbf" + "\r\n".join(inputs).encode())
        assert errorflow(task, "predict", where, *flags, *arguments) == 3
        out, err = capsys.readouterr()
        pipe(monkeypatch, "\n".join(inputs).encode())
        assert errorflow(task, "predict", where, "--name", "a", "--csv") == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert sorted(row[key] for row in rows) == sorted(inputs * (2 + len(places)))
    assert [row[key] for row in rows[: len(inputs)]] == inputs
    (line,) = [line for line in err.splitlines() if line.startswith("errorflow: ")]
    assert str(broken) in line
    table = [*csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert [row[key] for row in table] == inputs
    assert all(None not in row and len(row) > 1 for row in table)


# Reading inputs, without TensorFlow


def texts(*arguments: str, column: str | None = None, blank: bool = False) -> list[Input]:
    batches = read_inputs(arguments, text_reader(column), blank, 2)
    return [item for batch in batches for item in batch]


def test_lines_of_stdin_survive_marks_line_ends_and_bytes_that_are_no_text(monkeypatch):
    content = b"\xef\xbb\xbfa\r\n\n  \n\xc3\xa9\0\nb\xff\n\xef\xbb\xbfc"
    expected = ["a", "é\0", "b\ufffd", "\ufeffc"]  # a mark further down is a text's own
    pipe(monkeypatch, content)
    assert [item.value for item in texts()] == expected
    pipe(monkeypatch, content)
    assert [item.value for item in texts("-", blank=True)] == ["a", "", "  ", *expected[1:]]


def test_texts_come_from_arguments_files_folders_globs_and_tables(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo\r\n")
    (tmp_path / "b.txt").write_bytes(b"ok\n\xff\xfe\n")
    (tmp_path / "c.csv").write_text("n,text\n1,three\n2,four\n")
    found = texts(str(tmp_path), str(tmp_path / "[ac].*"), "a.b", "x\0y")
    assert [item.value for item in found if not item.fault] == [
        *["one", "two", "three", "four"] * 2,
        *["a.b", "x\0y"],
    ]
    (fault,) = [item.fault for item in found if item.fault]  # what follows it is read
    assert str(tmp_path / "b.txt") in fault
    assert [item.value for item in texts(str(tmp_path / "c.csv"), column="n")] == ["1", "2"]
    assert "no such file" in texts("missing.csv")[0].fault
    assert not texts("see a.csv")[0].fault  # a text
    assert "other" in texts(str(tmp_path / "c.csv"), column="other")[0].fault


def test_paths_that_cannot_be_followed_leave_the_others(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "empty").mkdir()
    reader = path_reader(None, lambda path: path.suffix == ".png", lambda folder: False)
    odd = ["", "no.png", "\0", "x" * 5000, "~nobody-here/x", str(tmp_path / "empty")]
    (batch,) = read_inputs([*odd, str(tmp_path)], reader, False, 64)
    assert [item.value for item in batch if not item.fault] == [str(tmp_path / "a.png")]
    assert len([item for item in batch if item.fault]) == len(odd)


# Writing answers


def test_json_and_csv_have_no_nan_and_no_half_characters(capsys):
    row = {"sentence": "a\udcff,\x1b", "value": float("nan"), "predictions": [("b", 0.5)]}
    for kind in ("json", "csv"):
        Answers(kind, "text", lambda rows: [], 2).write([row])
    out = capsys.readouterr().out.split("\n", 1)
    assert json.loads(out[0]) == {
        **{"text": "a\ufffd,\x1b", "value": None},
        "predictions": [{"text": "b", "score": 0.5}],
    }
    assert out[1] == ('text,value,prediction,score,prediction_2,score_2\n"a\ufffd,\x1b",,b,0.5,,\n')


def test_control_characters_do_not_reach_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for kind in ("words", "json", "csv"):
        Answers(kind, "text", lambda rows: [rows[0]["text"]], 1).write([{"text": "a\x1b[2J\x9b"}])
    assert not {"\x1b", "\x9b"} & {*capsys.readouterr().out}
