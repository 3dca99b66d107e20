"""`errorflow runs findings`: what the records of one run show, in words or as JSON."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from ...callbacks.findings.finding import Finding, counted, for_json
from ..core.config import Section
from ..core.console import is_muted, say
from ..core.errors import UserError
from ..core.recorded_findings import findings_in
from ..core.replacement import run_at
from ..core.run_folder import RunFolder
from ..core.run_selection import SIGNS_OF_A_RUN, existing_runs, pick_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class FindingsConfig(Section):
    """Show the findings of a run: what was measured, what it means, and what may help."""

    run: Annotated[str, tyro.conf.Positional] = ""
    """NAME, TASK/NAME, or the folder of a run."""
    run_dir: Path = Path("runs")
    """Folder of all runs, in which a name is looked up."""
    json: bool = False
    """Print one JSON object: task, run, status, findings and warnings."""


def show_findings(config: FindingsConfig) -> None:
    """Print the findings of a run, and the warnings while it trained.

    Raises:
        UserError: there is no such run, or it is damaged.
    """
    run = _chosen(config)
    if (damage := run.damage) is not None:
        raise UserError(f"run {run.path} is damaged ({damage})")
    content = _content(run)
    if not config.json:
        _print(run, content)
    elif not is_muted():
        print(json.dumps(content, ensure_ascii=False, indent=2))


def _content(run: RunFolder) -> dict[str, Any]:
    """Return what `--json` prints; docs/guides/findings.md explains the keys."""
    results = run.results()
    return {
        "task": results.get("task", run.task),
        "run": str(run.path),
        "status": run.status,
        "findings": [finding.as_json() for finding in findings_in(results)],
        "warnings": for_json(results.get("warnings", [])),
    }


def _chosen(config: FindingsConfig) -> RunFolder:
    if not config.run:
        raise UserError("errorflow runs findings: which run? `errorflow runs` lists them")
    path = Path(config.run)
    try:
        is_folder, is_run = path.is_dir(), any((path / sign).exists() for sign in SIGNS_OF_A_RUN)
    except OSError:  # as of a name that is too long
        is_folder = is_run = False
    if is_run:
        return run_at(path)
    if is_folder:
        raise UserError(f"{path} is not the folder of a run; `errorflow runs` lists them")
    return pick_run(config.run, existing_runs(config.run_dir, None))


def _print(run: RunFolder, content: dict[str, Any]) -> None:
    findings = [Finding.from_json(row) for row in content["findings"]]
    say(f"{run.title} ({run.status}): {counted(len(findings), 'finding')}")
    for finding in findings:
        say()
        say(f"{finding.layer}: {finding.headline}" if finding.layer else finding.headline)
        say(f"  {finding.text}.")
        if finding.meaning:
            say(f"  {finding.meaning}.")
        for remedy in finding.remedies:
            say(f"  may help: {remedy} [{remedy.name}]")
    for warning in content["warnings"]:
        say()
        say(f"warning, step {warning.get('step')}: {warning.get('text', warning['kind'])}")
