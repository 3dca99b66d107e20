"""A search in MLflow: a run in which those of its trials are nested."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..core.config_files import config_dict
from ..core.devices import version
from ..training import mlflow_store
from ..training.mlflow_store import OpenRun, file_part, open_run
from ..training.sender import Part, Sender
from .plan import SearchPlan


@contextlib.contextmanager
def sent(plan: SearchPlan, best: Callable[[], Mapping[str, float]]) -> Iterator[None]:
    """With `--log mlflow`, send a search during the block, and its results after it.

    Args:
        best: function that returns the figures of the best trial; empty: there is none.
    """
    if plan.training.tracking.log == "none":
        yield
        return
    source = MlflowSearch(plan, best)
    sender = Sender(source)
    sender.wake()
    try:
        yield
        source.status = "FINISHED"
    except KeyboardInterrupt:
        source.status = "KILLED"
        raise
    finally:
        sender.end()


class MlflowSearch:
    """The source of what is sent to MLflow about a search; see `sender`."""

    receiver = "mlflow"
    status = "FAILED"  # until it has ended in another way

    def __init__(self, plan: SearchPlan, best: Callable[[], Mapping[str, float]]):
        self._plan, self._best = plan, best
        self._opened: OpenRun | None = None

    @property
    def place(self) -> str:
        return mlflow_store.place()

    def parts(self, *, is_over: bool) -> Sequence[Part]:
        """Return the settings that all trials share; at the end, also the results."""
        opening = [] if self._opened else [mlflow_store.opening(self._open)]
        return [*opening, *(self._last_parts() if is_over else ())]

    def _open(self) -> OpenRun:
        if self._opened is None:
            project, task = self._plan.project, self._plan.task.name
            tags = {"task": task, "folder": str(project.absolute()), "errorflow": version()}
            name, settings = f"search {project.name}", _common_settings(self._plan)
            self._opened = open_run(project, f"errorflow/{task}", name, tags, settings)
        return self._opened

    def _last_parts(self) -> Iterator[Part]:
        project = self._plan.project
        if figures := self._best():
            yield Part("the best score", lambda: self._open().log_metrics(figures, 0))
        paths = [project / "trials.csv", *sorted((project / "plots").glob("*.png"))]
        for path in filter(lambda path: path.is_file(), paths):
            yield file_part(path, project, self._open)
        yield Part(f"the status {self.status}", lambda: self._open().end(self.status))


def _common_settings(plan: SearchPlan) -> Mapping[str, Any]:
    shared = {k: v for k, v in config_dict(plan.training).items() if k not in plan.space}
    return shared | {"oracle": plan.settings.oracle, "searched": ", ".join(plan.space)}
