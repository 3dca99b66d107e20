"""What MLflow receives of a run: settings, figures, findings, pictures and the best model.

Everything is read from the run folder, so that what could not be sent is sent later. A run that is
resumed goes on in the same run of MLflow, whose id is in mlflow.json of the run folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...callbacks.findings.finding import Finding
from ..core.config_files import load_yaml
from ..core.console import note
from ..core.devices import version
from ..core.files import read_json, write_json
from ..core.recorded_findings import findings_in
from ..core.replacement import where_now
from ..core.run_folder import RunFolder, read_history
from ..core.run_results import final_figures
from .mlflow_store import OpenRun, create_run, is_local_store, reopen_run, tracking_uri
from .sender import BYTES_PER_SECOND, PATIENCE, Part, without_password

STATUSES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
FILES = ("config.yaml", "results.json", "README.md")
COLUMNS = ("layer", "kind", "severity", "headline", "measured", "meaning")
CREATING = 120.0  # seconds for a database on this machine: no network can be waited for


class MlflowRun:
    """The source of what is sent to MLflow; see `sender`."""

    receiver = "mlflow"

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._opened: OpenRun | None = None
        self._epochs = 0  # that MLflow has, as far as is known
        self._is_sure = False

    @property
    def place(self) -> str:
        return without_password(tracking_uri())

    def parts(self, *, is_over: bool) -> Sequence[Part]:
        """Return what MLflow does not have yet; at the end, also the results."""
        patience = CREATING if is_local_store() else PATIENCE
        opening = [] if self._opened else [Part("the settings", self._open, patience)]
        name = f"the figures from epoch {self._epochs + 1} on"
        is_behind = len(read_history(where_now(self._folder))) > self._epochs
        return [
            *opening,
            *([Part(name, self._send_epochs)] if is_behind else []),
            *(self._last_parts() if is_over else ()),
        ]

    def _open(self) -> OpenRun:
        if self._opened is None:
            run = where_now(self._folder)
            opened = _open_run(run)
            opened.log_settings(load_yaml(run.config_file))
            self._opened = opened
            note(f"mlflow: experiment {opened.experiment()}, run {run.name}, in {self.place}")
        return self._opened

    def _send_epochs(self) -> None:
        """Send the rows of history.csv that MLflow does not have."""
        opened, rows = self._open(), read_history(where_now(self._folder))
        if not self._is_sure:  # after a failure it may have more, and of a resumed run it has some
            self._epochs = opened.last_step(next(iter(_figures(rows[0]))))
        self._is_sure = False
        for row in rows[self._epochs :]:
            opened.log_metrics(_figures(row), int(row["epoch"]))
            self._epochs = int(row["epoch"])
        self._is_sure = True

    def _last_parts(self) -> Iterator[Part]:
        run = where_now(self._folder)
        results = run.results()
        yield Part("the final figures", lambda: self._send_final_figures(results))
        yield Part("the findings", lambda: self._send_findings(results))
        yield from (self._file_part(run, path) for path in _files(run, results["status"]))
        if status := STATUSES.get(results["status"]):
            yield Part(f"the status {status}", lambda: self._open().end(status))

    def _send_final_figures(self, results: Mapping[str, Any]) -> None:
        if figures := final_figures(results):
            self._open().log_metrics(figures, results["epochs"])

    def _send_findings(self, results: Mapping[str, Any]) -> None:
        findings, opened = findings_in(results), self._open()
        opened.replace_tags("finding.", finding_tags(findings))
        rows = [finding.as_json() for finding in findings]
        if rows:
            cells = [[row[column] for column in COLUMNS] for row in rows]
            opened.log_table(COLUMNS, cells, "findings.json")

    def _file_part(self, run: RunFolder, path: Path) -> Part:
        name = path.relative_to(run.path)
        seconds = PATIENCE + path.stat().st_size / BYTES_PER_SECOND
        return Part(str(name), lambda: self._open().log_file(path, name.parent), seconds)


def _open_run(run: RunFolder) -> OpenRun:
    """Return a new run of MLflow or, if the run is resumed, its earlier one."""
    file, task = run.path / "mlflow.json", run.results()["task"]
    opened = reopen_run(read_json(file).get("run_id"))
    if opened is None:
        tags = {"task": task, "folder": str(run.path.absolute()), "errorflow": version()}
        opened = create_run(f"errorflow/{task}", run.name, tags)
        write_json(file, {"run_id": opened.id})
    return opened


def _figures(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "epoch"}


def _files(run: RunFolder, status: str) -> list[Path]:
    """Return the files of a run that MLflow receives; the model only if the run is finished."""
    model = [run.best] if status == "finished" else []
    paths = [*(run.path / name for name in FILES), *sorted(run.plots.glob("*.png")), *model]
    return [path for path in paths if path.is_file()]


def finding_tags(findings: Sequence[Finding]) -> dict[str, str]:
    """Return {"finding.vanishing": "trouble: lstm: ..."}, with the sentences of all layers."""
    tags: dict[str, str] = {}
    for finding in findings:
        name = f"finding.{finding.kind}"
        before = f"{tags[name]} " if name in tags else f"{finding.severity}: "
        tags[name] = f"{before}{finding.sentence}"
    return tags
