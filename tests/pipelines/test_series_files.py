"""Time series: files, gaps, windows divided by time, and scaling that knows the past alone."""

import dataclasses

import numpy as np
import pandas
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.series.gaps import fill_gaps
from errorflow.pipelines.datasets.series.load_series import load_series
from errorflow.pipelines.datasets.series.python_data import write_series
from errorflow.pipelines.datasets.series.series_columns import SeriesColumns
from errorflow.pipelines.datasets.series.series_data import SeriesOptions
from errorflow.pipelines.datasets.series.series_files import ReadingOptions, read_series
from errorflow.pipelines.datasets.series.series_table import SeriesTable
from errorflow.pipelines.datasets.series.series_tables import SeriesReading, series_of_table
from errorflow.pipelines.datasets.series.windows import borders, least_rows
from errorflow.pipelines.datasets.tables.table import read_table

SMALL = SeriesOptions(past=8, future=3)


def table(length=200, columns=("a", "b"), series=("",), **fields) -> SeriesTable:
    random = np.random.default_rng(0)
    values = {name: random.normal(size=[length, len(columns)]) for name in series}
    return SeriesTable(values, None, columns, **fields)


def load(table, **options):
    return load_series(SeriesReading(table), SMALL._replace(**options))


def read(path, resample=None, **columns):
    return read_series(path, ReadingOptions(SeriesColumns(**columns), resample=resample))


def write(folder, times, **columns):
    path = folder / "a.csv"
    pandas.DataFrame({"time": times, **columns}).to_csv(path, index=False)
    return path


# Nothing leaks


@pytest.mark.parametrize("scaling", ["last", "standard"])
def test_what_comes_after_the_border_changes_nothing_in_the_training(scaling):
    """Not its windows, not the scaling, not the scale of the errors; nor the test the others."""
    first = table(series=("x", "y"))
    validation, test = borders(200, SMALL.future)
    for border, splits in ((validation, ["train"]), (test, ["train", "validation"])):
        values = {name: rows.copy() for name, rows in first.series.items()}
        for rows in values.values():
            rows[border:] = 1e6
        before = load(first, scaling=scaling)
        after = load(dataclasses.replace(first, series=values), scaling=scaling)
        for split in splits:
            old, new = getattr(before, split), getattr(after, split)
            assert len(old) == len(new) > 0
            np.testing.assert_array_equal(old.examples.past(), new.examples.past())
            np.testing.assert_array_equal(old.examples.target(), new.examples.target())
            for field in dataclasses.fields(old.problem.scaling):
                fitted = [getattr(s.problem.scaling, field.name) for s in (old, new)]
                np.testing.assert_array_equal(*fitted)
            for parts in zip(old.problem.history, new.problem.history, strict=True):
                np.testing.assert_array_equal(*parts)


def test_a_target_stays_within_its_split_and_the_past_may_be_older():
    counted = SeriesTable({"": np.arange(200.0)[:, None]}, None, ("t",))
    data, (validation, test) = load(counted), borders(200, 3)
    bounds = {"train": (8, validation), "validation": (validation, test), "test": (test, 200)}
    for split, (first, end) in bounds.items():
        examples = getattr(data, split).examples
        targets = examples.target()
        assert (targets.min(), targets.max()) == (first, end - 1)
        assert len(examples) == end - first - 2
        np.testing.assert_array_equal(examples.past()[:, -1], targets[:, 0] - 1)


def test_gaps_are_filled_from_the_past_and_long_ones_divide_the_series():
    nan = np.nan
    values = np.array([[nan, 1, nan, nan, 4, nan, nan, nan, 8, nan]]).T
    filled = fill_gaps(values, 2)
    np.testing.assert_array_equal(filled.values[:, 0], [nan, 1, 1, 1, 4, nan, nan, nan, 8, 8])
    assert filled.parts == [(1, 5), (8, 10)]
    assert filled.gaps == [(0, 1), (5, 8)]
    assert np.flatnonzero(filled.filled).tolist() == [2, 3, 9]


