"""What errorflow calls of MLflow: open a run, write to it, end it.

MLflow's own environment variables say where it goes: MLFLOW_TRACKING_URI, and MLFLOW_EXPERIMENT_ID
or MLFLOW_EXPERIMENT_NAME.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

MOST = 100  # settings or tags of one request
LONGEST_TAG = 5000  # characters


class OpenRun(NamedTuple):
    """A run of MLflow that can be written to."""

    client: Any  # an mlflow.MlflowClient
    id: str

    def read(self) -> Any:
        """Return the run as MLflow has it, an mlflow.entities.Run."""
        return self.client.get_run(self.id)

    def experiment(self) -> str:
        """Return the name of its experiment."""
        return self.client.get_experiment(self.read().info.experiment_id).name

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


def tracking_uri() -> str:
    """Return where MLflow writes to; the first call loads MLflow, which takes seconds."""
    from mlflow import get_tracking_uri

    return get_tracking_uri()


def is_local_store() -> bool:
    """Whether MLflow writes to files of this machine."""
    return "://" not in tracking_uri() or tracking_uri().startswith(("sqlite:", "file:"))


def create_run(experiment: str, name: str, tags: Mapping[str, str]) -> OpenRun:
    """Create a run in the experiment of the environment or, if there is none, in this one."""
    from mlflow import MlflowClient
    from mlflow.tracking.context.registry import resolve_tags

    client = MlflowClient()
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID") or _experiment_id(
        client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment
    )
    run = client.create_run(chosen, run_name=name, tags=resolve_tags(dict(tags)))
    return OpenRun(client, run.info.run_id)


def _experiment_id(client: Any, name: str) -> str:
    """Return the id of an experiment, which is created if there is none of that name."""
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def reopen_run(id_: str | None) -> OpenRun | None:
    """Return the run with an id, running again; None if there is no such run in this store."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    if id_ is None:
        return None
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
