"""The task series: what networks predict, in the units of the data, and its own predict."""

import io
import json
import sys

import keras
import numpy as np
import pytest
from errorflow import pipelines
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.datasets.series.load_series import load_series
from errorflow.pipelines.datasets.series.series_data import SeriesOptions
from errorflow.pipelines.datasets.series.series_table import SeriesTable
from errorflow.pipelines.datasets.series.series_tables import SeriesReading
from errorflow.pipelines.models.recurrent import recurrent_layer
from errorflow.pipelines.models.recurrent_settings import RecurrentSettings
from errorflow.pipelines.models.series_convolution import layers_for, receptive_field
from errorflow.pipelines.models.series_head import SeriesShape
from errorflow.pipelines.models.series_recurrent import series_recurrent
from errorflow.pipelines.models.series_serving import build_series_serving_model, set_interval
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.series.config import SeriesConfig
from errorflow.pipelines.series.measurement import baseline_forecasts, predicted
from errorflow.pipelines.series.printed import by_step
from errorflow.pipelines.series.training import build_network, export_inputs, quantile_loss
from tasks import errorflow, write_series

GRU = recurrent_layer("gru", RecurrentSettings(), longest=8, seed=1)
SHAPE = SeriesShape(steps=8, features=2, outputs=1, future=3)


@pytest.fixture(scope="module")
def data():
    """A level that rises, far from 0, and a covariate."""
    rows = np.random.default_rng(0).normal(size=[200, 2]) + np.arange(200)[:, None] + 1e3
    table = SeriesTable({"": rows}, None, ("load", "heat"), season=4)
    return load_series(SeriesReading(table), SeriesOptions(past=8, future=3))


@pytest.fixture
def where(finished_run):
    with finished_run("series") as folder:
        yield folder


# Networks


@pytest.mark.parametrize("quantiles", [1, 3])
def test_a_serving_model_undoes_the_scaling_of_its_network(data, quantiles):
    shape = SeriesShape(steps=8, features=2, outputs=1, future=3, quantiles=quantiles)
    problem, examples = data.test.problem, data.test.examples
    core = series_recurrent(shape, GRU, units=4)
    served = build_series_serving_model(core, problem, shape)
    past, outputs = examples.past(), predicted(served, examples)
    y = core(problem.scaling.inputs(past)).numpy()
    y = y[..., 1] if quantiles > 1 else y
    expected = y * problem.scaling.target_deviation + past[:, -1:, :1]
    np.testing.assert_allclose(outputs["value"], expected, rtol=1e-5)
    assert (outputs["low"] <= outputs["value"]).all()
    assert (outputs["value"] <= outputs["high"]).all()


def test_an_interval_holds_the_quantiles_of_the_errors(data):
    served = build_series_serving_model(
        series_recurrent(SHAPE, GRU, units=4), data.train.problem, SHAPE
    )
    errors = np.random.default_rng(0).normal(size=[4000, 3, 1]) * np.array([[1.0], [2.0], [3.0]])
    set_interval(served, errors)
    outputs = predicted(served, data.test.examples)
    width = (outputs["high"] - outputs["low"])[0, :, 0]
    np.testing.assert_allclose(width, 2 * 1.2816 * np.array([1, 2, 3]), rtol=0.06)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "rnn"},
        {"model": "lstm", "decoder": "plain", "layers": 2},
        {"model": "gru", "decoder": "attention"},
        {"model": "conv1d"},
        {"model": "mlp"},
        {"model": "linear"},
    ],
)
def test_every_network_forecasts_values_and_quantiles(settings):
    for shape in (SHAPE, SeriesShape(steps=8, features=2, outputs=2, future=3, quantiles=3)):
        config = replace(SeriesConfig(), units=4, dropout=0.0, **settings)
        network = build_network(config, shape)
        outputs = network(np.random.default_rng(0).normal(size=[5, 8, 2]).astype("float32"))
        assert outputs.shape == (5, *shape.leading, *shape.of_step)
        assert np.isfinite(outputs).all()


def test_a_convolution_reaches_the_first_step_and_no_later_one():
    assert receptive_field(layers_for(96)) >= 96 > receptive_field(layers_for(96) - 1)
    shape = SeriesShape(steps=20, features=1, outputs=1, every_step=True)
    config = replace(SeriesConfig(), model="conv1d", units=4, dropout=0.0)
    network, x = build_network(config, shape), np.random.default_rng(0).normal(size=[1, 20, 1])
    changed = x.copy()
    changed[:, 12:] += 1
    before, after = (network(a.astype("float32")).numpy()[0, :, 0] for a in (x, changed))
    np.testing.assert_allclose(before[:12], after[:12], atol=1e-6)
    assert (before[12:] != after[12:]).all()


