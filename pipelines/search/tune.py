"""`tune`: search the space of a task; its trials are trained by other processes.

    DIRECTORY/PROJECT_NAME/
        tune.yaml  space.yaml   the settings of the search, for its workers
        search.json  oracle.json
                                the state of the oracle: see `oracles`
        trial_<id>/             see `trial_folder`; log.txt holds the output of its process
        trials.csv  plots/  best/
                                the results: see `progress`

keras-tuner's oracle chooses the values of the trials. Each worker of this machine is a keras-tuner
`Tuner` in a thread (`worker`); workers of other machines use keras-tuner's service (`service`).
"""

import contextlib
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.cluster import training_cluster
from ..core.config import flat, replace
from ..core.config_files import config_dict, dump_config
from ..core.console import note
from ..core.devices import load_tensorflow
from ..core.errors import UserError
from ..core.files import write_text
from ..core.phases import phase
from ..core.run_lifecycle import MACHINE_SETTINGS
from ..core.system_errors import writing
from ..datasets.listing import printable
from ..models.weight_source import absolute
from ..training.data_report import read_data
from ..training.task import Task
from ..training.tracking import check_tracker
from .config import ONE_PROCESS, SearchSettings, TuneConfig
from .earlier import is_to_return
from .hyperparameters import suggest
from .lock import check_available, exclusive
from .mlflow_search import sent
from .plan import FIXED, SearchPlan, project_folder, read_plan
from .progress import NoObjective, Progress

if TYPE_CHECKING:
    from .durable_oracle import DurableOracle

DEFAULT_TRIALS = 20  # for random and bayesian, which otherwise do not end
KEPT = "finished trials stay usable, and the same command resumes the search"
INITIAL_TRIALS = 8  # random trials of bayesian before its first guess; keras-tuner: 3 per setting


def tune(task: Task, config: TuneConfig, flags: Collection[str] = ()) -> Path:
    """Search until there are no more trials; resume a search that was interrupted.

    With `worker_of`, run trials of the chief's search instead.

    Args:
        config: how to search, and the training settings that all trials share; checked.
        flags: the settings that were written as flags, which are not searched.

    Returns:
        The folder of the search.

    Raises:
        UserError: the settings, the data or the folder are not valid, or no trial has a score.
        KeyboardInterrupt: Ctrl-C; the message says how to resume.
    """
    project = project_folder(task, config.search)
    _check_launcher(config.search)
    with writing(project, lambda: KEPT):
        if config.search.worker_of is not None:
            load_tensorflow()  # without its start-up messages, before keras-tuner imports it
            from . import remote_worker

            remote_worker.work(task, config)
        else:
            _search(read_plan(task, config, flags))
    return project


def _check_launcher(settings: SearchSettings) -> None:
    """Raise `UserError` if a launcher means several processes to train one network."""
    workers = len(training_cluster("auto").listed)
    if workers > 1 and not (settings.chief or settings.worker_of):
        raise UserError(f"TF_CONFIG names {workers} workers, but {ONE_PROCESS}")


def _search(plan: SearchPlan) -> None:
    check_available(plan.project)
    if plan.settings.oracle == "hyperband":
        _check_hyperband(plan)
    training = plan.training.resolved()
    found = plan.task.find_data(training)
    plan.task.check_requirements(training)
    check_tracker(training)
    note(f"{plan.task.name}: a search in {printable(plan.project)}")
    with phase("loading TensorFlow", after=0):
        tf = load_tensorflow()
    if tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")  # the processes of the trials use them
    if plan.settings.chief is not None:
        from . import service

        service.check_free(plan.settings.chief)
    data_hash = read_data(plan.task, plan.training, found).content_hash
    with exclusive(plan.project, plan.config.run.overwrite):
        oracle = _make_oracle(plan, data_hash)
        _write_settings(plan)
        try:
            _run(plan, oracle)
        except NoObjective:
            for trial in plan.project.glob("trial_*"):  # they hold no useful results
                shutil.rmtree(trial, ignore_errors=True)
            raise


def _check_hyperband(plan: SearchPlan) -> None:
    """Raise `UserError` unless hyperband knows the maximum number of epochs and may change it."""
    if "epochs" in plan.space:
        raise UserError("--oracle hyperband chooses the epochs itself: remove them from the space")
    if plan.training.optimisation.epochs is None:
        raise UserError("--oracle hyperband needs --epochs: the epochs of its longest trials")


