"""Series that were read, divided into splits."""

from .answered_data import data_of_answers
from .forecast_data import data_of_windows
from .series_data import SeriesData, SeriesOptions
from .series_table import SeriesTable
from .series_tables import SeriesReading


def load_series(reading: SeriesReading, options: SeriesOptions) -> SeriesData:
    """Divide series into splits, and fit the scaling to the training part.

    Raises:
        UserError: a split would be empty, or a setting does not fit the data.
    """
    if isinstance(reading.series, SeriesTable):
        return data_of_windows(reading.series, reading, options)
    return data_of_answers(reading.series, reading, options)
