"""Series with a class or values each, in three splits."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...core.errors import UserError
from ..listing import printable
from ..splits import SPLITS, Row, split_numbers, stratified_subsample
from .scaling import Scaling, fit_scaling
from .series_data import SeriesData, SeriesOptions, content_hash
from .series_examples import SeriesExamples
from .series_split import Answered, SeriesProblem, SeriesSplit
from .series_tables import SeriesReading

SHARE = 0.15  # of the series, for each split that is not there


def data_of_answers(
    examples: SeriesExamples, reading: SeriesReading, options: SeriesOptions
) -> SeriesData:
    """Return series with their answers, by split; missing splits are made of the training series.

    Raises:
        UserError: there are too few series, or a setting is for forecasts.
    """
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
    counts = _counts(parts, labels)
    if labels and sum(by_split["train"] > 0 for by_split in counts.values()) < 2:
        raise UserError(f"{examples.source}: the training split holds one class; give more series")
    made = [split for split in SPLITS if split not in examples.x]
    remark = f"no ready split {', '.join(made)}: made of the training series, by a hash of each"
    order = [split for split in SPLITS if split in parts]
    return SeriesData(
        **{split: SeriesSplit(problem, parts[split]) for split in SPLITS},
        labels=labels,
        content_hash=content_hash([parts[s].x for s in order], [parts[s].y for s in order]),
        counts=counts,
        source=f"{examples.source} ({sum(map(len, parts.values())):,} series of"
        f" {problem.steps:,} steps)",
        problems=[*reading.remarks, *([remark] if made else []), *_untrained(counts)],
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


def _untrained(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a remark if there are classes of which no training series is one."""
    names = [label for label, by_split in counts.items() if not by_split["train"]]
    if not names:
        return []
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    shown = ", ".join(map(printable, names[:8])) + more
    return [f"no training series of class {shown}: the network cannot learn it"]


def _counts(parts: dict[str, Answered], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    if not labels:
        return {"series": {split: len(parts[split]) for split in SPLITS}}
    answers = {split: parts[split].y[parts[split].answered] for split in SPLITS}
    return {
        label: {split: int((y == number).sum()) for split, y in answers.items()}
        for number, label in enumerate(labels)
    }
