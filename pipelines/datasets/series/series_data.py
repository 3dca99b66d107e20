"""The data of the task `series`: windows of long series, or series with answers, by split."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..splits import SPLITS, Row, split_numbers, stratified_subsample
from .scaling import Scaling, fit_scaling
from .series_examples import SeriesExamples
from .series_split import Answered, SeriesProblem, SeriesSplit, Windows
from .series_table import SeriesTable
from .series_tables import SeriesReading
from .windows import divide

ScalingName = Literal["last", "standard"]
SHARE = 0.15  # of the series with answers, for each split that is not there
PAST, FUTURE = 96, 24
FITTED = 4_096  # training windows by which a scaling is fitted


class SeriesOptions(NamedTuple):
    """How examples are made of series.

    Attributes:
        past, future: P and F, the rows that a window reads and forecasts; None: `PAST`, `FUTURE`.
        season: m, the steps of a season; None: as the data say; 0: none.
        scaling: "last", "standard"; None: last for forecasts, standard for answers.
        max_gap: the most missing values in a row that are filled.
        limit: the most training examples; None: all.
        seed: of the choice of these.
    """

    past: int | None = None
    future: int | None = None
    season: int | None = None
    scaling: ScalingName | None = None
    max_gap: int = 3
    limit: int | None = None
    seed: int = 1


@dataclasses.dataclass(frozen=True)
class SeriesData:
    """Series in three splits.

    Attributes:
        train, validation, test: the splits.
        labels: the classes; empty if values are predicted.
        content_hash: SHA-256 of all examples and their splits.
        counts: {label or "windows": {split: number}}.
        source: where the series are from, in words.
        problems: remarks on the data, one line each.
        left_out: each item that was left out.
    """

    train: SeriesSplit
    validation: SeriesSplit
    test: SeriesSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    source: str
    problems: list[str] = dataclasses.field(default_factory=list)
    left_out: Sequence[LeftOut] = ()


def load_series(reading: SeriesReading, options: SeriesOptions) -> SeriesData:
    """Divide series into splits, and fit the scaling to the training part.

    Raises:
        UserError: a split would be empty, or a setting does not fit the data.
    """
    if isinstance(reading.series, SeriesTable):
        return _of_table(reading.series, reading, options)
    return _of_examples(reading.series, reading, options)


# Forecasts


def _of_table(table: SeriesTable, reading: SeriesReading, options: SeriesOptions) -> SeriesData:
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
        content_hash=_hash([windows["train"].values], [windows[split].starts for split in SPLITS]),
        counts={"windows": sizes},
        source=_source(table, problem),
        problems=[*reading.remarks, *found.remarks],
        left_out=[*reading.left_out, *found.left_out],
    )


def _source(table: SeriesTable, problem: SeriesProblem) -> str:
    """Return what the series are, in a few words."""
    count = len(problem.names)
    parts = [f"{count} series of {len(table):,} rows" if count > 1 else f"{len(table):,} rows"]
    parts += [f"frequency {problem.frequency}"] * bool(problem.frequency)
    parts += [f"season {problem.season}"] * bool(problem.season)
    return f"{table.source} ({', '.join(parts)})"


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


# Answers


def _of_examples(
    examples: SeriesExamples, reading: SeriesReading, options: SeriesOptions
) -> SeriesData:
    _refuse_forecast(options)
    whole = {split: Answered(x, examples.y[split]) for split, x in examples.x.items()}
    divided = _with_all_splits(whole, examples.labels)
    parts = _limited_answers(divided, options)
    train = parts["train"]
    labels = list(examples.labels)
    every_step = train.y.ndim == (2 if labels else 3)
    targets = tuple(labels or (f"y{n}" for n in range(1, train.y.shape[-1] + 1)))
    problem = SeriesProblem(
        kind="classify" if labels else "regress",
        every_step=every_step,
        columns=examples.columns or tuple(f"x{n}" for n in range(1, examples.features + 1)),
        targets=targets,
        steps=train.x.shape[1],
        future=0,
        season=None,
        scaling=_scaling_of_answers(train, bool(labels)),
        train=train,
        padded=any(np.isnan(part.x[:, -1]).any() for part in parts.values()),
    )
    made = [split for split in SPLITS if split not in examples.x]
    remark = f"no ready split {', '.join(made)}: made of the training series, by a hash of each"
    order = [split for split in SPLITS if split in parts]
    return SeriesData(
        **{split: SeriesSplit(problem, parts[split]) for split in SPLITS},
        labels=labels,
        content_hash=_hash([parts[s].x for s in order], [parts[s].y for s in order]),
        counts=_counts(parts, labels),
        source=f"{examples.source} ({sum(map(len, parts.values())):,} series of"
        f" {problem.steps:,} steps)",
        problems=[*reading.remarks, *([remark] if made else [])],
        left_out=reading.left_out,
    )


def _refuse_forecast(options: SeriesOptions) -> None:
    """Raise `UserError` for settings of forecasts."""
    for key in ("past", "future", "season"):
        if value := getattr(options, key):
            raise UserError(
                f"--{key} {value} is for forecasts; these series have classes or values"
            )
    if options.scaling == "last":
        raise UserError("--scaling last is for forecasts; these series have classes or values")


def _with_all_splits(parts: dict[str, Answered], labels: Sequence[str]) -> dict[str, Answered]:
    """Make missing splits of the training series, stratified by class; equal series stay together.

    Raises:
        UserError: there are too few series.
    """
    missing = [split for split in SPLITS if split not in parts]
    if not missing:
        return parts
    names = ["train", *missing]
    rows = _rows(parts["train"], labels, lambda x, n: hashlib.sha256(x.tobytes()).hexdigest())
    numbers = split_numbers(rows, len(names), share=SHARE)
    made = {name: parts["train"].only(np.flatnonzero(numbers == n)) for n, name in enumerate(names)}
    if any(not len(part) for part in made.values()):
        raise UserError(f"{len(rows)} series are too few for three splits; give more")
    return {split: (parts | made)[split] for split in SPLITS}


def _limited_answers(parts: dict[str, Answered], options: SeriesOptions) -> dict[str, Answered]:
    size = len(parts["train"])
    if options.limit is None or options.limit >= size:
        return parts
    limited = {}
    for split, part in parts.items():
        rows = _rows(part, [], lambda x, n: str(n))
        count = max(1, round(options.limit / size * len(part)))
        kept = stratified_subsample(rows, count, options.seed)
        limited[split] = part.only(np.array([int(row.text) for row in kept]))
    return limited


def _rows(
    part: Answered, labels: Sequence[str], text: Callable[[np.ndarray, int], str]
) -> list[Row]:
    """Return a row for each series, with its class, by which splits are made."""
    classes = part.y.tolist() if part.y.ndim == 1 and part.y.dtype.kind == "i" else None
    return [
        Row("" if classes is None else str(classes[number]), text(x, number))
        for number, x in enumerate(part.x)
    ]


def _scaling_of_answers(train: Answered, are_classes: bool) -> Scaling:
    rows = train.x.reshape(-1, train.x.shape[2]).astype(np.float64)
    rows = rows[~np.isnan(rows).any(axis=1)]
    if are_classes:
        return fit_scaling(rows, np.zeros([1, 1]))
    values = train.y.reshape(-1, train.y.shape[-1]).astype(np.float64)
    return fit_scaling(rows, values[~np.isnan(values).any(axis=1)])


def _counts(parts: dict[str, Answered], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    if not labels:
        return {"series": {split: len(parts[split]) for split in SPLITS}}
    answers = {split: parts[split].y[parts[split].answered] for split in SPLITS}
    return {
        label: {split: int((y == number).sum()) for split, y in answers.items()}
        for number, label in enumerate(labels)
    }


def _hash(*groups: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in (array for group in groups for array in group):
        digest.update(
            f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()
