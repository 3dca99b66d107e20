"""The report as one HTML file, which opens offline and loads nothing.

Texts of data, such as names of runs and layers, are escaped by Jinja2. Should an escape be missing
all the same, the content security policy lets only scripts and styles with this file's nonce act.
"""

import datetime
import importlib.metadata
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ....callbacks.findings.finding import counted
from ....callbacks.recording.printable import printable
from ...core.run_folder import RunFolder
from ...core.run_group import rows_of
from ...core.shell import shell_flag
from ...inspector.plugin import STATIC
from ..group_tests import sentences_of
from ..groups import groups_of, named_apart
from ..recorded import open_logs
from ..runs import figures_of, settings_of, side_by_side
from . import summary
from .data import ReportData, read_data
from .doctor import Doctor, doctor_of
from .modules import import_map, modules_of
from .plots import SavedPlot, saved_plots
from .sections import sections_of

HERE = Path(__file__).parent
ROOM = 950_000  # characters for each run, and at least for three runs
LEAST_FOR_DATA = 100_000
ENTRY = "report.js"


def page(runs: Sequence[RunFolder]) -> str:
    """Return the report about some runs as HTML."""
    names = [f"{run.task}/{run.name}" for run in runs]
    logs = {f"{name}/logs": run.logs for name, run in zip(names, runs, strict=True)}
    place, damaged = open_logs(logs)
    modules = import_map(modules_of(ENTRY, _module))
    plots, damaged_plots = _plots(runs, names)
    doctors, damaged_answers = _doctors(runs, names)
    room = ROOM * max(3, len(runs)) - sum(map(_length, (modules, plots, doctors)))
    data = read_data(place, max(room, LEAST_FOR_DATA))
    version = importlib.metadata.version("errorflow")
    context = {
        "title": summary.title_of(names),
        "about": _about(len(runs), version),
        "version": version,
        "names": names,
        **_in_words(runs, names, data),
        "groups": _groups(runs),
        "doctors": doctors,
        "sections": sections_of(data, plots, doctors),
        "damaged": [*damaged, *data.damaged, *damaged_plots, *damaged_answers],
        "answers": _answers(data),
        "import_map": modules,
        "style": Markup(_style()),
        "nonce": secrets.token_urlsafe(16),
    }
    return _environment().get_template("report.html.jinja").render(context)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else _printable_lines(value),
    )
    environment.filters |= {"agreement": _agreement, "sentence": _sentence}
    return environment


def _printable_lines(text: object) -> str:
    """Return a text whose lines are printable; cells of tables and `pre` show line ends."""
    return "\n".join(map(printable, str(text).splitlines()))


def _sentence(finding: Mapping[str, Any]) -> str:
    """Return a finding as a sentence; the name of a layer, which may begin it, stays as it is."""
    text = finding["text"]
    return text if finding["layer"] else text[:1].upper() + text[1:]


def _agreement(confidence: float | str) -> str:
    """Return a finding's confidence in words; JSON holds a text for one that is undefined."""
    if isinstance(confidence, str):
        return ""
    return f" ({confidence:.0%} of the judged training steps agree)"


def _module(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _style() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8")
        for path in (STATIC / "style.css", STATIC / "chart.css", HERE / "report.css")
    )


def _length(content: Any) -> int:
    return len(str(content))


def _about(count: int, version: str) -> str:
    today = datetime.datetime.now().astimezone()
    written = f"written on {today.day} {today:%B %Y, %H:%M} by errorflow {version}"
    return f"{counted(count, 'training')} · {written}"


def _plots(
    runs: Sequence[RunFolder], names: Sequence[str]
) -> tuple[dict[str, list[SavedPlot]], list[str]]:
    plots, damaged = {}, []
    for name, run in zip(names, runs, strict=True):
        plots[name], problems = saved_plots(run)
        damaged += [f"{name}: {problem}" for problem in problems]
    return plots, damaged


def _doctors(
    runs: Sequence[RunFolder], names: Sequence[str]
) -> tuple[dict[str, Doctor], list[str]]:
    """Return the doctor's answers about the runs that have one, and what cannot be shown."""
    answers, damaged = {}, []
    for name, run in zip(names, runs, strict=True):
        answer, problems = doctor_of(run)
        answers |= {name: answer} if answer is not None else {}
        damaged += [f"{name}: {problem}" for problem in problems]
    return answers, damaged


def _in_words(runs: Sequence[RunFolder], names: Sequence[str], data: ReportData) -> dict[str, Any]:
    """Return the summary of the runs, and the tables of their figures and settings."""
    bests = {name: summary.best_of(run) for name, run in zip(names, runs, strict=True)}
    by_run = settings_of(runs)
    settings = side_by_side([*by_run.values()])
    if len(runs) > 1:
        settings = [row for row in settings if len(set(row[1:])) > 1]
    is_one_task = len({run.task for run in runs}) == 1
    overall = [summary.comparison(bests)] if is_one_task else []
    if len(by_run) > 1:
        overall.append(summary.differences(settings))
    findings = [_headlines(data, name) for name in names]
    outcomes = [summary.outcome_of(run, bests[name]) for name, run in zip(names, runs, strict=True)]
    return {
        "overall": [*filter(None, overall)],
        "runs": [
            {"name": name, "outcome": outcome, "findings": of_run, "call": _call_for(run, of_run)}
            for run, name, outcome, of_run in zip(runs, names, outcomes, findings, strict=True)
        ],
        "figures": _figures(runs, are_badges=all(findings)),
        "badges": findings if all(findings) else [],
        "settings": {
            "title": "All settings" if len(runs) == 1 else "Settings that differ",
            "names": [name for run, name in zip(runs, names, strict=True) if run in by_run],
            "rows": settings,
        },
    }


def _groups(runs: Sequence[RunFolder]) -> dict[str, Any]:
    """Return what runs of equal settings and different seeds have in common, and what differs."""
    groups = named_apart([group for group in groups_of(runs) if len(group.runs) > 1])
    return {
        "names": [group.name for group in groups],
        "rows": side_by_side([rows_of(group) for group in groups]),
        "sentences": sentences_of(groups),
    }


def _call_for(run: RunFolder, findings: Sequence[Mapping[str, Any]]) -> str:
    """Return the command that tries the remedies for what is wrong; "" if nothing is."""
    if not any(finding["remedies"] for finding in findings) or not run.config_file.is_file():
        return ""
    return f"errorflow {run.task} doctor {shell_flag('--run', run.path)}"


def _figures(runs: Sequence[RunFolder], are_badges: bool) -> list[list[str]]:
    """Return the rows of the runs' figures; findings are left out if badges show them."""
    rows = side_by_side([figures_of(run) for run in runs])
    return [
        row for row in rows if any(row[1:]) and not (are_badges and row[0].startswith("finding"))
    ]


def _headlines(data: ReportData, name: str) -> list[Mapping[str, Any]]:
    """Return the finding that each training of a run is named by."""
    summaries = [data.summaries[place] for place in data.of_run(name)]
    return [one["finding"] for one in summaries if one["finding"] is not None]


def _answers(data: ReportData) -> dict[str, Any]:
    """Return what report.js reads: the answers of each route as [query, answer]."""
    return {
        "runs": [[{}, data.runs]],
        "colours": [[{}, data.colours]],
        "table": data.tables,
        "course": data.courses,
    }
