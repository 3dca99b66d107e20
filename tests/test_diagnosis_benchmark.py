"""`benchmarks/diagnosis.py`: what counts as present, the area under the curve, the recordings."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def rows(figures):
    return [
        {"name": "depth / dense", "level": level, "seed": seed, "figure": figure}
        for (level, seed), figure in figures.items()
    ]


def test_a_fault_is_present_if_removing_it_helps_by_more_than_the_spread_of_the_seeds():
    from diagnosis_parts.truth import with_truth

    figures = {(1, 0): 0.1, (1, 1): 0.3, (9, 0): 0.29, (9, 1): 0.9}
    judged = with_truth(rows(figures), {"depth / dense": 1})
    assert {(r["level"], r["seed"]): r["present"] for r in judged} == {
        (1, 0): False,
        (1, 1): False,
        (9, 0): False,  # worse, but not by more than 0.3 - 0.1
        (9, 1): True,
    }


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    from diagnosis_parts.roc import area

    assert area([3, 4], [1, 2]) == 1.0
    assert area([1, 3], [2]) == 0.5
    assert area([1, 1], [1]) == 0.5


def test_the_best_threshold_separates_what_can_be_separated():
    from diagnosis_parts.roc import best_threshold

    assert 2 < best_threshold([3, 4], [0, 2]) < 3


def test_a_line_that_was_not_finished_is_recorded_again(tmp_path):
    import diagnosis

    (tmp_path / "a.jsonl").write_text(json.dumps({"seed": 1}) + '\n{"seed": 2, "fig')
    assert diagnosis.read(tmp_path) == [{"seed": 1}]


@pytest.mark.parametrize(
    ("check", "alarm"),
    [({"first": 9e-5, "last": 1.0}, True), ({"first": 9e-4, "last": 1.0}, False)],
)
def test_the_vanishing_rule_of_autotrainer_has_two_conditions(check, alarm):
    from diagnosis_parts.rules import alarms

    assert alarms("AUTOTRAINER vanishing", [check]) is alarm


def test_every_training_has_a_dial_and_a_name_of_its_own():
    from diagnosis_parts.catalogue import catalogue

    trainings = catalogue()
    assert len({t.name for t in trainings}) == len(trainings)
    assert len({t.fault for t in trainings}) >= 10
    assert all(len(set(t.levels)) == len(t.levels) >= 3 for t in trainings)
