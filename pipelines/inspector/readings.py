"""Read the callbacks' records through TensorBoard. Importing this module imports no TensorFlow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...callbacks.findings.depth_flow import depth_findings
from ...callbacks.findings.encoder_decoder import encoder_decoder_finding
from ...callbacks.findings.error_flow import error_flow_finding
from ...callbacks.findings.finding import Finding
from ...callbacks.findings.gates import gate_findings
from ...callbacks.findings.horizon import horizon_finding
from ...callbacks.findings.layer_gradients import gradient_findings
from ...callbacks.findings.lyapunov import lyapunov_finding
from ...callbacks.findings.probe import probe_of
from ...callbacks.recording.blocks import MAX_BLOCKS, PLUGIN, unpack
from ...callbacks.recording.depth_tables import depth_tables, without_outputs
from ...callbacks.recording.rows import Rows, evenly_spaced, filled_columns, join
from ...callbacks.recording.tables import join_layers, tables
from .series import OF_LAYERS, OF_PATHS, Series, find_series, parts_of

__all__ = [
    "Series",
    "Table",
    "error_matrix",
    "find_series",
    "findings_of",
    "missing",
    "parts_of",
    "read_rows",
    "reason_of",
    "table",
    "thinned",
]

LAST_ROWS = 16  # number of last rows, whose spacing is used for all rows
GAP = 8  # rows are missing where their distance is more than this multiple of the median


def reason_of(error: Exception) -> str:
    """Return why a record cannot be shown, from the exception that this has led to."""
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}"
    if isinstance(error, ValueError):
        return str(error)
    return f"it is damaged ({type(error).__name__}: {error})"


def read_rows(provider: Any, context: Any, experiment: str, series: Series) -> Rows:
    """Return the rows of a series that TensorBoard has loaded, sorted by training step.

    As a run gets longer, fewer of its training steps are written, so early rows are closer together
    than late ones. The rows are thinned to the distance of the last ones, except that rows which
    are not finite are kept.

    Raises:
        ValueError: a block is not one of this series, or there is none.
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
    if not blocks:
        raise ValueError("TensorBoard has loaded no block of it")
    blocks.sort(key=lambda datum: datum.wall_time)
    parts = [unpack(np.asarray(block.numpy), series.statistics) for block in blocks]
    return join(_thinned_alike(series, parts)).newest()


def _thinned_alike(series: Series, parts: Sequence[Rows]) -> Iterator[Rows]:
    """Yield the rows of each block that are as far apart as the last ones, or not finite.

    They are chosen before the blocks are joined: of a long run they are a fraction of what is read.
    """
    steps = np.unique(np.concatenate([part.steps for part in parts]))
    if len(steps) < 2 or series.kind == "error_probe":
        yield from parts
        return
    spacing = int(np.median(np.diff(steps[-LAST_ROWS:])))
    for part in parts:
        yield part.take((part.steps % spacing == 0) | _not_finite(series, part))


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
        joined = join_layers(series.tables(rows), series.tables(others[0], 1), series.backwards)
        return [encoder_decoder_finding(series.joined, joined, series.backwards)]
    if series.kind == "error_flow":
        probe = None
        if series.probe is not None and len(others[0].steps):
            probe = probe_of(others[0], series.probe.about)
        return [error_flow_finding(series.name, series.tables(rows), series.backwards, probe)]
    if series[1:3] == ("depth_flow", OF_LAYERS):
        return depth_findings(depth_history(series, rows, *others))
    if series.kind == "layer_gradients":
        return _gradient_findings(series, rows.named(), rows.were_skipped)
    of_snapshots = _OF_SNAPSHOTS.get(series.kind)
    return [] if of_snapshots is None else of_snapshots(series.name, rows.named())


_OF_SNAPSHOTS: Mapping[str, Callable[[str, Any], list[Finding]]] = {
    "gates": gate_findings,
    "horizon": lambda layer, history: [horizon_finding(layer, history)],
    "lyapunov": lambda layer, history: [lyapunov_finding(layer, history)],
}


def depth_history(series: Series, rows: Rows, *others: Rows) -> dict[str, Any]:
    """Return `DepthFlow.history` of the series of layers; see `findings_of`."""
    named: dict[str, Rows] = dict(zip((OF_LAYERS, OF_PATHS), (rows, *others), strict=False))
    return depth_tables(named, series.about)


def _gradient_findings(series, history, skipped):
    return gradient_findings(
        history["step"],
        series.layers,
        history["norm"],
        history["ratio"],
        history.get("dead"),  # old files have no "dead"
        series.about.get("clip_norm"),
        skipped=skipped,
        every=series.about.get("every"),
        relu=series.about.get("relu"),
    )


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
        return _snapshot_table(series, rows, statistic)
    named: Mapping[str, np.ndarray] = tables(rows)
    if series.joined:
        named = join_layers(named, tables(others[0]))
    values = named[f"{statistic}_from_end" if align == "end" else statistic]
    width = values.shape[-1]
    cut = filled_columns(values)
    steps = np.arange(width)[cut]
    columns = width - 1 - steps if align == "end" else steps + 1
    if series.joined:
        columns = steps + 1 - int(named["border"])
    return Table(named["step"], columns.tolist(), values[:, cut])


def _snapshot_table(series, rows, statistic):
    """Return a table whose columns are layers, or time steps of a snapshot."""
    values = rows.named()[statistic]
    if series[1:3] == ("depth_flow", OF_LAYERS):
        history = without_outputs(depth_history(series, rows))
        return Table(rows.steps, history["layers"], history[statistic])
    if series.layers:
        width = min(len(series.layers), values.shape[-1])  # later rows may have more columns
        values, layers = values[:, :width], series.layers[:width]
        trained = ~np.isnan(values).all(axis=0)
        layers = [name for name, is_trained in zip(layers, trained, strict=True) if is_trained]
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
