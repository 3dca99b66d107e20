"""The reader of the strings, and the task in errorflow's list of tasks."""

import pytest
from errorflow import pipelines
from errorflow_example.grammar import LABELS, is_grammatical, read_strings


@pytest.mark.parametrize("text", ["btxse", "bpvve", "btssxxtvve", "bpttvpxvve", "btxxvpse"])
def test_strings_of_the_grammar(text):
    assert is_grammatical(text)


@pytest.mark.parametrize("text", ["", "b", "btxs", "btxsee", "bpxe", "xtxse"])
def test_strings_that_break_a_rule(text):
    assert not is_grammatical(text)


def test_generated_strings_have_true_labels_and_are_in_one_split():
    items = read_strings(None)
    assert items.labels == LABELS
    rows = [row for split in items.rows_of.values() for row in split]
    assert len({row.text for row in rows}) == len(rows)
    assert all(is_grammatical(row.text) == (row.label == "grammatical") for row in rows)


def test_a_file_of_another_form_is_refused(tmp_path):
    (tmp_path / "strings").write_text("grammatical btxse\n")
    with pytest.raises(pipelines.UserError, match="label<TAB>string"):
        read_strings(tmp_path / "strings")


def test_errorflow_lists_the_task():
    assert pipelines.tasks()["reber"].endswith("Reber grammar")


@pytest.mark.slow
def test_a_short_training(tmp_path):
    run = pipelines.train("reber", run_dir=tmp_path, epochs=1, limit=64, units=4)
    assert 0 <= run.results["test"]["accuracy"] <= 1
    (row,) = run.predict("btxse")
    assert row["label"] in LABELS