def test_the_quantile_loss_is_least_at_the_quantiles():
    y = np.random.default_rng(0).normal(size=[5000, 1, 1]).astype("float32")
    least = np.quantile(y, [0.1, 0.5, 0.9])

    def loss(quantiles):
        predicted = np.broadcast_to(np.asarray(quantiles, "float32"), [5000, 1, 3])
        return float(keras.ops.mean(quantile_loss(y, predicted)))

    for place in range(3):
        for step in (-0.2, 0.2):
            other = least.copy()
            other[place] += step
            assert loss(other) > loss(least)


def test_the_seasonal_naive_forecast_reads_a_season_that_is_longer_than_the_past():
    counted = SeriesTable({"": np.arange(200.0)[:, None]}, None, ("t",), season=12)
    split = load_series(SeriesReading(counted), SeriesOptions(past=8, future=3)).test
    forecasts = baseline_forecasts(split)
    truth = split.examples.truth()
    np.testing.assert_array_equal(forecasts["seasonal_naive"], truth - 12)
    np.testing.assert_allclose(forecasts["drift"], truth)


# Predicting


def predict(where, capsys, *arguments) -> tuple[int, str, str]:
    capsys.readouterr()
    code = errorflow("series", "predict", where, "--name", "a", *arguments)
    return code, *capsys.readouterr()


def test_predict_forecasts_what_follows_the_last_row(where, tmp_path, capsys, monkeypatch):
    path = write_series(tmp_path)
    code, out, _ = predict(where, capsys, "--json", str(path))
    (row,) = map(json.loads, out.splitlines())
    assert code == 0
    assert row["time"] == ["2020-01-07 16:00:00", "2020-01-07 17:00:00", "2020-01-07 18:00:00"]
    past = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2))[-8:]
    value = load(RunFolder(where / "series" / "a").best)(past[None].astype("float32"))["value"]
    np.testing.assert_allclose(row["value"]["tide"], value[0, :, 0], rtol=1e-5)
    np.testing.assert_allclose(row["value"]["level"], value[0, :, 1], rtol=1e-5)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    code, out, _ = predict(where, capsys, "--csv")
    lines = [line.split(",") for line in out.splitlines()]
    assert lines[0][:6] == ["file", "series", "time", "tide", "tide_low", "tide_high"]
    assert [line[2] for line in lines[1:]] == row["time"]
    assert [float(line[3]) for line in lines[1:]] == row["value"]["tide"]


def test_predict_answers_the_series_that_it_can_and_names_the_others(where, tmp_path, capsys):
    header, *rows = write_series(tmp_path).read_text().splitlines()
    long, short = tmp_path / "two.csv", tmp_path / "none.csv"
    several = [f"{row},long" for row in rows] + [f"{row},short" for row in rows[:5]]
    long.write_text("\n".join([f"{header},series", *several]))
    short.write_text("time,tide\n2020-01-01,1\n")
    code, out, err = predict(where, capsys, "--json", str(long), str(short), "nowhere.csv")
    assert code == 3
    assert [json.loads(line)["series"] for line in out.splitlines()] == ["long"]
    faults = [line for line in err.splitlines() if line.startswith("errorflow: ")]
    assert len(faults) == 3
    for fault, words in zip(
        faults, ("short: 5 rows", "no column level", "nowhere.csv"), strict=True
    ):
        assert words in fault


def test_predict_says_how_it_read_a_file(where, tmp_path, capsys):
    """Of the missing values, those in the steps that the model reads: two of three."""
    header, *rows = write_series(tmp_path).read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for number in (3, 155, 157):
        cells[number][2] = ""
    lines = [";".join([*header.split(","), "x"])]
    lines += [f"{time};{tide};{level};0".replace(".", ",") for time, tide, level in cells]
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("\n".join(lines))
    code, _, err = predict(where, capsys, str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))
    assert code == 0
    assert "a.csv: time from time, target from tide, level; not read: x\n" in err
    assert "b.csv: time" not in err  # what is true of several files is said once
    for name in ("a.csv", "b.csv"):
        assert f"{name}: 2 missing values filled with the value before (gaps of up to 3;" in err


