"""`errorflow report`: one HTML file about runs, to send to a colleague; it opens offline.

It has the data and the charts of the TensorBoard tab: both show the same.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ...core.config import Section
from ...core.console import say
from ...core.devices import load_tensorflow
from ...core.errors import UserError
from ...core.files import write_text
from ...core.flags import parse_flags
from ...core.requirements import require_packages
from ...core.run_selection import existing_runs
from ..groups import runs_named


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig(Section):
    """Write one HTML file about runs: summary, findings, figures and charts; it opens offline."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Names of the runs, or of groups of `train --seeds`: NAME or TASK/NAME (default: the latest
    run)."""
    run_dir: Path = Path("runs")
    """Folder of all runs."""
    to: Path = Path("report.html")
    """The file to write; an existing one is replaced."""


def command(flags: list[str]) -> None:
    """Write the report and print its path."""
    require_packages("report", ["jinja2"])
    config = parse_flags(ReportConfig, flags, "errorflow report")
    every_run = existing_runs(config.run_dir, None)
    named = dict.fromkeys(run for name in config.names for run in runs_named(name, every_run))
    runs = [*named] or every_run[-1:]
    if not config.to.parent.is_dir():
        raise UserError(f"--to {config.to}: there is no folder {config.to.parent}")
    if config.to.is_dir():
        raise UserError(f"--to {config.to}: is a folder; give the file to write in it")
    load_tensorflow()  # without its messages: TensorBoard's reader imports it
    from .page import page

    write_text(config.to, page(runs))
    say(str(config.to))
