"""The trainings of a trial: one for each execution, which rules may stop early."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.config import TrainingConfig, replace
from ..core.config_files import load_config
from ..core.errors import UserError
from ..core.run_config import other_settings, run_config
from ..core.run_folder import RunFolder, read_history
from ..core.run_lifecycle import MACHINE_SETTINGS, training_in
from ..registry import load_task
from ..training import workflow
from ..training.data_report import read_data
from ..training.session import start
from ..training.task import Task
from ..training.tracking import trial_listed
from .full_training import train_in_full
from .trial_folder import (
    NO_OBJECTIVE,
    OTHER_DATA,
    Request,
    full_run_path,
    read_result,
    run_path,
)
from .trial_result import is_best_so_far

if TYPE_CHECKING:
    from ..training.loop import Recorders
    from ..training.spec import TrainingSpec
    from .pruning import Rule


def execute_all(folder: Path, request: Request) -> None:
    """Train all executions of a trial; if a rule stops the first one, the others are left out."""
    task = load_task(request.task)
    config = load_config(task.config, folder / "config.yaml").resolved()
    if request.run is not None:
        train_in_full(task, config, full_run_path(folder, request.run), request.overwrite)
        return
    for number in range(1, request.executions + 1):
        run = RunFolder(run_path(folder, number))
        seed = (config.optimisation.seed + number - 1) % 2**31
        seeded = replace(config, seed=seed)
        if not _is_done(run, seeded):
            _Execution(folder, request, run, has_rules=number == 1).train(task, seeded)
            if number < request.executions:
                free_memory()
        if run.results().get("stopped"):
            return


def _is_done(run: RunFolder, config: TrainingConfig) -> bool:
    """Whether the run is finished with these settings; it may have been given more epochs."""
    if run.status != "finished" or not run.config_file.exists():
        return False
    return not other_settings(run_config(type(config), run), config, MACHINE_SETTINGS)


def free_memory() -> None:
    """Free the memory of a training, and let the next one be as the first in a process."""
    import keras

    keras.utils.clear_session()


@dataclasses.dataclass(frozen=True)
class _Execution:
    """One training of a trial.

    Attributes:
        folder: folder of the trial.
        request: request of the trial.
        run: run folder of the training.
        has_rules: whether rules may stop it early: it is the first of the trial.
    """

    folder: Path
    request: Request
    run: RunFolder
    has_rules: bool

    def train(self, task: Task, config: TrainingConfig) -> None:
        """Train without using the test split."""
        session = start(config)
        data = read_data(task, config)
        if self.request.content_hash not in (None, data.content_hash):
            raise UserError(f"{OTHER_DATA} since the run was trained: {data.source}")
        name = f"{self.folder.name}{self.run.path.name.removeprefix('run')}"
        with (
            trial_listed(self.run, config, name, self.folder.parent) as trackers,
            training_in(self.run, task.name, config, session.environment) as begin,
        ):
            workflow.train_in(
                self.run,
                task,
                config,
                data,
                session.strategy,
                begin,
                lambda *parts: [*self._make_callbacks(*parts), *trackers()],
                has_plots=self._has_plots,
            )
            self._check_objective()

    def _has_plots(self) -> bool:
        """Whether plots are drawn: of the first training, if the trial may be the best so far."""
        if not self.request.plots or not self.has_rules:
            return False
        return self.request.executions > 1 or is_best_so_far(self.folder, self.request)

    def _make_callbacks(self, spec: "TrainingSpec", recorders: "Recorders") -> list[Any]:
        """Return the further callbacks of the training, before it begins.

        Raises:
            UserError: the network is too large.
        """
        default = {"name": spec.monitor, "direction": spec.mode}
        objective = dict(self.request.objective or default)
        parameters, limit = spec.network.count_params(), self.request.most_parameters
        self.run.update(objective=objective, parameters=parameters, stopped=None)
        if limit is not None and parameters > limit:
            raise UserError(f"{parameters:,} parameters are more than --max-model-size {limit:,}")
        rules = self._make_rules(spec, recorders, objective) if self.has_rules else []
        return [_objective_check(objective["name"]), *rules]

    def _make_rules(
        self, spec: "TrainingSpec", recorders: "Recorders", objective: Mapping[str, str]
    ) -> list["Rule"]:
        from .pruning import MedianRule, VanishingRule

        median, vanishing, flow = self.request.median, self.request.vanishing, recorders.error_flow
        rules: list[Rule] = []
        if median is not None:
            curves = _finished_curves(self.folder, self.request)
            rules.append(MedianRule(self.run, objective, curves, **median))
        if vanishing is not None and flow is not None:
            rules.append(VanishingRule(self.run, flow, tuple(spec.joined), **vanishing))
        return rules

    def _check_objective(self) -> None:
        name = self.run.results()["objective"]["name"]
        if not any(math.isfinite(row[name]) for row in read_history(self.run)):
            raise UserError(f"{name} was not a finite number after any epoch")


def _objective_check(objective: str) -> Any:
    """Return a callback that ends the training if there is no such objective."""
    import keras

    def end_epoch(epoch: int, logs: Mapping[str, float]) -> None:
        if objective not in logs:
            names = ", ".join(sorted(logs))
            raise UserError(f"{NO_OBJECTIVE} {objective!r}; there are: {names}")

    return keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)


def _finished_curves(folder: Path, request: Request) -> list[list[float]]:
    """Return the curves of the trials that were trained to their end; the others' end too early."""
    results = [read_result(folder / other) for other in request.finished]
    return [result["curve"] for result in results if result.get("status") == "completed"]
