"""The findings that results.json holds, of this version and of earlier ones."""

import math

import pytest
from errorflow.callbacks.findings.finding import Finding
from errorflow.pipelines.core.recorded_findings import (
    finding_row,
    findings_in,
    remedies_in,
    verdict_in_words,
)

EVIDENCE = {"first_to_last": 2e-4, "lstm": False}
VANISHING = [Finding(layer, "vanishing", "v", "few arrives", EVIDENCE, 0.5) for layer in "ab"]
CLIPPED = Finding("", "clipped", "c", "it is clipped", {"share": 1.0}, 1.0)


def results(*findings, without=()):
    """What results.json holds of these findings."""
    verdict = [*without, *(finding.first_sentence for finding in findings)]
    return {"verdict": verdict, "findings": [finding_row(finding) for finding in findings]}


def test_findings_are_read_as_they_were_written():
    recorded = results(*VANISHING, CLIPPED, without=["no recurrent layer"])
    assert findings_in(recorded) == [*VANISHING, CLIPPED]


def test_what_findings_mean_alike_is_said_once():
    meaning = VANISHING[0].meaning
    assert verdict_in_words(results(*VANISHING, CLIPPED, without=["first"])) == [
        "first",
        "a: few arrives",
        f"b: few arrives. {meaning}.",
        f"it is clipped. {CLIPPED.meaning}.",
    ]


def test_the_best_remedy_of_each_finding_comes_first():
    names = [remedy.name for remedy in remedies_in(results(*VANISHING, CLIPPED))]
    assert names[:4] == ["lstm", "clip-norm", "gru", "learning-rate"]
    assert len(names) == len({*names})


@pytest.mark.parametrize(
    "ending",
    [
        ". Whether the task needs a longer range was not measured",
        ". How far back the error of a single step reaches was not measured; "
        "ErrorFlow(probe=(x, y)) measures it",
    ],
)
def test_findings_of_earlier_versions_have_a_meaning_too(ending):
    recorded = {
        "verdict": [f"rnn: vanishing; few arrives{ending}"],
        "findings": [{"layer": "rnn", "kind": "vanishing", "confidence": None}],
    }
    (finding,) = findings_in(recorded)
    assert finding.text == "vanishing; few arrives"
    assert finding.headline == "vanishing"
    assert math.isnan(finding.confidence)
    assert verdict_in_words(recorded) == [finding.sentence]
    assert len(remedies_in(recorded)) == 8