def test_no_window_reaches_over_a_long_gap_and_all_that_is_missing_is_said():
    series = table(columns=("a",))
    series.series[""][50:60] = np.nan
    series.series[""][100:102] = np.nan
    data = load(series)
    for split in (data.train, data.validation, data.test):
        assert np.isfinite(split.examples.past()).all()
        assert np.isfinite(split.examples.target()).all()
    starts, truth = data.train.examples.starts, data.train.examples.truth()
    assert np.isnan(truth).sum() == 2 * 3  # each filled value, at each step ahead
    assert not ((starts > 60 - 8 - 3 - 10) & (starts < 60)).any()
    assert any("2 missing values filled with the value before" in line for line in data.problems)
    assert any("1 longer gap of" in line and "rows 51 to 60" in line for line in data.problems)


def test_scaling_is_undone_by_its_own_figures():
    data = load(table(targets=1), scaling="last")
    past, scaling = data.train.examples.past(), data.train.problem.scaling
    z = scaling.inputs(past)
    assert (z[:, -1, 0] == 0).all()
    np.testing.assert_allclose(z[..., 1].mean(), 0, atol=0.1)
    scaled = scaling.targets(data.train.examples.target(), past)
    restored = scaled * scaling.target_deviation + past[:, -1:, :1]
    np.testing.assert_allclose(restored, data.train.examples.target(), atol=1e-5)


def test_a_series_that_is_too_short_is_named_and_one_alone_is_refused():
    long, short = np.ones([100, 1]), np.ones([10, 1])
    data = load(SeriesTable({"long": long, "short": short}, None, ("a",)))
    assert [item.where for item in data.left_out] == ["series short"]
    with pytest.raises(UserError, match=r"fewer than the 17 rows .* lower --past 8"):
        load(SeriesTable({"": short}, None, ("a",)))


@pytest.mark.parametrize(("past", "future"), [(96, 24), (8, 3), (1, 1), (24, 96)])
def test_the_rows_that_a_series_needs_are_as_many_as_is_said(past, future):
    def load_rows(count):
        table = SeriesTable({"": np.arange(float(count))[:, None]}, None, ("a",))
        return load_series(SeriesReading(table), SeriesOptions(past=past, future=future))

    least = least_rows(past, future)
    assert min(len(split) for split in (load_rows(least).train, load_rows(least).test)) >= 1
    with pytest.raises(UserError, match=f"fewer than the {least} rows"):
        load_rows(least - 1)


def test_an_empty_column_is_named_and_what_cannot_be_scaled_is_said():
    values = table().series[""]
    values[:, 1] = np.nan
    with pytest.raises(UserError, match=r"no series that can be used \(no value in column b\)$"):
        load(SeriesTable({"": values}, None, ("a", "b")))
    values[:, 1] = 7.0
    data = load(SeriesTable({"": values}, None, ("a", "b"), targets=2, season=4))
    (remark,) = data.problems
    assert remark.startswith("b: no MASE")
    longer = load(SeriesTable({"": values[:, :1]}, None, ("a",)), season=150)
    assert "not longer than a season of 150 steps" in longer.problems[-1]


def test_values_that_32_bits_round_are_said():
    series = table(columns=("a",))
    assert not load(series).problems
    (remark,) = load(dataclasses.replace(series, series={"": series.series[""] + 1e8})).problems
    assert remark.startswith("a: 32 bits round values of 1e+08 to steps of 8")


def test_history_before_a_gap_is_not_known():
    examples = load(SeriesTable({"": np.arange(99.0)[:, None]}, None, ("t",))).train.examples
    history = examples.history(10)[:, :, 0]
    assert np.isnan(history[0]).tolist() == [True] * 2 + [False] * 8
    np.testing.assert_array_equal(history[2], np.arange(10))


# Tables


