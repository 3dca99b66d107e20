"""Windows of long series, in three splits that are divided by time."""

import numpy as np

from ..listing import printable
from ..splits import SPLITS
from .gaps import in_number
from .scaling import Scaling, fit_scaling
from .series_data import FUTURE, PAST, ScalingName, SeriesData, SeriesOptions, content_hash
from .series_split import SeriesProblem, SeriesSplit, Windows
from .series_table import SeriesTable
from .series_tables import SeriesReading
from .windows import divide

COARSE = 0.01  # of a deviation: a coarser rounding is said
FITTED = 4_096  # training windows by which a scaling is fitted


def data_of_windows(
    table: SeriesTable, reading: SeriesReading, options: SeriesOptions
) -> SeriesData:
    """Return the windows of a table, by split.

    Raises:
        UserError: a split would be empty.
    """
    past, future = options.past or PAST, options.future or FUTURE
    found = divide(table, past, future, options.max_gap)
    windows = _limited(found.windows, options.limit)
    season = table.season if options.season is None else options.season
    problem = SeriesProblem(
        kind="forecast",
        every_step=False,
        columns=table.columns,
        targets=table.target_names,
        steps=past,
        future=future,
        season=season if season and season > 1 else None,
        scaling=_scaling_of_windows(windows["train"], options.scaling or "last"),
        train=windows["train"],
        history=tuple(found.history),
        names=tuple(found.names),
        times={n: table.times[name] for n, name in enumerate(found.names)} if table.times else {},
        frequency=table.frequency,
    )
    sizes = {split: len(windows[split]) for split in SPLITS}
    return SeriesData(
        **{split: SeriesSplit(problem, windows[split]) for split in SPLITS},
        labels=[],
        content_hash=content_hash(
            [windows["train"].values], [windows[split].starts for split in SPLITS]
        ),
        counts={"windows": sizes},
        source=_source(table, problem),
        problems=[
            *reading.remarks,
            *found.remarks,
            *_unscaled(problem),
            *_rounded(problem, windows["train"]),
        ],
        left_out=[*reading.left_out, *found.left_out],
    )


def _source(table: SeriesTable, problem: SeriesProblem) -> str:
    """Return what the series are, in a few words."""
    count = len(problem.names)
    rows = sum(len(table.series[name]) for name in problem.names)
    parts = [f"{count} series of {rows:,} rows" if count > 1 else f"{rows:,} rows"]
    parts += [f"frequency {problem.frequency}"] * bool(problem.frequency)
    parts += [f"season {problem.season}"] * bool(problem.season)
    return f"{table.source} ({', '.join(parts)})"


def _unscaled(problem: SeriesProblem) -> list[str]:
    """Return a remark if there are targets by whose training part errors cannot be scaled."""
    season = problem.season or 1
    found = [
        f"{target} of series {name}" if name else target
        for name, history in zip(problem.names, problem.history, strict=True)
        for target, values in zip(problem.targets, history.T, strict=True)
        if not (np.abs(values[season:] - values[:-season]) > 0).any()
    ]
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [
        f"{printable(found[0])}{more}: no MASE, as the training part repeats itself, or is not"
        f" longer than a season of {in_number(season, 'step')} (see --season)"
    ]


def _rounded(problem: SeriesProblem, train: Windows) -> list[str]:
    """Return a remark if 32 bits, which networks compute in, are too few for a column."""
    values, deviations = train.values, problem.scaling.deviation
    largest, changes = (
        np.nanmax(np.abs(values), axis=0),
        np.nanmax(values, axis=0) > np.nanmin(values, axis=0),
    )
    steps = np.spacing(largest.astype(np.float32))
    return [
        f"{printable(name)}: 32 bits round values of {size:.3g} to steps of {step:.2g}, and they"
        f" change by about {deviation:.2g}: subtract a constant from the column"
        for name, size, step, deviation, does_change in zip(
            problem.columns, largest, steps, deviations, changes, strict=True
        )
        if does_change and step > COARSE * deviation
    ]


def _limited(windows: dict[str, Windows], limit: int | None) -> dict[str, Windows]:
    """Return evenly spread windows, at most `limit` of the training and a share of the others."""
    share = min(1.0, (limit or len(windows["train"])) / len(windows["train"]))
    if share == 1:
        return windows
    chosen = {}
    for split, found in windows.items():
        count = max(1, round(share * len(found)))
        chosen[split] = found.only(np.linspace(0, len(found) - 1, count).astype(int))
    return chosen


def _scaling_of_windows(train: Windows, name: ScalingName) -> Scaling:
    """Fit a scaling to the rows of training windows."""
    steps = sum(train.steps)
    used = np.zeros(len(train.values), bool)
    for offset in range(steps):
        used[train.starts + offset] = True
    if name == "standard":
        return fit_scaling(train.values[used], train.targets)
    some = np.linspace(0, len(train) - 1, min(FITTED, len(train))).astype(int)
    relative = train.past(some)[..., : train.targets]
    return fit_scaling(train.values[used], train.targets, relative=relative)
