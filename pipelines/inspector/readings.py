"""Read the callbacks' records through TensorBoard. Importing this module imports no TensorFlow.

A series is the record of one callback under one name: the rows of one recurrent layer, or those of
the gradients of all layers. `callbacks/recording/blocks.py` describes their format.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...callbacks.findings.encoder_decoder import encoder_decoder_finding
from ...callbacks.findings.error_flow import error_flow_finding
from ...callbacks.findings.finding import Finding
from ...callbacks.findings.gates import gate_findings
from ...callbacks.findings.horizon import horizon_finding
from ...callbacks.findings.layer_gradients import gradient_findings
from ...callbacks.recording.blocks import MAX_BLOCKS, PLUGIN, unpack
from ...callbacks.recording.rows import Rows, evenly_spaced, filled_columns, join
from ...callbacks.recording.tables import join_layers, tables

Key = tuple[str, str, str]  # run, kind and name

LAST_ROWS = 16  # number of last rows, whose spacing is used for all rows
GAP = 8  # rows are missing where their distance is more than this multiple of the median


class Series(NamedTuple):
    """The record of one callback under one name.

    Attributes:
        run: TensorBoard's name of the run: the folder of the event file.
        kind, name: see `recording.blocks`.
        statistics: the names of the tables in its rows.
        layers: names of the columns, of "layer_gradients" only.
        tags: the tags of its blocks, in order.
        latest: the training step of the last block.
        clip_norm: maximum global norm of the gradient (clipping), of "layer_gradients" only.
        joined: the two layers that it shows on one time axis; None if it is a layer of its own.
    """

    run: str
    kind: str
    name: str
    statistics: list[str]
    layers: list[str]
    tags: list[str]
    latest: int
    clip_norm: float | None
    joined: tuple[str, str] | None = None

    @property
    def key(self) -> Key:
        return self.run, self.kind, self.name


def find_series(provider: Any, context: Any, experiment: str) -> list[Series]:
    """Return all series of all runs, sorted by their names, 2 before 10.

    Args:
        provider: TensorBoard's data provider.
        context: TensorBoard's request context.
        experiment: TensorBoard's name of the experiment.
    """
    runs = provider.list_tensors(context, experiment_id=experiment, plugin_name=PLUGIN)
    parts: dict[Key, list[tuple[str, dict, int]]] = {}
    for run, tags in runs.items():
        for tag, about in tags.items():
            content = json.loads(about.plugin_content)
            key = (run, content["kind"], content["name"])
            parts.setdefault(key, []).append((tag, content, about.max_step))
    layers = {key: _series(key, of_key) for key, of_key in parts.items()}
    joined = [s for key, of_key in parts.items() for s in _joined(key, of_key[0][1], layers)]
    every_series = {series.key: series for series in [*layers.values(), *joined]}
    return sorted(every_series.values(), key=lambda series: _order(*series.key))


def _order(run: str, kind: str, name: str) -> Any:
    """Return what sorts series: the run that `log_dir` itself holds is before `log_dir`/2."""
    run, _, folder = run.rpartition("/")
    numbered = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", run)]
    return numbered, folder, kind, name


def _series(key: Key, parts: list[tuple[str, dict, int]]) -> Series:
    parts = sorted(parts, key=lambda part: (len(part[0]), part[0]))  # …/rows/lstm, …/2, …, …/10
    _, content, _ = parts[0]
    return Series(
        *key,
        statistics=list(content["statistics"]),
        layers=list(content.get("layers", [])),
        tags=[tag for tag, _, _ in parts],
        latest=max(step for _, _, step in parts),
        clip_norm=content.get("clip_norm"),
    )


def _joined(key: Key, content: Mapping[str, Any], layers: Mapping[Key, Series]) -> Iterator[Series]:
    """Yield the pairs of layers that share a time axis; see `joined` of `ErrorFlow`."""
    run, kind, _ = key
    for name, paths in content.get("joined", {}).items():
        first, second = (layers.get((run, kind, path)) for path in paths)
        if first is not None and second is not None:
            common = [name for name in first.statistics if name in second.statistics]
            latest = min(first.latest, second.latest)
            yield Series(run, kind, name, common, [], [], latest, None, (first.name, second.name))


def parts_of(series: Series, every_series: Sequence[Series]) -> list[Series]:
    """Return the series that hold the rows of a series: itself, or the two that it joins."""
    if not series.joined:
        return [series]
    by_name = {other.name: other for other in every_series if other[:2] == series[:2]}
    return [by_name[name] for name in series.joined]


def read_rows(provider: Any, context: Any, experiment: str, series: Series) -> Rows:
    """Return the rows of a series that TensorBoard has loaded, sorted by training step.

    As a run gets longer, fewer of its training steps are written, so early rows are closer together
    than late ones. The rows are thinned to the distance of the last ones, except that rows which
    are not finite are kept.
    """
    from tensorboard.data.provider import RunTagFilter

    runs = provider.read_tensors(
        context,
        experiment_id=experiment,
        plugin_name=PLUGIN,
        downsample=MAX_BLOCKS,
        run_tag_filter=RunTagFilter(runs=[series.run], tags=series.tags),
    )
    blocks = [datum for tag in series.tags for datum in runs.get(series.run, {}).get(tag, [])]
    blocks.sort(key=lambda datum: datum.wall_time)
    rows = join([unpack(np.asarray(block.numpy), series.statistics) for block in blocks])
    # A run that was killed and resumed has some training steps twice: the later row counts.
    _, last = np.unique(rows.steps[::-1], return_index=True)
    rows = rows.take(len(rows.steps) - 1 - last)
    if len(rows.steps) < 2:
        return rows
    spacing = int(np.median(np.diff(rows.steps[-LAST_ROWS:])))
    return rows.take((rows.steps % spacing == 0) | _not_finite(series, rows))


def _not_finite(series: Series, rows: Rows) -> Any:
    """Return which rows hold an infinite value, or NaN at a valid step, [N] bool."""
    infinite = np.isinf(rows.values).any(axis=(0, 2))
    if series.kind != "error_flow":
        return infinite
    named = rows.named()
    return infinite | ((named["valid"] > 0) & np.isnan(named["hidden"])).any(axis=1)


def missing(rows: Rows) -> int:
    """Return the number of training steps in gaps: TensorBoard may keep few blocks of long runs."""
    distances = np.diff(rows.steps)
    return int(distances[distances > GAP * np.median(distances)].sum()) if len(distances) else 0


def findings_of(series: Series, rows: Rows, *others: Rows) -> list[Finding]:
    """Return the findings of the callback that wrote a series.

    Args:
        series: the series.
        rows, others: the rows of each of its `parts_of`.
    """
    if series.joined:
        return [encoder_decoder_finding(series.joined, join_layers(*map(tables, (rows, *others))))]
    if series.kind == "error_flow":
        return [error_flow_finding(series.name, tables(rows))]
    history = rows.named()
    if series.kind == "layer_gradients":
        figures = history["norm"], history["ratio"], history.get("dead")  # old files have no "dead"
        return gradient_findings(rows.steps, series.layers, *figures, series.clip_norm)
    if series.kind == "gates":
        return gate_findings(series.name, history)
    if series.kind == "horizon":
        return [horizon_finding(series.name, history)]
    return []


class Table(NamedTuple):
    """One statistic of a series as a table.

    Attributes:
        steps: [N], the training step, epoch or loss step of each row.
        columns: [W], the time step, number of steps before the last, or layer of each column.
        values: [N, W] float32, NaN where there is no value.
    """

    steps: np.ndarray
    columns: list[Any]
    values: np.ndarray


def table(series: Series, rows: Rows, *others: Rows, statistic: str, align: str = "end") -> Table:
    """Return one statistic of a series.

    Args:
        series: the series.
        rows, others: the rows of each of its `parts_of`.
        statistic: one of its statistics.
        align: of errors over time, count time steps from the "start" or back from the "end". If two
            layers are joined, the steps of the first are numbered up to 0.
    """
    if series.kind != "error_flow":
        return _snapshot_table(series, rows, rows.named()[statistic])
    named: Mapping[str, np.ndarray] = tables(rows)
    if series.joined:
        named = join_layers(named, *map(tables, others))
    values = named[f"{statistic}_from_end" if align == "end" else statistic]
    width = values.shape[-1]
    cut = filled_columns(values)
    steps = np.arange(width)[cut]
    columns = width - 1 - steps if align == "end" else steps + 1
    if series.joined:
        columns = steps + 1 - int(named["border"])
    return Table(named["step"], columns.tolist(), values[:, cut])


def _snapshot_table(series, rows, values):
    """Return a table whose columns are layers, or time steps of a snapshot."""
    if series.layers:
        trained = ~np.isnan(values).all(axis=0)
        layers = [
            name for name, is_trained in zip(series.layers, trained, strict=True) if is_trained
        ]
        return Table(rows.steps, layers, values[:, trained])
    columns = [*range(1, values.shape[-1] + 1)]
    if series.kind == "horizon":
        columns = [values.shape[-1] - column for column in columns]  # steps before the last
    return Table(rows.steps, columns, values)


def error_matrix(rows: Rows, step: float) -> Table:
    """Return the error matrix, loss step × time step, of the epoch that is nearest to `step`."""
    place = int(np.abs(rows.steps - min(step, rows.steps[-1])).argmin())
    losses, _, width = rows.values.shape
    positive = np.where(rows.values[:, place] > 0, rows.values[:, place], np.nan)
    return Table(np.arange(1, losses + 1), [*range(1, width + 1)], positive)


def thinned(full: Table, rows: int, columns: int) -> Table:
    """Return at most this number of rows and columns, evenly spaced, with both ends."""
    row_indices = evenly_spaced(len(full.steps), rows)
    column_indices = evenly_spaced(len(full.columns), columns)
    return Table(
        full.steps[row_indices],
        [full.columns[index] for index in column_indices],
        full.values[np.ix_(row_indices, column_indices)],
    )