@pytest.mark.parametrize(
    ("times", "frequency", "season"),
    [
        (pandas.date_range("2020-01-01", periods=40, freq="15min"), "15min", 96),
        (pandas.date_range("2020-01-31", periods=40, freq="ME"), "MS", 12),
        (pandas.bdate_range("2020-01-01", periods=40).strftime("%d/%m/%Y"), "B", 5),
        (np.arange(1700, 1740), "YS", None),
        (
            pandas.date_range("2020-01-01", periods=40, freq="h")
            .astype("datetime64[s]")
            .astype("int64"),
            "h",
            24,
        ),
        *(
            (np.arange(40) * 3_600 * 10**digits + 1_577_836_800 * 10**digits, "h", 24)
            for digits in (3, 6, 9)
        ),
        (np.arange(5, 45), "", None),
        (np.arange(1200, 1240), "", None),  # too early for nanoseconds
    ],
)
def test_time_stamps_of_all_kinds(tmp_path, times, frequency, season):
    series = read(write(tmp_path, times, load=np.arange(40))).series
    assert (series.frequency, series.season) == (frequency, season)
    np.testing.assert_array_equal(series.series[""][:, 0], np.arange(40))
    assert (series.times is None) == (frequency == "")


@pytest.mark.parametrize(
    ("times", "first", "remark"),
    [
        (["01/02/2020", "01/03/2020", "01/04/2020"], "2020-01-02", "'01/02/2020' is read as 2020-"),
        (["2020-02-01", "2020-03-01", "2020-04-01"], "2020-02-01", ""),
        (["2020-01-01 00:00+02:00", "2020-01-01 01:00+02:00"], "2019-12-31T22:00", "read in UTC"),
    ],
)
def test_how_time_stamps_are_read_is_said_where_it_is_in_doubt(tmp_path, times, first, remark):
    reading = read(write(tmp_path, times, load=np.arange(len(times))))
    assert reading.series.times[""][0] == np.datetime64(first)
    said = [line for line in reading.remarks if "time stamps" in line]
    assert (remark in said[0]) if remark else not said


def test_dates_are_read_with_the_expected_step(tmp_path):
    path = write(tmp_path, ["01/02/2020", "02/02/2020", "03/02/2020"], load=np.arange(3))
    table = read_table(path)
    for step, first in (("D", "2020-02-01"), ("MS", "2020-01-02"), ("", "2020-01-02")):
        series = series_of_table(table, SeriesColumns(), expected=step).series
        assert series.times[""][0] == np.datetime64(first)


@pytest.mark.parametrize("stamp", ["12:30", "1500-01-01", "soon", ""])
def test_what_is_no_time_stamp_is_named(tmp_path, stamp):
    path = write(tmp_path, ["2020-01-01", stamp], load=[1, 2])
    with pytest.raises(UserError, match=rf"a\.csv:3: ('{stamp}' is not a|no) time stamp"):
        read(path, time="time")


@pytest.mark.parametrize("name", ["hour", None])
def test_the_index_of_a_parquet_file_is_a_column_if_it_has_time_stamps(tmp_path, name):
    times = pandas.date_range("2020-01-01", periods=40, freq="h", name=name)
    pandas.DataFrame({"load": np.arange(40)}, times).to_parquet(tmp_path / "a.parquet")
    series = read(tmp_path / "a.parquet").series
    assert (series.columns, series.frequency) == (("load",), "h")


def test_rows_are_sorted_and_missing_steps_are_missing_values(tmp_path):
    times = pandas.date_range("2020-01-01", periods=40, freq="D")
    kept = [n for n in range(40) if n != 7][::-1]
    reading = read(write(tmp_path, times[kept], load=np.array(kept)))
    values = reading.series.series[""][:, 0]
    assert np.flatnonzero(np.isnan(values)).tolist() == [7]
    assert any("sorted by their time stamps" in line for line in reading.remarks)
    assert any("1 step without a row" in line for line in reading.remarks)