def test_a_file_that_does_not_fit_is_one_line_without_flags_of_train(where, tmp_path, capsys):
    header, *rows = write_series(tmp_path).read_text().splitlines()
    cells = [row.partition(",") for row in rows]
    wrong = {
        "other.csv": ("time,level", [f"{time},1" for time, _, _ in cells], "no column tide (which"),
        "twice.csv": (header, [*rows, rows[3]], "twice.csv:162: the time stamp"),
        "gone.csv": (header, [*rows[:9], *rows[80:]], "irregular time stamps"),
        "days.csv": (
            header,
            [f"2{n:03},{row}" for n, (_, _, row) in enumerate(cells)],
            "1YS apart",
        ),
        "soon.csv": (header, [*rows, "soon,1,1"], "'soon' is not a time stamp"),
    }
    for name, (head, lines, message) in wrong.items():
        (tmp_path / name).write_text("\n".join([head, *lines]))
        code, out, err = predict(where, capsys, str(tmp_path / name))
        (fault,) = [line for line in err.splitlines() if line.startswith("errorflow: ")]
        assert (code, out) == (3, "")
        assert message in fault
        assert "--" not in fault
    (tmp_path / "latin.csv").write_bytes(f"{header}\n{rows[0]}é".encode("latin-1"))
    _, _, err = predict(where, capsys, str(tmp_path / "latin.csv"))
    assert "not UTF-8" in err
    assert "--encoding" not in err


# From Python


def test_classes_of_series_from_python(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=[90, 10, 1]) + np.repeat([[[0]], [[4]], [[8]]], 30, axis=0)
    run = pipelines.train(
        "series",
        data=(x, np.repeat(["low", "mid", "top"], 30)),
        run_dir=tmp_path,
        model="mlp",
        units=16,
        epochs=5,
        jit="off",
    )
    assert run.results["test"]["accuracy"] > 0.5
    new, filled = x[::30].copy(), x[::30].copy()
    new[1, 4], filled[1, 4] = np.nan, x[30, 3]  # as in training
    np.savez(tmp_path / "new.npz", x=new)
    rows = run.predict(tmp_path / "new.npz")
    expected = run.model(filled.astype("float32"))
    assert [row["label"] for row in rows] == [label.decode() for label in expected["label"].numpy()]
    for row, probabilities in zip(rows, expected["probabilities"].numpy(), strict=True):
        assert row["probabilities"][row["label"]] == pytest.approx(probabilities.max(), abs=1e-5)
    assert export_inputs(run.model).meaning["labels"] == ["low", "mid", "top"]
    new[2, 3:9] = np.nan
    np.savez(tmp_path / "new.npz", x=new)
    with pytest.raises(pipelines.UserError, match=r"new\.npz x\[2\]: a gap of more than 3"):
        run.predict(tmp_path / "new.npz")
    np.savez(tmp_path / "new.npz", x=x[:1, :7])  # what is shorter than all of the training
    with pytest.raises(pipelines.UserError, match=r"x\[0\]: 7 rows; the model reads 10, as many"):
        run.predict(tmp_path / "new.npz")


def test_a_class_of_each_step_up_to_the_end_of_a_shorter_series(tmp_path):
    x = np.random.default_rng(0).normal(size=[60, 6, 1])
    x[::2, 4:] = np.nan
    y = np.where(x[..., 0] > 0, "up", "down")
    options = {"model": "gru", "units": 4, "epochs": 1, "jit": "off"}
    run = pipelines.train("series", data={"x": x, "y": y}, run_dir=tmp_path, **options)
    np.savez(tmp_path / "new.npz", x=x[:2])
    rows = run.predict(tmp_path / "new.npz")
    assert [len(row["labels"]) for row in rows] == [4, 6]
    assert [row["step"] for row in by_step(rows)] == [1, 2, 3, 4, 1, 2, 3, 4, 5, 6]
    (tmp_path / "new.csv").write_text("\n".join(["x1", *map(str, x[0, :4, 0])]))
    (table,) = run.predict(tmp_path / "new.csv")
    assert table["labels"] == rows[0]["labels"]


def test_values_at_each_step_of_series_of_different_lengths(tmp_path):
    x = np.random.default_rng(0).normal(size=[90, 6, 1])
    x[::2, 4:] = np.nan
    run = pipelines.train(
        "series",
        data={"x": x, "y": 100 + np.cumsum(x, axis=1)},
        run_dir=tmp_path,
        model="rnn",
        units=4,
        epochs=1,
        jit="off",
    )
    assert run.results["test"].keys() == {"rmse", "mae", "coverage", "rmse_mean"}
    assert run.results["test"]["rmse"] < 10
    inputs, meaning, *_ = export_inputs(run.model)
    scaled = (inputs.numpy() - meaning["mean"]) / meaning["deviation"]
    y = run.model.get_layer("core")(scaled) * meaning["target_deviation"] + meaning["target_mean"]
    outputs = run.model(inputs)
    np.testing.assert_allclose(outputs["value"], y, rtol=1e-4)
    low, _ = meaning["interval_offsets"]
    np.testing.assert_allclose(outputs["low"] - outputs["value"], [low, low], atol=1e-3)
