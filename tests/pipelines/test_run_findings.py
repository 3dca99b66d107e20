"""`errorflow runs findings`: in words and as JSON, also of damaged and of old runs."""

import json
import re
from pathlib import Path

import pytest
from errorflow.callbacks.findings.finding import Finding
from errorflow.pipelines.cli import main
from errorflow.pipelines.core.files import write_json
from errorflow.pipelines.core.recorded_findings import finding_row

VANISHING = Finding(
    "rnn_1", "vanishing", "vanishing, step 1 gets 2e-4", "vanishing; few arrives", {"lstm": False}
)
STUCK = {"step": 240, "kind": "stuck", "layer": "a", "text": "a is stuck", "evidence": {"since": 9}}


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """The folder of a run with a finding and a warning, in the folder of all runs."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/names/a")
    folder.mkdir(parents=True)
    write_results(folder, [VANISHING], warnings=[STUCK])
    return folder


def write_results(folder, findings, **further):
    (folder / "config.yaml").write_text("units: 3\n", encoding="utf-8")
    results = {
        "task": "names",
        "status": "finished",
        "verdict": [finding.first_sentence for finding in findings],
        "findings": [finding_row(finding) | {"confidence": None} for finding in findings],
    }
    write_json(folder / "results.json", results | further)


@pytest.mark.parametrize("name", ["a", "names/a", "runs/names/a"])
def test_the_json_of_a_run_has_the_documented_keys(run, name, capsys):
    assert main(["runs", "findings", name, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "task": "names",
        "run": str(run),
        "status": "finished",
        "findings": [VANISHING.as_json()],
        "warnings": [STUCK],
    }
    page = Path(__file__).parents[2] / "docs" / "guides" / "findings.md"
    text = page.read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", text, re.M))))
    assert {*printed, *VANISHING.as_json()} <= documented


def test_in_words_each_finding_has_two_sentences_and_its_remedies(run, capsys):
    assert main(["runs", "findings", "a"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "names/a (finished): 1 finding"
    assert lines[2:5] == [
        "rnn_1: vanishing, step 1 gets 2e-4",
        "  vanishing; few arrives.",
        f"  {VANISHING.meaning}.",
    ]
    assert lines[5] == (
        "  may help: an LSTM in place of a SimpleRNN (Hochreiter & Schmidhuber 1997) [lstm]"
    )
    assert lines[-1] == "warning, step 240: a is stuck"


def test_a_run_of_an_earlier_version(run, capsys):
    old = {"findings": [{"layer": "rnn", "kind": "healthy"}], "verdict": ["rnn: healthy; it does"]}
    write_json(run / "results.json", {"status": "finished", **old})
    assert main(["runs", "findings", "a", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (finding,) = printed["findings"]
    assert (finding["measured"], finding["headline"]) == ("healthy; it does", "healthy")
    assert finding["meaning"] and printed["warnings"] == []


def test_a_run_that_has_no_findings_yet(run, capsys):
    write_json(run / "results.json", {"task": "names", "status": "interrupted"})
    assert main(["runs", "findings", "a"]) == 0
    assert capsys.readouterr().out == "names/a (interrupted): 0 findings\n"


@pytest.mark.parametrize(
    "content, reason",
    [
        ('{"status": "finished", "findings": [3]}', "findings is not a list of findings"),
        ('{"status": "finished", "verdict": ["a"', "results.json: not JSON"),
    ],
)
def test_a_damaged_run_is_one_line(run, content, reason, capsys):
    (run / "results.json").write_text(content, encoding="utf-8")
    assert main(["runs", "findings", "a", "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "is damaged" in err and reason in err


@pytest.mark.parametrize("name", ["b", "tags/a", ".", "no/such/folder"])
def test_what_is_not_a_run_is_one_line(run, name, capsys):
    assert main(["runs", "findings", name]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "`errorflow runs` lists them" in err