def test_irregular_and_double_time_stamps_are_refused_with_their_line(tmp_path):
    times = [*pandas.date_range("2020-01-01", periods=40, freq="h")]
    late = [*times[:9], times[9] + pandas.Timedelta("7min"), *times[10:]]
    path = write(tmp_path, late, load=np.arange(40))
    with pytest.raises(UserError, match=r"a\.csv:11: irregular .* 09:07:00 .* --resample 1h"):
        read(path)
    series = read(path, resample="2h").series
    assert series.series[""][:3, 0].tolist() == [0.5, 2.5, 4.5]
    assert series.frequency == "2h"
    for rule in ("2x", "0h", "-1h"):
        with pytest.raises(UserError, match=f"--resample {rule}: not a length of time"):
            read(path, resample=rule)
    with pytest.raises(UserError, match=r"--resample 1us: .* steps of 40 rows, most of them empty"):
        read(path, resample="1us")
    path = write(tmp_path, [*times, times[3]], load=np.arange(41))
    with pytest.raises(UserError, match=r"a\.csv:42: the time stamp 2020-01-01 03:00:00 is also"):
        read(path)


def test_columns_by_flag_and_what_is_not_read_is_said(tmp_path):
    times = pandas.date_range("2020-01-01", periods=40, freq="D")
    path = tmp_path / "a.csv"
    frame = pandas.DataFrame({"day": times, "u": np.arange(40), "v": 1.5, "w": 2.5})
    both = [frame.assign(store=name) for name in ("north", "south")]
    pandas.concat(both).to_csv(path, index=False)
    reading = read(path, targets=("v",), covariates=("u",))
    assert [*reading.series.series] == ["north", "south"]
    assert (reading.series.columns, reading.series.targets) == (("v", "u"), 1)
    assert "not read: w (see --covariates)" in reading.remarks[-1]
    with pytest.raises(UserError, match="choose what is predicted with --target; columns: day, u"):
        read(path)
    with pytest.raises(UserError, match=r"no column x \(--covariates\)"):
        read(path, targets=("v",), covariates=("x",))
    path.write_text("time,y\n2020-01-01,1\n2020-01-02,abc\n")
    with pytest.raises(UserError, match=r"a\.csv:3: 'abc' in column y is not a number"):
        read(path, targets=("y",))


def test_a_decimal_comma_is_said_and_a_thousands_separator_refused(tmp_path):
    path, times = tmp_path / "a.csv", pandas.date_range("2020-01-01", periods=3, freq="D")
    rows = [f"{time:%d.%m.%Y};{value}" for time, value in zip(times, ("1,5", "2", ""), strict=True)]
    path.write_text("\n".join(["Datum;Last", *rows]))
    reading = read(path)
    np.testing.assert_array_equal(reading.series.series[""][:, 0], [1.5, 2, np.nan])
    assert any("the comma of '1,5' is a decimal one" in line for line in reading.remarks)
    with pytest.raises(UserError, match=r"a\.csv:3: column load holds '1,234' and '950\.5'"):
        read(write(tmp_path, times, load=["950.5", "1,234", "7"]))


def test_the_index_of_a_frame_is_a_column_if_it_has_time_stamps_or_a_name(tmp_path):
    months = pandas.period_range("2020-01", periods=40, freq="M")
    years = pandas.Index(range(1900, 1940), name="year")
    for index, frequency in ((months, "MS"), (years, "YS"), (None, "")):
        write_series(pandas.Series(np.arange(40.0), index=index, name="load"), tmp_path)
        assert read(tmp_path).series.frequency == frequency
    frame = pandas.DataFrame({"year": np.arange(40)}, index=years)
    with pytest.raises(UserError, match="its index and a column are both named 'year'"):
        write_series(frame, tmp_path)


# Series with answers


def answered(path, **arrays):
    np.savez(path, **arrays)
    return read_series(path, ReadingOptions())


def test_answers_are_classes_values_or_values_of_each_step(tmp_path):
    x, path = np.random.default_rng(0).normal(size=[60, 5, 2]), tmp_path / "a.npz"
    classes = load_series(answered(path, x=x, y=np.array(["b", "a"] * 30)), SeriesOptions())
    assert classes.labels == ["a", "b"]
    assert all(sum(row.values()) == 30 for row in classes.counts.values())
    assert all(min(row.values()) > 0 for row in classes.counts.values())  # stratified
    values = load_series(answered(path, x=x, y=x[:, :, 0].sum(axis=1)), SeriesOptions())
    assert values.train.examples.target().shape[1:] == (1,)
    aligned = load_series(
        answered(path, x=x, y=np.cumsum(x, axis=1)), SeriesOptions()
    ).train.problem
    assert (aligned.kind, aligned.every_step, len(aligned.targets)) == ("regress", True, 2)


