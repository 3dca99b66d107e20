"""Packages of somebody else add tasks and cells; broken ones do no harm to the others."""

import re
from pathlib import Path

import keras
import pytest
from errorflow import pipelines
from errorflow.layers import watch
from errorflow.pipelines.cli import main
from fake_package import installed

ROOT = Path(__file__).parents[1]

TASK = """
from errorflow.pipelines.names import Names

class Tones(Names):
    name = "tones"

TASK = Tones()
"""
CELLS = """
import keras
from errorflow.layers import register_cell
from errorflow.layers.rnn.simple_rnn import SimpleRNNEquations

class Plain(keras.layers.SimpleRNNCell):
    def call(self, inputs, states, training=False):
        return super().call(inputs, states)

def register():
    register_cell(Plain, lambda cell: SimpleRNNEquations(keras.activations.tanh))
"""


def test_a_task_of_another_package_is_one_like_all_others(tmp_path, capsys):
    tasks = {"tones": "fake_tones:TASK"}
    with installed(tmp_path, {"errorflow.tasks": tasks}, fake_tones=TASK):
        assert {"names", "tones"} <= {*pipelines.tasks()}
        assert main(["tones", "train", "--print-config", "--units", "3"]) == 0
        assert "units: 3" in capsys.readouterr().out
        assert main(["--help"]) == 0
        assert "\n  tones  " in capsys.readouterr().out
        assert main(["tone"]) == 2
        assert "no task 'tone'; did you mean 'tones'?" in capsys.readouterr().err
        with pytest.raises(pipelines.UserError, match="epochs"):
            pipelines.train("tones", epochs=0)
    assert main(["tones"]) == 2


def test_tasks_that_cannot_be_used_are_left_out_with_a_line(tmp_path, capsys):
    tasks = {
        "absent": "no_such_package:TASK",
        "names": "fake_tones_2:TASK",
        "runs": "fake_tones_2:TASK",
        "sounds": "fake_tones_2:TASK",
        "tones": "fake_tones_2:TASK",
        "word": "keras:__version__",
    }
    with installed(tmp_path, {"errorflow.tasks": tasks}, fake_tones_2=TASK):
        found = pipelines.tasks()
        assert {*found} - {*tasks} >= {"tags", "images"}
        assert {"names", "tones"} == {*found} & {*tasks}
        taken = "there is a task or command of this name already"
        assert capsys.readouterr().err.splitlines() == [
            "warning: the task absent (no_such_package:TASK) is left out:"
            " No module named 'no_such_package'",
            f"warning: the task names (fake_tones_2:TASK) is left out: {taken}",
            f"warning: the task runs (fake_tones_2:TASK) is left out: {taken}",
            "warning: the task sounds (fake_tones_2:TASK) is left out: its name is 'tones', the"
            " entry point must have the same",
            "warning: the task word (keras:__version__) is left out: 'str' object has no"
            " attribute 'name'",
        ]
        assert main(["names", "train", "--print-config"]) == 0
        assert capsys.readouterr().err == ""  # the task of errorflow itself, without another look


def test_watch_finds_the_cells_of_another_package(tmp_path):
    cells = {"absent": "no_such_package:register", "plain": "fake_cells:register"}
    with installed(tmp_path, {"errorflow.cells": cells}, fake_cells=CELLS):
        import fake_cells

        rnn = keras.layers.RNN(fake_cells.Plain(2))
        model = keras.Sequential([keras.Input((4, 3)), rnn])
        watch(keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2)]))  # no other look
        with pytest.warns(UserWarning, match=r"absent \(no_such_package:register\) are left out"):
            watch(model)
    assert rnn.error.count == 0  # of backward passes


def test_the_guide_shows_the_code_of_the_example_package():
    docs = ROOT / "docs"
    sources = [*(docs / "examples" / "errorflow_example").rglob("*.*")]
    lines = {
        line.strip()
        for path in sources
        if path.suffix in (".py", ".toml")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    guide = (docs / "guides" / "extend.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", guide, re.S)
    assert len(blocks) > 4
    shown = {line.strip() for block in blocks for line in block.splitlines()}
    assert shown - lines == set()