def _write_settings(plan: SearchPlan) -> None:
    """Write the settings for workers, which may start in another working directory."""
    config, space = plan.config, plan.settings.space
    if config.data.data_dir is not None:
        config = replace(config, data_dir=config.data.data_dir.absolute())
    if (weights := flat(config).get("weights")) is not None:
        config = replace(config, weights=absolute(weights))
    write_text(plan.project / "tune.yaml", dump_config(config))
    if space is not None:
        write_text(plan.project / "space.yaml", space.read_text(encoding="utf-8"))


def _make_oracle(plan: SearchPlan, data_hash: str) -> "DurableOracle":
    """Return a new oracle, or the one of an earlier search with the same settings."""
    import keras_tuner

    from . import oracles

    settings, hyperparameters = plan.settings, keras_tuner.HyperParameters()
    suggest(plan.space, hyperparameters, plan.training)
    is_endless = settings.oracle in ("random", "bayesian")
    return oracles.make(
        settings.oracle,
        objective=keras_tuner.Objective("score", "max"),  # see `TrialWorker`
        hyperparameters=hyperparameters,
        seed=plan.training.optimisation.seed,
        directory=plan.project.parent,
        project_name=plan.project.name,
        task=plan.task.name,
        data_hash=data_hash,
        common=_common_settings(plan),
        max_trials=settings.max_trials or (DEFAULT_TRIALS if is_endless else None),
        **_oracle_options(plan),
    )


def _common_settings(plan: SearchPlan) -> dict[str, Any]:
    """Return the settings that must not change when a search resumes."""
    varying = {*MACHINE_SETTINGS, *plan.space}
    training = {k: v for k, v in config_dict(plan.training).items() if k not in varying}
    return training | {
        "executions_per_trial": plan.settings.executions_per_trial,
        "objective": plan.settings.objective or "the task's own",
        FIXED: [*plan.fixed],
    }


def _oracle_options(plan: SearchPlan) -> dict[str, Any]:
    """Return the arguments that only one kind of oracle takes."""
    settings = plan.settings
    match settings.oracle:
        case "hyperband":
            return {
                "max_epochs": plan.training.optimisation.epochs,
                "factor": settings.factor,
                "hyperband_iterations": settings.hyperband_iterations,
            }
        case "bayesian":
            return {"num_initial_points": INITIAL_TRIALS}
    return {}


def _run(plan: SearchPlan, oracle: "DurableOracle") -> None:
    """Run the trials; report each when it is finished and, at the end, all of them."""
    progress = Progress(plan, oracle)
    with sent(plan, progress.best_figures):
        _run_trials(plan, oracle, progress)
        progress.report_new_trials()
        progress.report_end()


def _run_trials(plan: SearchPlan, oracle: "DurableOracle", progress: Progress) -> None:
    from .processes import open_processes
    from .resources import divide_resources
    from .worker import TrialWorker, run_workers

    stop, count = threading.Event(), plan.settings.workers
    if count is None:
        count = 0 if plan.settings.chief else 1
    with (
        _service(plan, oracle) as return_lost_trials,
        open_processes(divide_resources(count)) as processes,
    ):
        workers = [TrialWorker(plan, oracle, process, stop) for process in processes]
        progress.report_start()

        def meanwhile() -> None:
            progress.report_new_trials()
            return_lost_trials()

        try:
            run_workers(workers, stop, meanwhile, lambda: oracle.done)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_interruption(plan, len(oracle.end_order))) from None


def _interruption(plan: SearchPlan, count: int) -> str:
    """Return the line about an interrupted search with its number of finished trials."""
    if is_to_return(plan.project):
        return "interrupted before a trial had a score; the earlier search was put back"
    command = "the same command" + " without --overwrite" * plan.config.run.overwrite
    return f"interrupted after {count} finished trials; {command} resumes the search"


@contextlib.contextmanager
def _service(plan: SearchPlan, oracle: "DurableOracle") -> Iterator[Callable[[], None]]:
    """With --chief, serve the oracle; yield the function that takes trials of lost workers back."""
    if plan.settings.chief is None:
        yield lambda: None
        return
    from . import service

    with service.serve(plan, oracle) as servicer:
        yield servicer.return_lost_trials
