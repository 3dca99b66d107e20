"""Read the records of the callbacks from a run's logs, as the TensorBoard tab does."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ...callbacks.drawing import figures
from ...callbacks.findings.finding import Finding
from ...callbacks.recording.blocks import PLUGIN
from ...callbacks.recording.tables import join_layers
from ..inspector import readings
from ..inspector.series import EVENT_FILES, OF_LAYERS, Series, find_damaged, find_series, parts_of

OF_RECORD = 16  # bytes of an event file around each event: its length and checksums

Recorded = tuple[Series, list[Any]]  # a series, and the rows of its parts


class Records(NamedTuple):
    """What the callbacks recorded of a run.

    Attributes:
        series: each series that can be read, with its rows.
        findings: those of all series.
        damaged: a sentence about each file and each record that cannot be read.
    """

    series: list[Recorded]
    findings: list[Finding]
    damaged: list[str]


def read_recorded(logs: Path) -> Records:
    """Read every series in a folder of event files, with its rows and its findings.

    What is damaged, or of another make, does not hide the rest.
    """
    place, damaged = open_logs({"": logs})
    damaged += [f"{run}: {record}: {reason}" for run, record, reason in find_damaged(*place)]
    records, known = Records([], [], damaged), {}
    all_series = find_series(*place)
    for series in all_series:
        try:
            parts = parts_of(series, all_series)
            known |= {p.key: readings.read_rows(*place, p) for p in parts if p.key not in known}
            rows = [known[part.key] for part in parts]
            _drawn(series, rows)
            records.findings.extend(readings.findings_of(series, *rows))
            records.series.append((series, rows))
        except Exception as error:  # whatever a damaged record leads to
            name = " ".join(filter(None, (series.run, series.name)))
            damaged.append(f"{name}: {readings.reason_of(error)}")
    return records


def open_logs(logs: Mapping[str, Path]) -> tuple[tuple[Any, Any, str], list[str]]:
    """Load all event files in some folders.

    Args:
        logs: the folders; by what TensorBoard's names of their runs begin with, if anything.

    Returns:
        The first arguments of `find_series`, and a sentence about each file that is damaged.
    """
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext

    multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN: 0, "scalars": 0})  # 0: all
    damaged = [what for name, folder in logs.items() for what in _load(multiplexer, name, folder)]
    provider = MultiplexerDataProvider(multiplexer, "")
    return (provider, RequestContext(), ""), damaged


def _load(multiplexer: Any, prefix: str, logs: Path) -> Iterator[str]:
    """Load the event files of each folder; yield what is wrong with some of them."""
    for folder in sorted({file.parent for file in logs.rglob(EVENT_FILES)}):
        name = PurePosixPath(prefix, folder.relative_to(logs).as_posix()).as_posix()
        problems = [*filter(None, map(_problem_of, sorted(folder.glob(EVENT_FILES))))]
        yield from (f"{name}: {problem}" for problem in problems)
        try:
            if all(file.is_file() for file in folder.glob(EVENT_FILES)):
                multiplexer.AddRun(str(folder), name)
                multiplexer.GetAccumulator(name).Reload()
        except Exception as error:  # TensorBoard's readers raise many kinds
            yield f"{name}: {readings.reason_of(error)}"


def _problem_of(file: Path) -> str:
    """Return what is wrong with an event file; empty if it can be read to its end."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    if not file.is_file():
        return f"{file.name} is not a regular file"
    try:
        size = file.stat().st_size
        read = sum(len(event) + OF_RECORD for event in RawEventFileLoader(str(file)).Load())
    except Exception as error:  # TensorFlow's, which are not OSError
        return f"{file.name}: {readings.reason_of(error)}"
    return f"only {read:,} of the {size:,} bytes of {file.name} can be read" * (read < size)


def error_flow_figure(recorded: Mapping[str, Sequence[Recorded]]) -> Figure | None:
    """Draw heat maps of the error over time, for runs by name, with common colours."""
    layers = _titled(recorded, "error_flow")
    return figures.error_flow(layers) if layers else None


def layer_gradients_figure(recorded: Mapping[str, Sequence[Recorded]]) -> Figure | None:
    """Draw heat maps of the gradient over depth, for runs by name, with common colours."""
    runs = _titled(recorded, "layer_gradients")
    return figures.layer_gradients(runs) if runs else None


def depth_flow_figure(recorded: Mapping[str, Sequence[Recorded]]) -> Figure | None:
    """Draw heat maps of the error over depth, for runs by name, with common colours."""
    runs = {
        run: readings.depth_history(series, *rows)
        for run, all_series in recorded.items()
        for series, rows in all_series
        if series.kind == "depth_flow" and series.name == OF_LAYERS and len(rows[0].steps)
    }
    return figures.depth_flow(runs) if runs else None


def _titled(recorded: Mapping[str, Sequence[Recorded]], kind: str) -> dict[str, Mapping[str, Any]]:
    """Return the tables to draw of a kind, by title: the run, if there are several, and layer."""
    return {
        " · ".join(filter(None, (run * (len(recorded) > 1), series.name))) or run: _drawn(
            series, rows
        )
        for run, all_series in recorded.items()
        for series, rows in all_series
        if series.kind == kind and len(rows[0].steps)
    }


def _drawn(series: Series, rows: Sequence[Any]) -> Mapping[str, Any]:
    """Return the tables that are drawn of a series; empty for kinds that are not drawn."""
    if series.kind == "error_flow":
        return _over_time(series, rows)
    if series.kind == "depth_flow" and series.name == OF_LAYERS:
        return readings.depth_history(series, *rows)
    return _over_depth(series, rows) if series.kind == "layer_gradients" else {}


def _over_time(series: Series, rows: Sequence[Any]) -> Mapping[str, np.ndarray]:
    if series.joined:
        return join_layers(series.tables(rows[0]), series.tables(rows[1], 1), series.backwards)
    return series.tables(rows[0])


def _over_depth(series: Series, rows: Sequence[Any]) -> Mapping[str, Any]:
    shown = {name: readings.table(series, *rows, statistic=name) for name in series.statistics}
    layers = shown["norm"].columns
    return {"step": rows[0].steps, "layers": layers, **{n: t.values for n, t in shown.items()}}
