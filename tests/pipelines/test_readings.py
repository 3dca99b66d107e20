"""What the tab makes of the blocks that TensorBoard hands it: which rows, which columns."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from errorflow.callbacks.recording.blocks import pack
from errorflow.callbacks.recording.rows import Rows
from errorflow.pipelines.inspector.readings import (
    Table,
    find_series,
    missing,
    read_rows,
    table,
    thinned,
)

STATISTICS = ["hidden", "hidden_max", "carried", "valid"]


def rows_at(*steps, width=3, value=1.0):
    """Rows of an error flow, filled with one value; 8 examples have every step."""
    values = np.full([4, len(steps), width], value, np.float32)
    values[3] = 8
    return Rows(np.array(steps), np.full(len(steps), width), values, STATISTICS)


class Provider:
    """Stands in for TensorBoard's: the blocks of one run, by their tags."""

    def __init__(self, kind="error_flow", statistics=STATISTICS, layers=(), **tags):
        content = {"kind": kind, "name": "rnn", "statistics": statistics, "layers": layers}
        self.about = SimpleNamespace(plugin_content=json.dumps(content), max_step=9)
        self.tags = {name.replace("_", "/"): blocks for name, blocks in tags.items()}

    def list_tensors(self, context, **_):
        return {"run": dict.fromkeys(self.tags, self.about)}

    def read_tensors(self, context, *, run_tag_filter, **_):
        tags = {tag: [SimpleNamespace(numpy=pack(b)) for b in self.tags[tag]] for tag in self.tags}
        return {"run": {tag: tags[tag] for tag in run_tag_filter.tags}}

    def read(self):
        (series,) = find_series(self, None, "")
        return series, read_rows(self, None, "", series)


def test_the_parts_of_a_long_run_come_in_their_order():
    parts = {f"rows_{n}": [rows_at(n, n + 20)] for n in range(2, 12)}
    series, rows = Provider(rows=[rows_at(1, 21)], **parts).read()
    assert series.tags == ["rows", *(f"rows/{n}" for n in range(2, 12))]
    np.testing.assert_array_equal(rows.steps, [*range(1, 12), *range(21, 32)])


def test_of_a_training_step_that_came_twice_the_later_one_counts():
    """A run that was killed and resumed from an earlier checkpoint."""
    _, rows = Provider(rows=[rows_at(1, 2, 3, value=1.0), rows_at(2, 3, 4, value=2.0)]).read()
    np.testing.assert_array_equal(rows.steps, [1, 2, 3, 4])
    np.testing.assert_array_equal(rows.values[0, :, 0], [1, 2, 2, 2])


def test_early_rows_stand_no_closer_than_late_ones_but_what_broke_is_kept():
    early, late = rows_at(*range(1, 41)), rows_at(*range(44, 204, 4))
    early.values[0, 6, 1] = np.nan  # the error of step 7
    _, rows = Provider(rows=[early, late]).read()
    np.testing.assert_array_equal(rows.steps, [4, 7, *range(8, 204, 4)])


@pytest.mark.parametrize("align, columns", [("end", [2, 1, 0]), ("start", [1, 2, 3])])
def test_columns_of_time(align, columns):
    series, rows = Provider(rows=[rows_at(1, 2)]).read()
    rows.values[0, :, 0] = 5.0
    found = table(series, rows, statistic="hidden", align=align)
    assert found.columns == columns
    np.testing.assert_array_equal(found.values, [[5, 1, 1]] * 2)


def test_a_layer_that_was_never_trained_has_no_column():
    values = np.array([[[1.0, np.nan, 2.0]], [[0.1, np.nan, 0.2]]])
    rows = Rows(np.array([1]), np.array([3]), values, ["norm", "ratio"])
    layers = ["first", "frozen", "last"]
    made = Provider("layer_gradients", ["norm", "ratio"], layers, rows=[rows])
    found = table(*made.read(), statistic="ratio")
    assert found.columns == ["first", "last"]
    np.testing.assert_array_equal(found.values, np.float32([[0.1, 0.2]]))


def test_a_large_table_is_thinned_evenly_with_both_ends():
    steps, columns = np.arange(1, 1_001), [*range(500)]
    values = steps[:, None] * 1_000.0 + np.array(columns)
    found = thinned(Table(steps, columns, values), rows=5, columns=3)
    np.testing.assert_array_equal(found.steps, [1, 251, 501, 750, 1000])
    assert found.columns == [0, 250, 499]
    np.testing.assert_array_equal(found.values, found.steps[:, None] * 1_000 + [0, 250, 499])


def test_steps_that_tensorboard_did_not_keep_are_counted():
    def rows(*steps):
        return Rows(np.array(steps), np.ones(len(steps), int), np.zeros([1, len(steps), 1]), ["a"])

    assert missing(rows(*range(2, 66, 2))) == 0
    assert missing(rows(*range(2, 34, 2), *range(1000, 1032, 2))) == 968
    assert missing(rows(7)) == missing(rows()) == 0
