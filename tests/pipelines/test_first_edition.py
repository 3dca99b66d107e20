"""Runs and searches that errorflow 0.1.0 wrote are read, used and continued by this version."""

import csv
import shutil
from pathlib import Path

import pytest
from errorflow.pipelines import api, cli
from errorflow.pipelines.core.files import read_json

pytestmark = pytest.mark.usefixtures("undrawn")

WRITTEN = Path(__file__).parents[1] / "data" / "first_edition"
INPUTS = {
    "names": ["Nowak", "Garcia"],
    "images": ["data/photos/stripes/00.png", "data/photos/checks/01.png"],
    "tags": ["the small dog sees a cat ."],
    "pronounce": ["kamito"],
    "captions": ["data/captions/00.png"],
}
# What errorflow 0.1.0 printed for these inputs.
PREDICTIONS = {
    "names": [
        ["Nowak ", "Dutch 0.045", "Slovak 0.045", "Polish 0.044"],
        ["Garcia", "Slovak 0.044", "Polish 0.044", "Dutch 0.044"],
    ],
    "images": [
        ["data/photos/stripes/00.png", "stripes 0.598", "checks 0.402"],
        ["data/photos/checks/01.png ", "checks 0.988", "stripes 0.012"],
    ],
    "tags": [["the/NOUN small/NOUN dog/NOUN sees/NOUN a/NOUN cat/NOUN ./NOUN"]],
    "pronounce": [
        ["kamito", "", "-2.766"],
        ["kamito", "IY", "-5.028"],
        ["kamito", "AA", "-5.038"],
    ],
    "captions": [["data/captions/00.png", "", "-2.537"]],
}
NEEDS = {"pronounce": "jiwer", "captions": "sacrebleu"}


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory):
    """A copy of the first edition's folder; paths in its configurations are relative to it."""
    folder = tmp_path_factory.mktemp("first") / "edition"
    shutil.copytree(WRITTEN, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def errorflow(line: str) -> None:
    assert cli.main(line.split()) == 0


@pytest.fixture(params=INPUTS)
def task(request):
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return request.param


def test_a_finished_run_has_the_same_test_figures(task):
    expected = read_json(Path("runs") / task / "finished" / "results.json")["test"]
    errorflow(f"{task} evaluate --name finished")
    assert read_json(Path("runs") / task / "finished" / "results.json")["test"] == expected


def test_a_finished_run_predicts_the_same(task, capsys):
    assert cli.main([task, "predict", "--name", "finished", *INPUTS[task]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t") for line in lines] == PREDICTIONS[task]


def test_a_finished_run_is_exported(task, tmp_path):
    errorflow(f"{task} export --name finished --format keras --to {tmp_path}")
    assert (tmp_path / "model.keras").exists()


def test_a_finished_run_is_a_run_of_the_python_api(task):
    run = api.load_run(Path("runs") / task / "finished")
    assert len(run.history) == run.results["epochs"]
    assert [finding.first_sentence for finding in run.findings] == run.results["verdict"][
        -len(run.findings) or len(run.results["verdict"]) :
    ]


def test_an_interrupted_run_continues(here):
    state = read_json(here / "runs/names/interrupted/checkpoints/backup/state.json")
    epochs = state["epochs"] + 1
    errorflow(f"names train --resume --epochs {epochs}")
    results = read_json(here / "runs/names/interrupted/results.json")
    assert (results["status"], results["epochs"]) == ("finished", epochs)


def test_runs_are_compared_and_reported(tmp_path, capsys):
    errorflow("runs compare names/finished tags/finished")
    assert "macro f1" in capsys.readouterr().out
    errorflow(f"report names/finished pronounce/finished --to {tmp_path / 'report.html'}")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("data:image/") >= 2  # saved plots
    assert report.count("data-card=") >= 4  # charts of what was recorded


def test_the_best_run_of_a_search_predicts(capsys):
    errorflow("names predict --run searches/finished/best Nowak")
    assert capsys.readouterr().out.startswith("Nowak\t")
    search = api.Search(Path("searches/finished"))
    assert len(search.trials) == 2
    assert search.best.results["trial"] == search.trials["trial"][0]


def test_an_interrupted_search_continues(here, trials_in_this_process):
    command = "names tune --project-name interrupted --oracle random --max-trials 2 --epochs 2"
    command += " --limit 400 --max-length 20 --space searches/interrupted/space.yaml"
    first = (here / "searches/interrupted/trial_0/result.json").read_bytes()
    errorflow(f"{command} --directory searches")
    with (here / "searches/interrupted/trials.csv").open(newline="", encoding="utf-8") as file:
        assert {row["trial"] for row in csv.DictReader(file)} == {"0", "1"}
    assert (here / "searches/interrupted/trial_0/result.json").read_bytes() == first
