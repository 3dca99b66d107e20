"""`errorflow report`: one HTML file about runs, to send to a colleague; it opens offline.

The records are read from the event files as the TensorBoard tab reads them: both show the same.
"""

import base64
import dataclasses
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ...callbacks.findings.finding import Finding
from ...callbacks.recording.printable import printable
from ..core.config import Section
from ..core.console import say
from ..core.devices import load_tensorflow
from ..core.errors import UserError
from ..core.files import write_text
from ..core.flags import parse_flags
from ..core.run_folder import RunFolder
from .runs import existing_runs, figures_of, pick_run, settings_of, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .recorded import Recorded, Records


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
    every_run = existing_runs(config.run_dir, None)
    runs = [pick_run(name, every_run) for name in config.names] or every_run[-1:]
    if not config.to.parent.is_dir():
        raise UserError(f"--to {config.to}: there is no folder {config.to.parent}")
    if config.to.is_dir():
        raise UserError(f"--to {config.to}: is a folder; give the file to write in it")
    load_tensorflow()  # without its messages: TensorBoard's reader imports it
    write_text(config.to, page(runs))
    say(str(config.to))


def page(runs: Sequence[RunFolder]) -> str:
    """Return the report as HTML."""
    from .recorded import read_recorded

    names = [f"{run.task}/{run.name}" for run in runs]
    records = {name: read_recorded(run.logs) for name, run in zip(names, runs, strict=True)}
    parts = [
        f"<h1>{_text(', '.join(names))}</h1>",
        *_figures(runs, names),
        "<h2>Findings</h2>",
        *(_findings(name, of_run) for name, of_run in records.items()),
        *_heat_maps({name: of_run.series for name, of_run in records.items()}),
        *(_saved_plots(name, run) for name, run in zip(names, runs, strict=True)),
    ]
    title = _text(f"errorflow: {', '.join(names)}")
    head = f'<meta charset="utf-8">{_POLICY}<title>{title}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _figures(runs: Sequence[RunFolder], names: Sequence[str]) -> Iterator[str]:
    yield _table(["", *names], side_by_side([figures_of(run) for run in runs]))
    by_run = settings_of(runs)
    settings = side_by_side([*by_run.values()])
    if len(runs) > 1:
        settings = [row for row in settings if len(set(row[1:])) > 1]
    title = "All settings" if len(runs) == 1 else "Settings that differ"
    head = ["", *(name for run, name in zip(runs, names, strict=True) if run in by_run)]
    yield f"<details><summary>{title}</summary>{_table(head, settings)}</details>"


def _findings(name: str, records: "Records") -> str:
    findings = "".join(map(_finding, records.findings)) or "<li>nothing was recorded</li>"
    damaged = "".join(f"<li>✗ cannot be shown: {_text(what)}</li>" for what in records.damaged)
    return f"<h3>{_text(name)}</h3><ul>{findings}{damaged}</ul>"


def _finding(finding: Finding) -> str:
    sign = "⚠ " if finding.remedies else ""
    remedies = "".join(f"<li>{_text(remedy)}</li>" for remedy in finding.remedies)
    help_ = f"<p>What the literature offers:</p><ul>{remedies}</ul>" if remedies else ""
    confidence = ""
    if finding.confidence == finding.confidence:  # not NaN
        confidence = f" ({finding.confidence:.0%} of the judged training steps agree)"
    return f"<li>{sign}{_text(finding.sentence)}{confidence}{help_}</li>"


def _heat_maps(recorded: "Mapping[str, Sequence[Recorded]]") -> Iterator[str]:
    """Yield the error over time and the gradient over depth, with common colours for all runs."""
    from .recorded import error_flow_figure, layer_gradients_figure

    if (figure := error_flow_figure(recorded)) is not None:
        yield "<h2>The error over time</h2>" + _image(figure)
    if (figure := layer_gradients_figure(recorded)) is not None:
        yield "<h2>The gradient over depth</h2>" + _image(figure)


def _saved_plots(name: str, run: RunFolder) -> str:
    """Return the plots of the run folder that are not drawn again."""
    drawn = ("error_flow.png", "layer_gradients.png")
    paths = sorted(path for path in run.plots.glob("*.png") if path.name not in drawn)
    images = "".join(_embedded(path.read_bytes(), path.stem) for path in paths if path.is_file())
    return f"<h2>{_text(name)}</h2>{images}" if images else ""


def _image(figure: "Figure") -> str:
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
    """Return a text of data as HTML that shows it as it is, and does nothing."""
    return html.escape(printable(text))


# Nothing in the page may run or be loaded, should an escape be missing.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
)

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
