"""The best model of a run, which answers for the series of a file."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from ..core.errors import UserError
from ..core.run_config import run_config
from ..core.run_folder import RunFolder
from ..datasets.listing import printable
from ..datasets.series.gaps import fill_gaps, long_gap
from ..datasets.series.npz_files import fill_series, is_npz, read_x
from ..datasets.series.series_columns import SeriesColumns
from ..datasets.series.series_table import SeriesTable
from ..datasets.series.series_tables import series_of_table
from ..datasets.series.time_stamps import find_step, stamp_in_words
from ..datasets.tables.table import read_table
from ..models.series_serving import columns_of, targets_of
from ..models.serving import labels_in, load, traced
from .config import SeriesConfig, SeriesSettings

BATCH = 256  # series at a time


class _Series(NamedTuple):
    """One series to predict for: its name, its last steps [T, D], and the times that follow."""

    name: str
    x: np.ndarray
    times: list[str]


class _Found(NamedTuple):
    """The series of a file, and why others of it cannot be used."""

    series: list[_Series]
    faults: list[str]


@dataclasses.dataclass(frozen=True)
class Forecaster:
    """The best model of a run, and how files are read for it.

    Attributes:
        model: the serving model.
        settings: the settings of the data that it was trained on.
    """

    model: keras.Model
    settings: SeriesSettings

    @classmethod
    def of_run(cls, run: RunFolder) -> "Forecaster":
        """Load the best model of a run."""
        config = run_config(SeriesConfig, run).resolved()
        return cls(load(run.best), config.data)

    @property
    def steps(self) -> int:
        """P, the number of steps that are read."""
        return self.model.input_shape[1]

    @property
    def future(self) -> int:
        """F, the number of steps that are forecast; 0 if the answer is about the series itself."""
        return self.model.output["value"].shape[1] if self._is_forecast else 0

    @property
    def _is_forecast(self) -> bool:
        """Whether values follow the series: the targets are among the columns that are read."""
        if "value" not in self.model.output:
            return False
        return targets_of(self.model) == columns_of(self.model)[: len(targets_of(self.model))]

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield a row for each series of a file.

        Raises:
            UserError: the file, or one of its series, cannot be used.
        """
        yield from self.answers(name, self._all_of(name))

    def answers(self, name: str, series: Sequence[_Series]) -> Iterator[dict[str, Any]]:
        """Yield a row for each of the series of a file."""
        for start in range(0, len(series), BATCH):
            part = series[start : start + BATCH]
            x = np.stack([one.x for one in part]).astype(np.float32)
            outputs = {key: y.numpy() for key, y in traced(self.model)(x).items()}
            for number, one in enumerate(part):
                own = {key: y[number] for key, y in outputs.items()}
                named = {"series": one.name} if one.name else {}
                yield {"file": name, **named, **self._answer(own, one)}

    def inputs(self, name: str) -> np.ndarray:
        """Return the series of a file as the serving model reads them, [N, P, D].

        Raises:
            UserError: the file, or one of its series, cannot be used.
        """
        return np.stack([one.x for one in self._all_of(name)]).astype(np.float32)

    def _all_of(self, name: str) -> list[_Series]:
        """Return the series of a file, of which each can be used."""
        found = self.read(Path(name).expanduser())
        if found.faults:
            raise UserError(found.faults[0])
        return found.series

    def _answer(self, outputs: dict[str, np.ndarray], series: _Series) -> dict[str, Any]:
        """Return the answer for one series, by name."""
        if "label" in outputs:
            return _class(outputs, labels_in(self.model))
        targets = targets_of(self.model)
        values = {
            key: {target: outputs[key][..., n].tolist() for n, target in enumerate(targets)}
            for key in ("value", "low", "high")
        }
        return {"time": series.times, **values} if self._is_forecast else values

    def read(self, path: Path) -> _Found:
        """Return the series of a file, and why others of it cannot be used."""
        if is_npz(path):
            if self._is_forecast:
                raise UserError(f"{printable(path)}: forecasts need a table of rows in time")
            return self._of_npz(path)
        columns, settings = columns_of(self.model), self.settings
        is_forecast = self._is_forecast
        chosen = SeriesColumns(
            settings.time_column,
            targets_of(self.model) if is_forecast else columns,
            columns[len(targets_of(self.model)) :] if is_forecast else (),
            settings.id_column,
            settings.encoding,
        )
        table = read_table(path, chosen.encoding, chosen.known)
        reading = series_of_table(table, chosen, settings.resample)
        assert isinstance(reading.series, SeriesTable)
        found = _Found([], [f"{item.where}: left out: {item.reason}" for item in reading.left_out])
        for name in reading.series.series:
            try:
                found.series.append(self._last_steps(reading.series, name))
            except UserError as error:
                found.faults.append(str(error))
        return found

    def _last_steps(self, table: SeriesTable, name: str) -> _Series:
        """Return the last steps of a series without a long gap, and the times that follow."""
        place = table.source + (f", series {printable(name)}" if name else "")
        values = table.series[name]
        found = fill_gaps(values, self.settings.max_gap)
        if not found.parts or found.parts[-1][1] < len(values):
            raise UserError(
                f"{place}: more than {self.settings.max_gap} values are missing at its end"
                " (see --max-gap of train)"
            )
        first = found.parts[-1][0]
        if first and not self._is_forecast:
            raise UserError(f"{place}: {long_gap(self.settings.max_gap)}")
        known, steps = len(values) - first, self.steps
        if known < steps and self._is_forecast:
            since = " since the last gap" if first else ""
            raise UserError(f"{place}: {known:,} rows{since}; the model reads {steps:,}")
        if known > steps and not self._is_forecast:
            raise UserError(f"{place}: {known:,} rows; the model reads at most {steps:,}")
        x = np.full([steps, values.shape[1]], np.nan)
        x[: min(known, steps)] = found.values[-min(known, steps) :]
        return _Series(name, x, _following(table, name, self.future))

    def _of_npz(self, path: Path) -> _Found:
        x = read_x(path)
        if x.shape[1:] != (self.steps, len(columns_of(self.model))):
            expected = f"[N, {self.steps}, {len(columns_of(self.model))}]"
            raise UserError(f"{printable(path)}: x is {list(x.shape)}, the model reads {expected}")
        found = _Found([], [])
        for number in range(len(x)):
            if fault := fill_series(x[number], self.settings.max_gap):
                found.faults.append(f"{printable(path)} x[{number}]: {fault}")
            else:
                found.series.append(_Series(str(number), x[number], []))
        return found


def _following(table: SeriesTable, name: str, count: int) -> list[str]:
    """Return the times of the next steps, or their numbers if there are no time stamps."""
    if table.times is None:
        return [f"+{step}" for step in range(1, count + 1)]
    times = table.times[name]
    step = find_step(table.times)
    return [stamp_in_words(time) for time in step.after(times[-1], count + 1)[1:]]


def _class(outputs: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return the class of a series with the probabilities of all; or the class of each step."""
    probabilities = outputs["probabilities"]
    if probabilities.ndim == 2:
        return {"labels": [label.decode() for label in outputs["label"].tolist()]}
    order = np.argsort(-probabilities, kind="stable")
    ranked = {labels[n]: float(probabilities[n]) for n in order}
    return {"label": outputs["label"].decode(), "probabilities": ranked}
