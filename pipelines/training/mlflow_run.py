"""What MLflow receives of a run: settings, figures, findings, pictures and the best model.

Everything is read from the run folder, so that what could not be sent is sent later.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...callbacks.findings.finding import Finding
from ..core.config_files import load_yaml
from ..core.devices import version
from ..core.recorded_findings import findings_in
from ..core.replacement import where_now
from ..core.run_folder import RunFolder, read_history
from ..core.run_group import group_name
from ..core.run_results import final_figures
from . import mlflow_store
from .mlflow_store import OpenRun, file_part, open_run, parent_tag
from .sender import Part

STATUSES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
FILES = ("config.yaml", "results.json", "README.md")
COLUMNS = ("layer", "kind", "severity", "headline", "measured", "meaning")


class MlflowRun:
    """The source of what is sent to MLflow about a run; see `sender`.

    Args:
        folder: the run.
        name: what MLflow calls it; None: its own name.
        parent: the folder of the search that it is a trial of.
    """

    receiver = "mlflow"

    def __init__(self, folder: RunFolder, name: str | None = None, parent: Path | None = None):
        self._folder, self._name, self._parent = folder, name or folder.name, parent
        self._opened: OpenRun | None = None
        self._epochs = 0  # that MLflow has, as far as is known
        self._is_sure = False

    @property
    def place(self) -> str:
        return mlflow_store.place()

    def parts(self, *, is_over: bool) -> Sequence[Part]:
        """Return what MLflow does not have yet; at the end, also the results."""
        opening = [] if self._opened else [mlflow_store.opening(self._open)]
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
            task = run.results()["task"]
            tags = {"task": task, "folder": str(run.path.absolute()), "errorflow": version()}
            if self._parent is not None:
                tags |= parent_tag(self._parent)
            if (group := group_name(run)) is not None:
                tags["group"] = group
            settings = load_yaml(run.config_file)
            self._opened = open_run(run.path, f"errorflow/{task}", self._name, tags, settings)
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
        yield Part("the final figures", lambda: self._send_final_figures(run, results))
        yield Part("the findings", lambda: self._send_findings(results))
        for path in _files(run, run.status):
            yield file_part(path, run.path, self._open)
        if status := STATUSES.get(run.status):
            yield Part(f"the status {status}", lambda: self._open().end(status))

    def _send_final_figures(self, run: RunFolder, results: Mapping[str, Any]) -> None:
        figures = final_figures(results) | _best_figure(run, results)
        if figures:
            self._open().log_metrics(figures, results["epochs"])

    def _send_findings(self, results: Mapping[str, Any]) -> None:
        findings, opened = findings_in(results), self._open()
        opened.replace_tags("finding.", finding_tags(findings))
        rows = [finding.as_json() for finding in findings]
        if rows:
            cells = [[row[column] for column in COLUMNS] for row in rows]
            opened.log_table(COLUMNS, cells, "findings.json")


def _figures(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "epoch"}


def _best_figure(run: RunFolder, results: Mapping[str, Any]) -> dict[str, float]:
    """Return {"best_val_accuracy": …}, the figure by which the best epoch was chosen."""
    if "best_epoch" not in results:
        return {}
    name, row = results["monitor"], read_history(run)[results["best_epoch"] - 1]
    return {f"best_{name}": row[name], "best_epoch": results["best_epoch"]}


def _files(run: RunFolder, status: str) -> list[Path]:
    """Return the files of a run that MLflow receives; the model only if the run is finished."""
    model = [run.best] if status == "finished" else []
    paths = [*(run.path / name for name in FILES), *sorted(run.plots.glob("*.png")), *model]
    return [path for path in paths if path.is_file()]


def finding_tags(findings: Sequence[Finding]) -> dict[str, str]:
    """Return {"finding.vanishing": "trouble: lstm: …"}, with the sentences of all layers."""
    tags: dict[str, str] = {}
    for finding in findings:
        name = f"finding.{finding.kind}"
        before = f"{tags[name]} " if name in tags else f"{finding.severity}: "
        tags[name] = f"{before}{finding.sentence}"
    return tags