def test_the_scaling_of_answers_is_that_of_the_training_split(tmp_path):
    x = np.random.default_rng(0).normal(size=[60, 5, 1])
    y = np.arange(60) % 2
    (tmp_path / "in").mkdir()
    for split, factor in {"train": 1, "validation": 50, "test": 90}.items():
        np.savez(tmp_path / "in" / split, x=factor * x, y=y)
    (tmp_path / "in" / "more.npz").write_bytes(b"")
    data = load_series(read_series(tmp_path / "in", ReadingOptions()), SeriesOptions())
    assert [item.where.rpartition("/")[2] for item in data.left_out] == ["more.npz"]
    assert len(data.train) == len(data.test) == 60
    np.testing.assert_allclose(data.train.problem.scaling.deviation, x.std(), rtol=1e-5)


def test_series_of_different_lengths_and_with_gaps(tmp_path):
    x = np.random.default_rng(0).normal(size=[60, 9, 1])
    x[:, 7:] = np.nan
    x[0, 3] = np.inf
    x[1, 1:6] = np.nan
    reading = answered(tmp_path / "a.npz", x=x, y=np.arange(60) % 3)
    ((where, reason, _),) = reading.left_out
    assert where.endswith("x[1]")
    assert "gap of more than 3" in reason
    assert any("1 missing value filled" in line for line in reading.remarks)
    assert load_series(reading, SeriesOptions()).train.problem.padded


@pytest.mark.parametrize("missing", [np.nan, ""])
def test_a_series_without_a_class_is_left_out_and_an_untrained_class_is_said(tmp_path, missing):
    x = np.random.default_rng(0).normal(size=[20, 4, 1])
    y = np.array([1, 2] * 10, float if missing != "" else str)
    y[3] = missing
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=np.full_like(y, "3"))
    reading = read_series(tmp_path / "a.npz", ReadingOptions(problem="classify"))
    ((where, reason, _),) = reading.left_out
    assert where.endswith("x[3]")
    assert reason == "its class is missing"
    data = load_series(reading, SeriesOptions())
    assert data.labels == ["1", "2", "3"]
    assert "no training series of class 3" in data.problems[-1]


def test_what_follows_the_end_of_a_series_is_no_class(tmp_path):
    x = np.random.default_rng(0).normal(size=[60, 4, 1])
    y = np.tile([1.0, 2.0, 1.0, 2.0], [60, 1])
    x[::2, 3], y[::2, 3] = np.nan, np.nan
    np.savez(tmp_path / "a.npz", x=x, y=y)
    reading = read_series(tmp_path / "a.npz", ReadingOptions(problem="classify"))
    data = load_series(reading, SeriesOptions())
    assert data.labels == ["1", "2"]
    assert [sum(row.values()) for row in data.counts.values()] == [120, 90]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.ones(3)}, "holds a; expected x"),
        ({"x": np.ones([3, 4, 1]), "y": np.ones(2)}, "3 series in x, but y has shape"),
        ({"x": np.array([{}] * 3), "y": np.ones(3)}, "holds Python objects"),
        ({"x": np.ones([3, 4, 1]), "y": np.ones(3, int)}, "y holds one class"),
        ({"x": np.ones([3, 4, 1]), "y": np.ones(3, complex)}, "y is complex128; expected numbers"),
        ({"x_train": np.ones([3, 4]), "y_train": np.ones(3), "x_val": np.ones(3)}, "but no y_val"),
    ],
)
def test_npz_files_that_cannot_be_used_are_one_line(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        answered(tmp_path / "a.npz", **arrays)
    (tmp_path / "b.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"not a \.npz file, or damaged"):
        read_series(tmp_path / "b.npz", ReadingOptions())
