"""How the tab reads the blocks that TensorBoard has loaded: which rows, which columns."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import event_files
import numpy as np
import pytest
from errorflow.callbacks.recording.blocks import PLUGIN, pack, unpack
from errorflow.callbacks.recording.depth_tables import OF_LAYERS, OF_PATHS
from errorflow.callbacks.recording.rows import Rows
from errorflow.pipelines.commands.recorded import read_recorded
from errorflow.pipelines.inspector.readings import (
    Table,
    find_series,
    findings_of,
    missing,
    parts_of,
    read_rows,
    table,
    thinned,
)
from errorflow.pipelines.inspector.series import find_damaged, find_foreign_files
from errorflow.pipelines.inspector.summaries import course_of
from report_runs import record

STATISTICS = ["hidden", "hidden_max", "carried", "valid"]


def rows_at(*steps, width=3, value=1.0):
    """Rows of an error flow, filled with one value; 8 examples have every step."""
    values = np.full([4, len(steps), width], value, np.float32)
    values[3] = 8
    return Rows(np.array(steps), np.full(len(steps), width), values, STATISTICS)


class Provider:
    """A substitute for TensorBoard's data provider: the blocks of one run, by tag."""

    def __init__(self, kind="error_flow", statistics=STATISTICS, layers=(), **tags):
        content = {"kind": kind, "name": "rnn", "statistics": statistics, "layers": layers}
        self.about = SimpleNamespace(
            plugin_content=json.dumps(content), max_step=9, max_wall_time=1
        )
        self.tags = {name.replace("_", "/"): blocks for name, blocks in tags.items()}
        self.times = {tag: place for place, tag in enumerate(self.tags)}

    def list_tensors(self, context, **_):
        return {"run": dict.fromkeys(self.tags, self.about)}

    def read_tensors(self, context, *, run_tag_filter, **_):
        tags = {
            tag: [SimpleNamespace(numpy=pack(b), wall_time=self.times[tag]) for b in blocks]
            for tag, blocks in self.tags.items()
        }
        return {"run": {tag: tags[tag] for tag in run_tag_filter.tags}}

    def read(self):
        (series,) = find_series(self, None, "")
        return series, read_rows(self, None, "", series)


def test_the_blocks_of_a_long_run_are_read_in_order():
    parts = {f"rows_{n}": [rows_at(n, n + 20)] for n in range(2, 12)}
    series, rows = Provider(rows=[rows_at(1, 21)], **parts).read()
    assert series.tags == ["rows", *(f"rows/{n}" for n in range(2, 12))]
    np.testing.assert_array_equal(rows.steps, [*range(1, 12), *range(21, 32)])


def test_of_a_training_step_that_was_recorded_twice_the_later_row_counts():
    """A run that was killed and resumed from an earlier checkpoint."""
    _, rows = Provider(rows=[rows_at(1, 2, 3, value=1.0), rows_at(2, 3, 4, value=2.0)]).read()
    np.testing.assert_array_equal(rows.steps, [1, 2, 3, 4])
    np.testing.assert_array_equal(rows.values[0, :, 0], [1, 2, 2, 2])
    long = Provider(rows_2=[rows_at(2, value=1.0)], rows=[rows_at(2, 3, value=2.0)])  # by time
    np.testing.assert_array_equal(long.read()[1].values[0, :, 0], [2, 2])


def test_numbered_runs_follow_the_first_one_in_order():
    provider = Provider(rows=[])
    runs = ["2/error_flow", "10/error_flow", "error_flow", "b/error_flow"]
    provider.list_tensors = lambda *_, **__: {run: {"rows": provider.about} for run in runs}
    found = [series.run for series in find_series(provider, None, "")]
    assert found == ["error_flow", "2/error_flow", "10/error_flow", "b/error_flow"]


def test_early_rows_are_thinned_like_late_ones_except_rows_that_are_not_finite():
    early, late = rows_at(*range(1, 41)), rows_at(*range(44, 204, 4))
    early.values[0, 6, 1] = np.nan  # the error of step 7
    _, rows = Provider(rows=[early, late]).read()
    np.testing.assert_array_equal(rows.steps, [4, 7, *range(8, 204, 4)])


@pytest.mark.parametrize("align, columns", [("end", [2, 1, 0]), ("start", [1, 2, 3])])
def test_columns_of_a_time_axis(align, columns):
    series, rows = Provider(rows=[rows_at(1, 2)]).read()
    rows.values[0, :, 0] = 5.0
    result = table(series, rows, statistic="hidden", align=align)
    assert result.columns == columns
    np.testing.assert_array_equal(result.values, [[5, 1, 1]] * 2)


def test_a_layer_that_was_never_trained_has_no_column():
    values = np.array([[[1.0, np.nan, 2.0]], [[0.1, np.nan, 0.2]]])
    rows = Rows(np.array([1]), np.array([3]), values, ["norm", "ratio"])
    layers = ["first", "frozen", "last"]
    provider = Provider("layer_gradients", ["norm", "ratio"], layers, rows=[rows])
    result = table(*provider.read(), statistic="ratio")
    assert result.columns == ["first", "last"]
    np.testing.assert_array_equal(result.values, np.float32([[0.1, 0.2]]))


