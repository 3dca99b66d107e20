"""Read the records of the callbacks from a run's logs, as the TensorBoard tab does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...callbacks.drawing import figures
from ...callbacks.recording.blocks import PLUGIN
from ...callbacks.recording.tables import join_layers, tables
from ..inspector import readings
from ..inspector.series import Series, find_series, parts_of

Recorded = tuple[Series, list[Any]]  # a series, and the rows of its parts


def read_recorded(logs: Path) -> list[Recorded]:
    """Read every series in a folder of event files, with its rows."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext

    multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN: 0})  # 0: load all tensors
    multiplexer.AddRunsFromDirectory(str(logs))
    multiplexer.Reload()
    provider, context = MultiplexerDataProvider(multiplexer, str(logs)), RequestContext()
    all_series = find_series(provider, context, "")
    parts = {series.key: parts_of(series, all_series) for series in all_series}
    rows = {
        part.key: readings.read_rows(provider, context, "", part)
        for of_one in parts.values()
        for part in of_one
    }
    return [(s, [rows[part.key] for part in parts[s.key]]) for s in all_series]


def error_flow_figure(recorded: Mapping[str, Sequence[Recorded]]) -> Figure | None:
    """Draw heat maps of the error over time, for runs by name, with common colours."""
    layers = {title: _over_time(s, rows) for title, s, rows in _titled(recorded, "error_flow")}
    return figures.error_flow(layers) if layers else None


def layer_gradients_figure(recorded: Mapping[str, Sequence[Recorded]]) -> Figure | None:
    """Draw heat maps of the gradient over depth, for runs by name, with common colours."""
    runs = {
        title: _over_depth(series, rows)
        for title, series, rows in _titled(recorded, "layer_gradients")
    }
    return figures.layer_gradients(runs) if runs else None


def _titled(
    recorded: Mapping[str, Sequence[Recorded]], kind: str
) -> list[tuple[str, Series, list[Any]]]:
    """Return the series of a kind, each with a title: its run, if there are several, and layer."""
    return [
        (" · ".join(filter(None, (run * (len(recorded) > 1), series.name))) or run, series, rows)
        for run, all_series in recorded.items()
        for series, rows in all_series
        if series.kind == kind and len(rows[0].steps)
    ]


def _over_time(series: Series, rows: Sequence[Any]) -> Mapping[str, np.ndarray]:
    if series.joined:
        return join_layers(tables(rows[0]), tables(rows[1]), series.backwards)
    return tables(rows[0])


def _over_depth(series: Series, rows: Sequence[Any]) -> Mapping[str, Any]:
    shown = {name: readings.table(series, *rows, statistic=name) for name in series.statistics}
    layers = shown["norm"].columns
    return {"step": rows[0].steps, "layers": layers, **{n: t.values for n, t in shown.items()}}
