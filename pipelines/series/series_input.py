"""The series of a file, as a model that is trained reads them."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.errors import UnfitFile, UserError
from ..datasets.listing import printable
from ..datasets.series.gaps import fill_gaps, fill_series, length_of, long_gap
from ..datasets.series.npz_arrays import is_npz, read_x
from ..datasets.series.series_columns import SeriesColumns
from ..datasets.series.series_table import SeriesTable
from ..datasets.series.series_tables import series_of_table
from ..datasets.series.time_stamps import stamp_in_words
from ..datasets.series.time_steps import find_step
from ..datasets.tables.table import read_table
from .config import SeriesSettings


class InputSeries(NamedTuple):
    """One series to predict for.

    Attributes:
        name: "" if it is the only one.
        x: its last steps [T, D], nan after the end of a shorter series.
        length: the number of its steps in x.
        times: of the steps that follow.
        filled: the number of missing values in x that were filled.
    """

    name: str
    x: np.ndarray
    length: int
    times: list[str]
    filled: int


class FoundSeries(NamedTuple):
    """The series of a file, why others of it cannot be used, and remarks on how it was read."""

    series: list[InputSeries]
    faults: list[str]
    remarks: list[str]

    @property
    def filled(self) -> int:
        """The number of missing values that were filled."""
        return sum(item.filled for item in self.series)


@dataclasses.dataclass(frozen=True)
class InputReader:
    """Read series from files by the settings of a training.

    Attributes:
        settings: those of the data of the training.
        columns: the names of the columns that the model reads, the targets of a forecast first.
        targets: the number of values that are forecast; 0: the answer is about the series itself.
        steps: P, the number of steps that are read.
        future: F, the number of steps that are forecast.
        step: the time between two rows, as pandas writes it; "" if it is unknown.
        reads_shorter: whether the training had series of different lengths.
    """

    settings: SeriesSettings
    columns: tuple[str, ...]
    targets: int
    steps: int
    future: int
    step: str
    reads_shorter: bool

    def read(self, path: Path) -> FoundSeries:
        """Return the series of a file, why others of it cannot be used, and remarks.

        Raises:
            UserError: none of them can be used.
        """
        try:
            return self._of_npz(path) if is_npz(path) else self._of_table(path)
        except UnfitFile as error:  # its remedies are flags of train
            raise UserError(
                f"{error.fault}; correct the file, which is read with the settings of the training"
            ) from None

    def _of_table(self, path: Path) -> FoundSeries:
        settings, targets = self.settings, self.targets or len(self.columns)
        chosen = SeriesColumns(
            settings.time_column,
            self.columns[:targets],
            self.columns[targets:],
            settings.id_column,
            settings.encoding,
            flags=(
                f"which the model {'forecasts' if self.targets else 'reads'}",
                "which the model reads",
                "which names the series: --id-column of the training",
            ),
        )
        table = read_table(path, chosen.encoding, chosen.known)
        reading = series_of_table(table, chosen, settings.resample, self.step)
        assert isinstance(reading.series, SeriesTable)
        self._check_step(reading.series)
        faults = [f"{item.where}: left out: {item.reason}" for item in reading.left_out]
        found = FoundSeries([], faults, [*reading.remarks])
        for name in reading.series.series:
            try:
                found.series.append(self._last_steps(reading.series, name))
            except UserError as error:
                found.faults.append(str(error))
        return found

    def _check_step(self, table: SeriesTable) -> None:
        """Raise `UserError` if rows are further apart, or nearer, than those of the training."""
        longest = max(map(len, table.series.values()))
        if not self.step or table.times is None or longest < self.steps:
            return
        step = find_step(table.times)
        if step.frequency != self.step and {step.frequency, self.step} != {"B", "D"}:
            raise UserError(
                f"{table.source}: its rows are {step.words} apart, but the model was trained on"
                f" steps of {self.step}"
            )

    def _last_steps(self, table: SeriesTable, name: str) -> InputSeries:
        """Return the last steps of a series without a long gap, and the times that follow."""
        place = table.source + (f", series {printable(name)}" if name else "")
        values, longest = table.series[name], self.settings.max_gap
        found = fill_gaps(values, longest)
        if not found.parts or found.parts[-1][1] < len(values):
            raise UserError(
                f"{place}: more than {longest} values are missing at its end (see --max-gap of"
                " train)"
            )
        first = found.parts[-1][0]
        known = len(values) - first
        if not self.targets:
            if first:
                raise UserError(f"{place}: {long_gap(longest)}")
            self._check_length(place, known)
        elif known < self.steps:
            since = " since the last gap" if first else ""
            raise UserError(f"{place}: {known:,} rows{since}; the model reads {self.steps:,}")
        length = min(known, self.steps)
        x = _padded(found.values[-length:], self.steps)
        filled = int(found.filled[-length:].sum())
        return InputSeries(name, x, length, _following(table, name, self.future), filled)

    def _of_npz(self, path: Path) -> FoundSeries:
        if self.targets:
            raise UserError(f"{printable(path)}: forecasts need a table of rows in time")
        x, columns = read_x(path), len(self.columns)
        if x.shape[1] > self.steps or x.shape[2] != columns:
            expected = f"[N, {self.steps}, {columns}]"
            raise UserError(f"{printable(path)}: x is {list(x.shape)}, the model reads {expected}")
        found = FoundSeries([], [], [])
        for number, series in enumerate(x):
            place = f"{printable(path)} x[{number}]"
            try:
                found.series.append(self._whole(place, str(number), series))
            except UserError as error:
                found.faults.append(str(error))
        return found

    def _whole(self, place: str, name: str, series: np.ndarray) -> InputSeries:
        """Return a series without gaps, [T, D], of which the end may be nan."""
        length = length_of(series)
        missing = int(np.isnan(series[:length]).sum())
        if fault := fill_series(series, self.settings.max_gap):
            raise UserError(f"{place}: {fault}")
        self._check_length(place, length)
        return InputSeries(name, _padded(series, self.steps), length, [], missing)

    def _check_length(self, place: str, length: int) -> None:
        """Raise `UserError` unless the network was trained on whole series of this length."""
        if length > self.steps:
            raise UserError(f"{place}: {length:,} rows; the model reads at most {self.steps:,}")
        if length < self.steps and not self.reads_shorter:
            raise UserError(
                f"{place}: {length:,} rows; the model reads {self.steps:,}, as many as all series"
                " of its training have"
            )


def _padded(series: np.ndarray, steps: int) -> np.ndarray:
    """Return a series [T, D] with nan after its end, [steps, D]."""
    missing = np.full([steps - len(series), series.shape[1]], np.nan)
    return np.concatenate([series, missing])


def _following(table: SeriesTable, name: str, count: int) -> list[str]:
    """Return the times of the next steps, or their numbers if there are no time stamps."""
    if table.times is None:
        return [f"+{step}" for step in range(1, count + 1)]
    times = table.times[name]
    step = find_step(table.times)
    return [stamp_in_words(time) for time in step.after(times[-1], count + 1)[1:]]