def test_the_error_over_depth_is_judged_by_layer_and_by_path(tmp_path):
    errors, by_path = np.ones([len(OF_LAYERS), 20, 6]), np.ones([len(OF_PATHS), 20, 2])
    errors[0, :, :2], errors[0, :, -1], by_path[0, :, 1] = 1e-5, 1e6, 1e-12
    about = {"layers": [*"abcdef"], "outputs": ["f"], "every": 1}
    about |= {"paths": ["c (branch)", "c (shortcut)"], "adds_to": ["b", "b"]}
    records = {
        "depth_flow/rows/layers": record("depth_flow", "layers", OF_LAYERS, errors, **about),
        "depth_flow/rows/paths": record("depth_flow", "paths", OF_PATHS, by_path, **about),
    }
    event_files.write(tmp_path / "train", "errorflow", **records)
    of_layers, of_paths = read_recorded(tmp_path).series
    assert [f.kind for f in findings_of(of_layers[0], *of_layers[1])] == ["starving", "silent path"]
    assert findings_of(of_paths[0], *of_paths[1]) == []
    columns = [table(one, *rows, statistic="rms").columns for one, rows in (of_layers, of_paths)]
    assert columns == [[*"abcde"], about["paths"]]  # without the model's output
    lines = course_of(of_layers[0], of_layers[1], 60).lines
    np.testing.assert_allclose(lines["over_depth"], np.full(20, 1e-5), rtol=1e-6)


def test_a_large_table_is_thinned_evenly_with_both_ends():
    steps, columns = np.arange(1, 1_001), [*range(500)]
    values = steps[:, None] * 1_000.0 + np.array(columns)
    result = thinned(Table(steps, columns, values), rows=5, columns=3)
    np.testing.assert_array_equal(result.steps, [1, 251, 501, 750, 1000])
    assert result.columns == [0, 250, 499]
    np.testing.assert_array_equal(result.values, result.steps[:, None] * 1_000 + [0, 250, 499])


def test_training_steps_that_tensorboard_left_out_are_counted():
    def rows(*steps):
        return Rows(np.array(steps), np.ones(len(steps), int), np.zeros([1, len(steps), 1]), ["a"])

    assert missing(rows(*range(2, 66, 2))) == 0
    assert missing(rows(*range(2, 34, 2), *range(1000, 1032, 2))) == 968
    assert missing(rows(7)) == missing(rows()) == 0


FIRST_EDITION = Path(__file__).parents[2] / "data" / "first_edition"


