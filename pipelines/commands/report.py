"""`errorflow report`: one HTML file about runs, to send to a colleague; it needs no network.

What is in it is read from the event files as the tab reads it, so both say the same.
"""

import base64
import dataclasses
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.config import Section
from ..core.config_files import load_yaml
from ..core.console import say
from ..core.devices import load_tensorflow
from ..core.errors import UserError
from ..core.files import write_text
from ..core.flags import parse_flags
from ..core.run_folder import RunFolder
from .runs import as_text, existing_runs, figures_of, pick_run, side_by_side


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig(Section):
    """Write one HTML file about runs: figures, findings and pictures, side by side."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Names of the runs, NAME or TASK/NAME (default: the latest run)."""
    run_dir: Path = Path("runs")
    """Folder of all runs."""
    to: Path = Path("report.html")
    """The file to write; an existing one is replaced."""


def command(flags: list[str]) -> None:
    """Write the report and print its path."""
    config = parse_flags(ReportConfig, flags, "errorflow report")
    known = existing_runs(config.run_dir, None)
    runs = [pick_run(name, known) for name in config.names] or known[-1:]
    if not config.to.parent.is_dir():
        raise UserError(f"--to {config.to}: there is no folder {config.to.parent}")
    load_tensorflow()  # without its messages: TensorBoard's reader imports it
    write_text(config.to, page(runs))
    say(str(config.to))


def page(runs: Sequence[RunFolder]) -> str:
    """The report as HTML."""
    names = [f"{run.task}/{run.name}" for run in runs]
    recorded = [[*_series(run)] for run in runs]
    parts = [
        f"<h1>{_text(', '.join(names))}</h1>",
        *_figures(runs, names),
        "<h2>Findings</h2>",
        *(_findings(name, series) for name, series in zip(names, recorded, strict=True)),
        *_pictures(names, recorded),
        *(_own_pictures(name, run) for name, run in zip(names, runs, strict=True)),
    ]
    title = _text(f"errorflow: {', '.join(names)}")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(parts)
        + ("\n</body></html>\n")
    )


def _series(run: RunFolder) -> Iterator[tuple[Any, Any]]:
    """(series, rows of its parts) of what the callbacks wrote, read as TensorBoard reads it."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext

    from ...callbacks.recording.blocks import PLUGIN
    from ..inspector import readings

    multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN: 0})  # all of it
    multiplexer.AddRunsFromDirectory(str(run.logs))
    multiplexer.Reload()
    provider, context = MultiplexerDataProvider(multiplexer, str(run.logs)), RequestContext()
    found = readings.find_series(provider, context, "")
    rows = {one.key: readings.read_rows(provider, context, "", one) for one in found if one.tags}
    for one in found:
        yield one, [rows[part.key] for part in readings.parts_of(one, found)]


def _figures(runs: Sequence[RunFolder], names: Sequence[str]) -> Iterator[str]:
    yield _table(["", *names], side_by_side([figures_of(run) for run in runs]))
    configs = side_by_side([as_text(load_yaml(run.config_file)) for run in runs])
    if len(runs) > 1:
        configs = [row for row in configs if len(set(row[1:])) > 1]
    title = "All settings" if len(runs) == 1 else "Settings that differ"
    yield f"<details><summary>{title}</summary>{_table(['', *names], configs)}</details>"


def _findings(name: str, recorded: Iterable[tuple[Any, Any]]) -> str:
    from ..inspector import readings

    found = [one for series, rows in recorded for one in readings.findings_of(series, *rows)]
    items = "".join(_finding(one) for one in found) or "<li>nothing was recorded</li>"
    return f"<h3>{_text(name)}</h3><ul>{items}</ul>"


def _finding(found: Any) -> str:
    trouble = "⚠ " if found.remedies else ""
    help_ = "".join(f"<li>{_text(remedy)}</li>" for remedy in found.remedies)
    may = f"<p>What the literature offers:</p><ul>{help_}</ul>" if help_ else ""
    sure = f" ({found.confidence:.0%} of the judged steps say so by themselves)"
    certain = sure if found.confidence == found.confidence else ""  # not NaN
    return f"<li>{trouble}{_text(found.sentence)}{certain}{may}</li>"


def _pictures(names: Sequence[str], recorded: Sequence[list[tuple[Any, Any]]]) -> Iterator[str]:
    """Error over time and gradient over depth, of all runs with common colours."""
    from ...callbacks.drawing import figures

    def titled(kind: str) -> Iterator[tuple[str, Any, Any]]:
        for name, series in zip(names, recorded, strict=True):
            for one, rows in series:
                if one.kind == kind and len(rows[0].steps):
                    title = " · ".join(filter(None, (name if len(names) > 1 else "", one.name)))
                    yield title or name, one, rows

    time = {title: _time(rows) for title, _, rows in titled("error_flow")}
    if time:
        yield "<h2>The error over time</h2>" + _image(figures.error_flow(time))
    depth = {title: _depth(series, rows) for title, series, rows in titled("layer_gradients")}
    if depth:
        yield "<h2>The gradient over depth</h2>" + _image(figures.layer_gradients(depth))


def _time(rows: Sequence[Any]) -> Mapping[str, Any]:
    from ...callbacks.recording.tables import join_layers, tables

    first, *second = map(tables, rows)
    return join_layers(first, *second) if second else first


def _depth(series: Any, rows: Sequence[Any]) -> Mapping[str, Any]:
    from ..inspector import readings

    shown = {name: readings.table(series, *rows, statistic=name) for name in series.statistics}
    layers = shown["norm"].columns
    return {"step": rows[0].steps, "layers": layers, **{n: t.values for n, t in shown.items()}}


def _own_pictures(name: str, run: RunFolder) -> str:
    """Those of the run folder that are not drawn anew."""
    anew = ("error_flow.png", "layer_gradients.png")
    found = sorted(path for path in run.plots.glob("*.png") if path.name not in anew)
    images = "".join(_embedded(path.read_bytes(), path.stem) for path in found)
    return f"<h2>{_text(name)}</h2>{images}" if images else ""


def _image(figure: Any) -> str:
    png = io.BytesIO()
    figure.savefig(png, dpi=120, bbox_inches="tight", format="png")
    return _embedded(png.getvalue(), "heat maps")


def _embedded(png: bytes, name: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img alt="{_text(name.replace("_", " "))}" src="data:image/png;base64,{data}">'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _text(text: str) -> str:
    return html.escape(str(text))


_STYLE = """
body { max-width: 1100px; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  color: #212121; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: 2px 14px 2px 0; text-align: left; border-bottom: 1px solid #ddd; }
td:not(:first-child) { font-variant-numeric: tabular-nums; }
img { display: block; max-width: 100%; margin: 0.5rem 0 1.5rem; background: #fff; }
li p { margin: 0.2rem 0 0; color: #616161; }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) { body { color: #f0f0f0; background: #242424; }
  th, td { border-color: #555; } li p { color: #b5b5b5; } }
"""
