"""What errorflow calls of MLflow: open a run, write to it, end it.

The id of a run of MLflow is kept in `ID_FILE` in the folder of what it is about.

MLflow's own environment variables say where it goes: MLFLOW_TRACKING_URI, and MLFLOW_EXPERIMENT_ID
or MLFLOW_EXPERIMENT_NAME.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.console import note
from ..core.files import read_json, write_json
from .sender import BYTES_PER_SECOND, PATIENCE, Part, without_password

ID_FILE = "mlflow.json"
MOST = 100  # settings or tags of one request
LONGEST_TAG = 5000  # characters
CREATING = 120.0  # seconds for a database on this machine, where nothing waits for a network


class OpenRun(NamedTuple):
    """A run of MLflow that can be written to."""

    client: Any  # an mlflow.MlflowClient
    id: str

    def read(self) -> Any:
        """Return the run as MLflow has it, an mlflow.entities.Run."""
        return self.client.get_run(self.id)

    def in_words(self) -> str:
        """Return its experiment, its name, and where it is: the address of its page, if any."""
        info = self.read().info
        experiment, where = self.client.get_experiment(info.experiment_id).name, place()
        if where.startswith("http"):
            where = f"{where.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{self.id}"
        return f"experiment {experiment}, run {info.run_name}, in {where}"

    def log_metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Add the value of each figure at a step."""
        from mlflow.entities import Metric

        now = time.time_ns() // 10**6  # ms
        metrics = [Metric(name, float(value), now, step) for name, value in figures.items()]
        self.client.log_batch(self.id, metrics=metrics)

    def last_step(self, name: str) -> int:
        """Return the last step at which a figure has a value; 0 if it has none."""
        history = self.client.get_metric_history(self.id, name)
        return max((metric.step for metric in history), default=0)

    def log_settings(self, settings: Mapping[str, Any]) -> None:
        """Add settings, which MLflow never changes: a new value becomes a tag, `resumed.NAME`."""
        from mlflow.entities import Param

        values, known = {k: str(v) for k, v in settings.items()}, self.read().data.params
        params = [Param(name, value) for name, value in values.items() if name not in known]
        for begin in range(0, len(params), MOST):
            self.client.log_batch(self.id, params=params[begin : begin + MOST])
        changed = {k: v for k, v in values.items() if known.get(k, v) != v}
        self.replace_tags("resumed.", {f"resumed.{name}": v for name, v in changed.items()})

    def replace_tags(self, prefix: str, tags: Mapping[str, str]) -> None:
        """Set tags, and delete all others that begin with a prefix."""
        for name in self.read().data.tags:
            if name.startswith(prefix) and name not in tags:
                self.client.delete_tag(self.id, name)
        for name, value in tags.items():
            self.client.set_tag(self.id, name, value[:LONGEST_TAG])

    def log_table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], name: str) -> None:
        """Write a file that MLflow's pages show as a table, replacing an earlier one."""
        self.client.log_dict(self.id, {"columns": [*columns], "data": [*rows]}, name)
        tables = json.dumps([{"path": name, "type": "table"}])
        self.client.set_tag(self.id, "mlflow.loggedArtifacts", tables)

    def log_file(self, path: Path, folder: Path) -> None:
        """Copy a file into a folder of the run's artifacts, replacing an earlier one."""
        inside = folder.as_posix()
        self.client.log_artifact(self.id, str(path), None if inside == "." else inside)

    def end(self, status: str) -> None:
        """End it with a status of MLflow: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(self.id, status)


def place() -> str:
    """Return where MLflow writes to; the first call loads MLflow, which takes seconds."""
    from mlflow import get_tracking_uri

    return without_password(get_tracking_uri())


def opening(send: Callable[[], object]) -> Part:
    """Return the part that opens a run: a database on this machine may have to be created."""
    is_local = "://" not in place() or place().startswith(("sqlite:", "file:"))
    return Part("the settings", send, CREATING if is_local else PATIENCE)


def file_part(path: Path, inside: Path, open_: Callable[[], OpenRun]) -> Part:
    """Return the part that copies a file to the same place inside the run's artifacts.

    Args:
        inside: the folder of what the run is about.
        open_: function that returns the run.
    """
    name = path.relative_to(inside)
    seconds = PATIENCE + path.stat().st_size / BYTES_PER_SECOND
    return Part(str(name), lambda: open_().log_file(path, name.parent), seconds)


def open_run(
    folder: Path, experiment: str, name: str, tags: Mapping[str, str], settings: Mapping[str, Any]
) -> OpenRun:
    """Return the run of MLflow about a folder: a new one, or the earlier one if that is resumed.

    Args:
        folder: the folder of a run or of a search.
        experiment: name of the experiment, unless the environment has one.
        name: what MLflow calls the run.
        tags: of a new run.
        settings: by name; see `OpenRun.log_settings`.
    """
    opened = _reopen(read_json(folder / ID_FILE).get("run_id"))
    if opened is None:
        opened = _create(experiment, name, tags)
        write_json(folder / ID_FILE, {"run_id": opened.id})
    opened.log_settings(settings)
    note(f"mlflow: {opened.in_words()}")
    return opened


def parent_tag(folder: Path) -> dict[str, str]:
    """Return the tag of a run inside that of a folder; none if MLflow does not have that one."""
    parent = read_json(folder / ID_FILE).get("run_id")
    return {} if parent is None else {"mlflow.parentRunId": parent}


def _client() -> Any:
    """Return MLflow's client, which prints nothing: stdout is for results."""
    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    return MlflowClient()


def _create(experiment: str, name: str, tags: Mapping[str, str]) -> OpenRun:
    """Create a run in the experiment of the environment or, if there is none, in this one."""
    from mlflow.tracking.context.registry import resolve_tags

    client = _client()
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID") or _experiment_id(
        client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment
    )
    run = client.create_run(chosen, run_name=name, tags=resolve_tags(dict(tags)))
    return OpenRun(client, run.info.run_id)


def _experiment_id(client: Any, name: str) -> str:
    """Return the id of an experiment, which is created if there is none of that name."""
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def _reopen(id_: str | None) -> OpenRun | None:
    """Return the run with an id, running again; None if there is no such run in this store."""
    from mlflow.exceptions import MlflowException

    if id_ is None:
        return None
    client = _client()
    try:
        run = client.get_run(id_)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    if run.info.lifecycle_stage != "active":  # it was deleted
        return None
    client.update_run(id_, status="RUNNING")
    return OpenRun(client, id_)