def tensorboard(folder):
    """TensorBoard's data provider for the event files below a folder."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN: 0})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(folder))


def request():
    from tensorboard.context import RequestContext

    return RequestContext()


@pytest.mark.parametrize("task", ["captions", "names", "pronounce"])
def test_files_of_version_1_give_the_findings_that_were_written_with_them(task):
    run = FIRST_EDITION / "runs" / task / "finished"
    provider = tensorboard(run / "logs")
    every_series = find_series(provider, request(), "")
    findings = []
    for series in every_series:
        parts = parts_of(series, every_series)
        rows = [read_rows(provider, request(), "", part) for part in parts]
        findings += findings_of(series, *rows)
    written = json.loads((run / "results.json").read_text())["findings"]

    def name(layer, evidence):
        return layer, "first_to_largest" in evidence

    findings = {name(f.layer, f.evidence): (f.kind, f.evidence) for f in findings}
    assert {*findings} == {name(f["layer"], f["evidence"]) for f in written}
    for finding in written:
        kind, evidence = findings[name(finding["layer"], finding["evidence"])]
        assert kind == finding["kind"]
        expected = {k: v for k, v in finding["evidence"].items() if k != "half_life"}
        if evidence.get("entries", 1) > 1:  # what arrives is measured, it was estimated
            del expected["first_to_last"]
        assert {k: evidence[k] for k in expected} == pytest.approx(expected)


def test_a_run_of_version_1_that_is_resumed_today(tmp_path):
    """TensorBoard reads the names of the statistics from the oldest file of a run."""
    from errorflow.callbacks.recording.event_log import EventLog
    from errorflow.layers.rnn.statistics import STATISTICS, VERSION

    logs = shutil.copytree(
        FIRST_EDITION / "runs" / "names" / "interrupted" / "logs", tmp_path / "a"
    )
    names = [statistic.name for statistic in STATISTICS]
    values = np.tile(np.arange(len(names), dtype=np.float32)[:, None, None], [1, 3, 4])
    new = Rows(np.arange(13, 16), np.full(3, 4), values, names)
    log = EventLog(logs / "error_flow")
    log.write("error_flow", {"rnn_1": new}, {}, {}, step=15)
    log.close()

    provider = tensorboard(logs)
    (tags,) = provider.list_tensors(request(), experiment_id="", plugin_name=PLUGIN).values()
    (about,) = tags.values()
    assert json.loads(about.plugin_content)["version"] == 1 < VERSION
    (series,) = find_series(provider, request(), "")
    rows = read_rows(provider, request(), "", series)
    np.testing.assert_array_equal(rows.steps, np.arange(1, 16))
    for number, name in enumerate(series.statistics):
        shown = table(series, rows, statistic=name, align="start")
        np.testing.assert_array_equal(shown.values[12:, :4], number)


def test_all_runs_and_searches_of_the_first_edition_are_read():
    provider = tensorboard(FIRST_EDITION)
    every_series = find_series(provider, request(), "")
    runs = {series.run.partition("/logs")[0] for series in every_series}
    tasks = ("captions", "images", "names", "pronounce", "tags")
    assert runs == {"runs/names/interrupted", *(f"runs/{task}/finished" for task in tasks)}
    for series in every_series:
        rows = [read_rows(provider, request(), "", p) for p in parts_of(series, every_series)]
        for statistic in series.statistics:
            shown = table(series, *rows, statistic=statistic)
            assert shown.values.shape == (len(shown.steps), len(shown.columns))
            assert np.isfinite(shown.values).any() or statistic == "dead"
    assert find_series(tensorboard(FIRST_EDITION / "searches"), request(), "") == []


# Damaged records

DESCRIPTIONS = {
    b"\xff{": "its description is not JSON",
    b"[" * 100_000: "its description is not JSON",
    b"[]": "its description is not a JSON object",
    b'{"kind": "error_flow"}': "no name: errorflow has not written it",
    b'{"kind": "x", "name": "a", "statistics": ["b"]}': "kind is not one of error_flow",
    b'{"kind": "gates", "name": 3, "statistics": ["b"]}': "name is not text",
    b'{"kind": "gates", "name": "a", "statistics": "b"}': "statistics is not a list of names",
    b'{"kind": "gates", "name": "a", "statistics": ["b"], "joined": [1]}': "joined is not pairs",
}


@pytest.mark.parametrize("content, reason", DESCRIPTIONS.items(), ids=range(len(DESCRIPTIONS)))
def test_a_damaged_description_hides_no_other_record(content, reason):
    provider = Provider(rows=[rows_at(1, 2)])
    bad = SimpleNamespace(plugin_content=content, max_step=1, max_wall_time=1)
    provider.list_tensors = lambda *_, **__: {"run": {"rows": provider.about}, "bad": {"x": bad}}
    assert [series.key for series in find_series(provider, None, "")] == [
        ("run", "error_flow", "rnn")
    ]
    ((run, record, found),) = find_damaged(provider, None, "")
    assert (run, record) == ("bad", "x")
    assert found.startswith(reason)


@pytest.mark.parametrize(
    "block, reason",
    [
        (np.zeros((2, 5, 3), np.int64), "type int64 holds no rows"),
        (np.array(["a", "b"]), "holds no rows"),
        (np.float32(3), "holds no rows"),
        (np.zeros((0, 5, 3), np.float32), "holds no rows"),
        (np.zeros((2, 3, 3), np.float32), "2 of 4 statistics"),
        (np.full((2, 5, 3), np.nan, np.float32), "without a training step"),
    ],
)
def test_a_block_of_another_make_is_refused(block, reason):
    with pytest.raises(ValueError, match=reason):
        unpack(np.asarray(block), STATISTICS)


def test_damaged_event_files_hide_no_others(tmp_path):
    logs = tmp_path / "logs"
    shutil.copytree(FIRST_EDITION / "runs" / "names" / "finished" / "logs", logs)
    whole = read_recorded(logs)
    assert whole.series and whole.findings and not whole.damaged
    (logs / "garbage").mkdir()
    (logs / "garbage" / "events.out.tfevents.1").write_bytes(b"\0" * 500)
    (logs / "folder" / "events.out.tfevents.1").mkdir(parents=True)
    (logs / "loop").mkdir()
    (logs / "loop" / "events.out.tfevents.1").symlink_to("events.out.tfevents.1")
    flow = json.dumps({"kind": "error_flow", "name": "rnn", "statistics": STATISTICS}).encode()
    event_files.write(logs / "other", PLUGIN, a=(b"?", np.ones(3)), b=(flow, np.ones(3)))
    event_files.write(logs / "scalars", "another_tool", loss=(b"?", np.float32(1)))
    cut = logs / "cut" / "events.out.tfevents.1"
    event_files.write(cut.parent, PLUGIN, b=(flow, pack(rows_at(1, 2))))
    cut.write_bytes(cut.read_bytes()[:-9])
    read = read_recorded(logs)
    assert [series.key for series, _ in read.series] == [series.key for series, _ in whole.series]
    assert [f.sentence for f in read.findings] == [f.sentence for f in whole.findings]
    assert sorted(what.partition(":")[0].split()[0] for what in read.damaged) == [
        *("cut", "folder", "garbage", "loop", "other", "other")
    ]
    foreign = {damaged.run for damaged in find_foreign_files(logs)}
    assert foreign == {"folder", "garbage", "loop"}
