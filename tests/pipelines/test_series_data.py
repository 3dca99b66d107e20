"""The embedded time series, against figures of their sources."""

import importlib.util

import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.series import embedded
from errorflow.pipelines.datasets.series.embedded import EMBEDDED, load_embedded
from errorflow.pipelines.datasets.series.time_steps import find_step

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("statsmodels", "pyts"))),
    reason="needs the extra [series]",
)
FORECASTING = {  # name: steps, missing, first and last stamp, first and last value
    "co2": (2284, 59, "1958-03-29", "2001-12-29", 316.1, 371.5),
    "elnino": (732, 0, "1950-01-01", "2010-12-01", 23.11, 22.07),
    "sunspots": (309, 0, "1700-01-01", "2008-01-01", 5.0, 2.9),
}
CLASSES = {  # name: training and test series, steps, columns, test series of each class
    "gunpoint": (50, 150, 150, 1, [76, 74]),
    "basic-motions": (40, 40, 100, 6, [10, 10, 10, 10]),
}


@pytest.mark.parametrize("name", FORECASTING)
def test_series_to_forecast(name):
    steps, missing, first, last, *values = FORECASTING[name]
    table = load_embedded(name)
    series, times = table.series[""], table.times[""]
    assert series.shape == (steps, 1)
    assert np.isnan(series).sum() == missing
    assert [str(times[0])[:10], str(times[-1])[:10]] == [first, last]
    assert series[[0, -1], 0].tolist() == values
    assert find_step(table.times).frequency == table.frequency
    assert (find_step(table.times).places(times) == np.arange(steps)).all()


def test_el_nino_is_read_month_by_month():
    table = load_embedded("elnino")
    at = table.times[""].tolist().index(np.datetime64("1951-03-01", "ns").astype(int))
    assert table.series[""][at, 0] == 25.6


@pytest.mark.parametrize("name", CLASSES)
def test_series_with_classes(name):
    training, test, steps, columns, counts = CLASSES[name]
    examples = load_embedded(name)
    assert examples.x["train"].shape == (training, steps, columns)
    assert examples.x["test"].shape == (test, steps, columns)
    assert np.bincount(examples.y["test"]).tolist() == counts
    assert len(examples.columns) == columns


def test_every_embedded_set_is_tested():
    assert {*FORECASTING, *CLASSES} == {*EMBEDDED}


def test_a_package_without_the_file_is_named(monkeypatch, tmp_path):
    class Elsewhere:
        def locate_file(self, path):
            return tmp_path / path

    monkeypatch.setattr(embedded.metadata, "distribution", lambda name: Elsewhere())
    with pytest.raises(UserError, match=r"co2.csv needs .* pip install 'errorflow\[series\]'"):
        load_embedded("co2")
