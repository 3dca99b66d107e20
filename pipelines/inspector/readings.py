"""What the callbacks wrote, read through TensorBoard. Importing this module imports no TensorFlow.

A series is what one callback wrote under one name: the rows of one recurrent layer, or those of all
layers' gradients. `callbacks/blocks.py` says how its rows stand in event files.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...callbacks.findings.finding import Finding
from ...callbacks.findings.of_snapshots import of_gates, of_horizon
from ...callbacks.findings.over_depth import of_gradients
from ...callbacks.findings.over_time import judge
from ...callbacks.recording.blocks import BLOCKS, PLUGIN, unpack
from ...callbacks.recording.joined import crossing
from ...callbacks.recording.joined import join as join_tables
from ...callbacks.recording.rows import Rows, evenly, join, reached
from ...callbacks.recording.statistics import tables

Key = tuple[str, str, str]  # run, kind and name

SPACING = 16  # of the last rows, that of all
GAP = 8  # times as far apart as others: rows between are missing


class Series(NamedTuple):
    """Attributes:
    run: as TensorBoard names it, the folder of the event file.
    statistics: names of what its rows hold.
    layers: of "layer_gradients", those the columns are of; clip_norm, what they are clipped to.
    tags: under which its blocks stand, in their order.
    latest: the training step of the last block.
    joined: the two layers that it shows on one time axis, if it is no layer of its own.
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


def findings_on(series: Series, rows: Rows, *others: Rows) -> list[Finding]:
    """What the callback that wrote a series would say of it. rows: of each of its `parts_of`."""
    if series.joined:
        return [crossing(series.joined, join_tables(*map(tables, (rows, *others))))]
    if series.kind == "error_flow":
        return [judge(series.name, tables(rows))]
    if series.kind == "layer_gradients":
        norm, ratio, *more = rows.values  # older files lack the dead
        dead = more[0] if more else None
        return of_gradients(rows.steps, series.layers, norm, ratio, dead, series.clip_norm)
    if series.kind == "gates":
        named = dict(zip(series.statistics, rows.values, strict=True))
        return of_gates(series.name, {"step": rows.steps, **named})
    if series.kind == "horizon":
        named = dict(zip(series.statistics, rows.values, strict=True))
        return [of_horizon(series.name, {"step": rows.steps, **named})]
    return []


class Table(NamedTuple):
    """One statistic, [N, W]."""

    steps: np.ndarray  # [N] what each row is: a training step, an epoch, or a loss step
    columns: list[Any]  # [W] what each column is: a time step, steps before the last, or a layer
    values: np.ndarray  # [N, W] float32, NaN where there is nothing


def find_series(provider: Any, context: Any, experiment: str) -> list[Series]:
    """All series of all runs, in the order of their names."""
    found = provider.list_tensors(context, experiment_id=experiment, plugin_name=PLUGIN)
    merged: dict[Key, list[tuple[str, dict, int]]] = {}
    for run, tags in found.items():
        for tag, about in tags.items():
            content = json.loads(about.plugin_content)
            key = (run, content["kind"], content["name"])
            merged.setdefault(key, []).append((tag, content, about.max_step))
    layers = {key: _series(key, parts) for key, parts in merged.items()}
    both = [one for key, parts in merged.items() for one in _joined(key, parts[0][1], layers)]
    return sorted({one.key: one for one in [*layers.values(), *both]}.values())


def _joined(key: Key, content: Mapping[str, Any], layers: Mapping[Key, Series]) -> Iterator[Series]:
    """Pairs of layers that `ErrorFlow` was told to show as one; see its `joined`."""
    run, kind, _ = key
    for name, paths in content.get("joined", {}).items():
        first, second = (layers.get((run, kind, path)) for path in paths)
        if first is not None and second is not None:
            common = [name for name in first.statistics if name in second.statistics]
            latest = min(first.latest, second.latest)
            yield Series(run, kind, name, common, [], [], latest, None, (first.name, second.name))


def parts_of(series: Series, found: Sequence[Series]) -> list[Series]:
    """The layers whose rows it takes to show a series: itself, or the two that are joined."""
    if not series.joined:
        return [series]
    of_run = {one.name: one for one in found if one[:2] == series[:2]}
    return [of_run[name] for name in series.joined]


