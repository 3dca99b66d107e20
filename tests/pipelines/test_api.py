"""The Python API: it returns objects, and finds mistakes before anything is loaded."""

import subprocess
import sys

import numpy as np
import pytest
from errorflow import pipelines
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.files import read_json
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.tags.config import TagsConfig

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = {"model": "gru", "units": 4, "embedding": 3, "batch_size": 16, "jit": "off"}


@pytest.fixture(scope="module")
def run(two_classes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    pairs = [
        (line, path.stem) for path in two_classes.glob("*.txt") for line in path.read_text().split()
    ]
    return pipelines.train("names", data=pairs, run_dir=folder, name="a", epochs=2, seed=3, **TINY)


def test_a_run_has_its_files_as_objects(run):
    assert (run.path.name, run.folder.status) == ("a", "finished")
    assert list(run.history["epoch"]) == [1, 2]
    assert run.results == read_json(run.path / "results.json")
    assert run.config.network.units == 4
    assert run.findings[0].first_sentence == run.results["verdict"][0]
    assert {"label", "probabilities"} == set(run.model.output)
    assert "finished" in repr(run)


def test_a_loaded_run_is_the_same(run):
    again = pipelines.load_run(str(run.path))
    assert again == run
    np.testing.assert_array_equal(
        again.model.get_weights()[-1], run.model.get_weights()[-1], strict=True
    )


def test_predictions_are_rows(run):
    first, second = run.predict(["aeiou", "bcdbc"], top=2)
    assert (first["text"], set(first["probabilities"])) == ("aeiou", {"Long", "Vowels"})
    assert first["probability"] == max(first["probabilities"].values())
    assert run.predict("bcdbc", top=2) == [second]


def test_evaluate_gives_the_figures_of_a_split(run):
    figures = run.evaluate("test")
    assert figures == run.results["test"]
    assert pipelines.evaluate(run.path, "validation") == run.results["validation"]
    with pytest.raises(pipelines.UserError, match="train, validation or test"):
        run.evaluate("dev")


def test_export_gives_the_paths(run, tmp_path):
    assert run.export("keras", to=tmp_path) == {"keras": tmp_path / "model.keras"}
    with pytest.raises(pipelines.UserError, match="--format takes"):
        run.export("pickle")


def test_plot_draws_what_the_event_files_hold(run):
    assert len(run.plot().axes) > 0
    assert len(run.plot("layer_gradients").axes) > 0


def test_a_run_is_continued_by_name(run):
    longer = pipelines.train("names", run_dir=run.path.parents[1], name="a", resume=True, epochs=3)
    assert list(longer.history["epoch"]) == [1, 2, 3]
    assert longer.config.network.units == 4


def test_settings_are_added_to_those_of_a_config_and_nothing_is_printed(
    two_classes, tmp_path, capfd
):
    config = replace(NamesConfig(), data_dir=two_classes, **TINY)
    run = pipelines.train("names", config, run_dir=tmp_path, epochs=1, units=5)
    assert (run.config.network.units, run.config.network.embedding) == (5, 3)
    assert "".join(capfd.readouterr()) == ""
    assert run.path.parent == tmp_path / "names"


def test_a_search_gives_trials_and_the_best_run(two_classes, tmp_path, trials_in_this_process):
    (tmp_path / "space.yaml").write_text("units: [3, 4]")
    search = pipelines.tune(
        "names",
        replace(NamesConfig(), data_dir=two_classes, **TINY),
        epochs=1,
        oracle="grid",
        space=tmp_path / "space.yaml",
        max_trials=1,
        directory=tmp_path,
        workers=1,
    )
    assert list(search.trials["rank"]) == [1]
    assert search.best.results["trial"] == search.trials["trial"][0]
    assert search.best.predict("aeiou")[0]["label"] in ("Long", "Vowels")


MISTAKES = {
    "no task 'nams'; did you mean 'names'": lambda p: p.train("nams"),
    "unknown key 'modle'; did you mean 'model'": lambda p: p.train("names", modle="gru"),
    "got 'gur' at key model": lambda p: p.train("names", model="gur"),
    "whole number, got '3' at key epochs": lambda p: p.train("names", epochs="3"),
    "must be 1 or more, got 0": lambda p: p.train("names", epochs=0),
    "config must be a NamesConfig, got TagsConfig": lambda p: p.train("names", TagsConfig()),
    "no interrupted run": lambda p: p.train("names", resume=True, run_dir="nowhere"),
    "unknown key 'orcale'; did you mean 'oracle'": lambda p: p.tune("names", orcale="grid"),
    "not the folder of a trained run": lambda p: p.load_run("nowhere"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_wrong_argument_raises_user_error(message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pipelines.UserError, match=message):
        MISTAKES[message](pipelines)
    assert not any(tmp_path.iterdir())


def test_mistakes_are_found_before_tensorflow_is_loaded(tmp_path):
    code = """
import sys
from errorflow import pipelines
for call in (
    lambda: pipelines.train("names", epochs=0),
    lambda: pipelines.tune("names", oracle="x"),
    lambda: pipelines.load_run("nowhere"),
    lambda: pipelines.train("names", data_dir="nowhere"),
    lambda: pipelines.train("names", data=[("Ann", "a"), ("Bob", "a"), ("Cid", "a")]),
    lambda: pipelines.tune("tags", data_dir="nowhere"),
):
    try:
        call()
    except pipelines.UserError:
        continue
    raise SystemExit("no error")
print(sorted(pipelines.tasks())[:2], "tensorflow" in sys.modules)
"""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert process.stdout == "['actions', 'captions'] False\n"


def test_verbose_prints_what_the_command_line_prints(two_classes, tmp_path, capfd):
    pipelines.train("names", run_dir=tmp_path, data_dir=two_classes, epochs=1, verbose=True, **TINY)
    assert "epoch 1/1" in "".join(capfd.readouterr())