def _series(key: Key, parts: list[tuple[str, dict, int]]) -> Series:
    parts.sort(key=lambda part: (len(part[0]), part[0]))  # …/rows/lstm, then …/2, …/10
    _, content, _ = parts[0]
    return Series(
        *key,
        statistics=list(content["statistics"]),
        layers=list(content.get("layers", [])),
        tags=[tag for tag, _, _ in parts],
        latest=max(step for _, _, step in parts),
        clip_norm=content.get("clip_norm"),
    )


def read_rows(provider: Any, context: Any, experiment: str, series: Series) -> Rows:
    """The rows of a series that TensorBoard has kept, by their training steps.

    As a run gets longer, fewer of its steps are written, so that those that came first stand
    closer: of these, only as many are taken as stand as far apart as the last ones, and all that
    hold something that is no finite number.
    """
    from tensorboard.data.provider import RunTagFilter

    found = provider.read_tensors(
        context,
        experiment_id=experiment,
        plugin_name=PLUGIN,
        downsample=BLOCKS,
        run_tag_filter=RunTagFilter(runs=[series.run], tags=series.tags),
    )
    data = [datum for tag in series.tags for datum in found.get(series.run, {}).get(tag, [])]
    rows = join([unpack(np.asarray(datum.numpy)) for datum in data])
    # A run that was resumed after a kill has some training steps twice: the later ones count.
    _, last = np.unique(rows.steps[::-1], return_index=True)
    chosen = len(rows.steps) - 1 - last
    kept = Rows(rows.steps[chosen], rows.lengths[chosen], rows.values[:, chosen])
    if len(kept.steps) < 2:
        return kept
    spacing = int(np.median(np.diff(kept.steps[-SPACING:])))
    taken = (kept.steps % spacing == 0) | _broken(series, kept)
    return Rows(kept.steps[taken], kept.lengths[taken], kept.values[:, taken])


def missing(rows: Rows) -> int:
    """How many steps lie in gaps: of some long runs TensorBoard keeps a few blocks alone."""
    apart = np.diff(rows.steps)
    return int(apart[apart > GAP * np.median(apart)].sum()) if len(apart) else 0


def _broken(series: Series, rows: Rows) -> Any:
    """Which rows hold something infinite, or no number where there was an error, [N]."""
    infinite = np.isinf(rows.values).any(axis=(0, 2))
    if series.kind != "error_flow":
        return infinite
    named = tables(rows)
    lost = (named["valid"] > 0) & np.isnan(named["hidden"])
    return infinite | lost.any(axis=1)


def table(series: Series, rows: Rows, *others: Rows, statistic: str, align: str = "end") -> Table:
    """A statistic of a series; align: read time steps from the "start" or from the "end".

    rows: of each of its `parts_of`. Where two are joined, the steps of the first count up to 0.
    """
    if series.kind != "error_flow":
        values = rows.values[series.statistics.index(statistic)]
        if not series.layers:
            columns = [*range(1, values.shape[-1] + 1)]
            if series.kind == "horizon":
                columns = [values.shape[-1] - column for column in columns]  # from the end
            return Table(rows.steps, columns, values)
        trained = ~np.isnan(values).all(axis=0)
        layers = [one for one, kept in zip(series.layers, trained, strict=True) if kept]
        return Table(rows.steps, layers, values[:, trained])
    named: Mapping[str, np.ndarray] = tables(rows)
    if series.joined:
        named = join_tables(named, *map(tables, others))
    values = named[f"{statistic}_from_end" if align == "end" else statistic]
    width = values.shape[-1]
    cut = reached(values)
    steps = np.arange(width)[cut]
    columns = width - 1 - steps if align == "end" else steps + 1
    if series.joined:
        columns = steps + 1 - int(named["border"])
    return Table(named["step"], columns.tolist(), values[:, cut])


def matrix(rows: Rows, step: float) -> Table:
    """Of an "error_matrix", that of the epoch which is nearest to `step`: loss step × time step."""
    place = int(np.abs(rows.steps - min(step, rows.steps[-1])).argmin())
    losses, _, width = rows.values.shape
    shown = np.where(rows.values[:, place] > 0, rows.values[:, place], np.nan)
    return Table(np.arange(1, losses + 1), [*range(1, width + 1)], shown)


def thinned(full: Table, rows: int, columns: int) -> Table:
    """At most so many rows and columns, evenly chosen, the first and the last among them."""
    chosen, shown = evenly(len(full.steps), rows), evenly(len(full.columns), columns)
    return Table(
        full.steps[chosen],
        [full.columns[place] for place in shown],
        full.values[np.ix_(chosen, shown)],
    )
