"""Train a network: plain functions that all tasks share, from settings to a run folder."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..core import devices
from ..core.cluster import Cluster, training_cluster
from ..core.config import TrainingConfig, flat, replace
from ..core.console import note
from ..core.errors import LossNotFinite
from ..core.integrity import is_whole_model
from ..core.memory import shortage_in_words
from ..core.phases import phase
from ..core.replacement import run_at
from ..core.run_folder import RunFolder, read_history
from ..core.run_lifecycle import (
    check_can_begin,
    folder_to_train_in,
    record_data,
    training_in,
)
from ..core.worker_failures import ended_together
from ..datasets.listing import printable
from . import workers
from .data_report import data_in_one_line, read_data
from .run_evaluation import evaluate_model
from .session import Session, make_session, start_tensorflow
from .task import Data, Task
from .tracking import check_tracker, listed

if TYPE_CHECKING:
    from keras import Model
    from keras.callbacks import Callback

    from .loop import Outcome, Recorders
    from .spec import TrainingSpec


def train(task: Task, config: TrainingConfig, resume: RunFolder | None = None) -> RunFolder:
    """Train a network and write all results to a run folder.

    Of several workers, each calls this function; the chief writes the folder.

    Args:
        config: all settings, resolved and checked.
        resume: the run to continue, in its own folder; None: a new run, or a worker that is not
            the chief.

    Raises:
        WorkerLost: another worker has ended, or cannot be reached.
        UserError: the settings, the data or the run folder do not allow it, or the loss is no
            longer a finite number.
        KeyboardInterrupt: Ctrl-C or, in a command, another signal; it says how to resume.
    """
    cluster = training_cluster(config.hardware.strategy)
    with workers.writing_elsewhere(cluster, config) as own:
        check_can_begin(task.name, own, resume)
        if cluster.is_chief:
            check_tracker(own)
        note(plan_in_one_line(task, own, resume))
        has_settings = cluster.is_chief or not own.run.resume
        found = find_before_tensorflow(task, own, resume) if has_settings else None
        strategy = start_tensorflow(own)
        with ended_together(cluster):
            agreed = workers.agree_on_settings(strategy, cluster, own, resume)
            session = make_session(agreed, strategy)
            if agreed.run.resume:
                resume = workers.copy_of_run(strategy, cluster, agreed, task.name, resume)
            if not has_settings:
                found = find_before_tensorflow(task, agreed, resume)
            run = _train(task, agreed, resume, found, session, cluster)
            return workers.wait_for_chief(strategy, cluster, run, config.run.run_dir)


def _train(
    task: Task,
    config: TrainingConfig,
    resume: RunFolder | None,
    found: Any,
    session: Session,
    cluster: Cluster,
) -> RunFolder:
    """Train with a session; return the run, in its place."""
    data = read_data(task, config, found)
    workers.check_same_data(session.strategy, data)
    run = folder_to_train_in(task.name, config, resume)
    place = run.path.parent / run.name
    if run.is_replacement:
        note(f"{place} stays in use until the new run, in {run.path}, is finished")
    with (
        _resumable(run, cluster),
        listed(run, config, cluster.is_chief) as callbacks,
        training_in(run, task.name, config, session.environment) as begin,
    ):
        note(data_in_one_line(data))
        train_in(run, task, config, data, session.strategy, begin, callbacks)
        if cluster.is_chief:
            _evaluate(run, task, config, data)
    return run_at(place)


def _evaluate(run: RunFolder, task: Task, config: TrainingConfig, data: Data) -> None:
    """Measure the best model on the validation and test splits, and write the model card."""
    from ..models.serving import load
    from .summary import write_card

    model = load(run.best)
    for split in ("validation", "test"):
        evaluate_model(task, model, run, data, split)
    write_card(run, config, task.card)


@contextlib.contextmanager
def _resumable(run: RunFolder, cluster: Cluster) -> Iterator[None]:
    """If the block is interrupted, say how to resume the run."""
    try:
        yield
    except KeyboardInterrupt:
        if run.status != "interrupted" or not cluster.is_chief:
            raise
        command = f"errorflow {run.task} train --resume {run.flags}"
        how = f"start all workers again, with --resume {run.flags}" if cluster.size > 1 else command
        raise KeyboardInterrupt(
            f"interrupted after epoch {len(read_history(run))}; resume with: {how}"
        ) from None


def plan_in_one_line(task: Task, config: TrainingConfig, resume: RunFolder | None) -> str:
    """Return what is trained on which data, and where the files go, before anything is loaded."""
    settings, name = flat(config), config.run.name or ""
    source = settings.get("data_dir") or settings.get("dataset") or settings.get("problem")
    folder = resume.path if resume else config.run.run_dir / task.name / name
    return printable(
        f"{task.name}: {config.kind} on {source or 'the embedded data'}; files go to {folder}"
    )


def find_before_tensorflow(task: Task, config: TrainingConfig, run: RunFolder | None = None) -> Any:
    """Find the person's own data, and check packages and weights: TensorFlow takes seconds to load.

    Args:
        run: the run that is resumed or evaluated, if any.

    Returns:
        The result of `Task.find_data`.

    Raises:
        UserError: something is missing, or cannot be read.
    """
    with phase("looking at the data"):
        found = task.find_data(config)
        task.check_requirements(config if run is None else with_own_weights(config, run))
    return found


def train_in(
    run: RunFolder,
    task: Task,
    config: TrainingConfig,
    data: Data,
    strategy: Any,
    begin: Callable[[], None] = lambda: None,
    callbacks: "Callable[[TrainingSpec, Recorders], Sequence[Callback]]" = lambda *_: (),
    *,
    has_plots: Callable[[], bool] = lambda: True,
) -> "Outcome":
    """Train in the folder of a run; return the outcome.

    Args:
        begin: function that is called when nothing but the training is left to fail.
        callbacks: function of the `TrainingSpec` and the `Recorders` that returns further Keras
            callbacks; if it raises an exception, the training does not begin.
        has_plots: function that returns, when the results are written, whether to draw the plots.
    """
    from . import loop, summary

    record_data(run, data)
    devices.set_seed(config.optimisation.seed)  # reading the data may have used random numbers
    with shortage_in_words(config):
        spec = _build(run, task, config, data, strategy)
        note(f"{parameters_in_words(spec.network)}; files go to {run.path}")
        recorders = loop.make_recorders(spec, run)
        further = callbacks(spec, recorders)
        begin()
        with _findings_of_failure(run, spec, recorders):
            outcome = loop.fit(spec, config, run, strategy, recorders, further)
        summary.write_results(run, spec, outcome)
        if has_plots():
            with phase("drawing the plots", after=0):
                summary.save_plots(run, outcome)
    return outcome


def _build(
    run: RunFolder, task: Task, config: TrainingConfig, data: Data, strategy: Any
) -> "TrainingSpec":
    """Return the network, batches, loss and metrics of a training that fits into memory."""
    from . import memory

    building = "building the network and the batches"
    with strategy.scope(), phase(building), memory.limited_weights(config):
        spec = task.build_training(with_own_weights(config, run), data)
    memory.check_training(spec, config)
    return spec


def with_own_weights(config: TrainingConfig, run: RunFolder) -> TrainingConfig:
    """Return the settings with which the network of a run that goes on is built.

    It takes the weights that it began with from a model of its own: those of `--weights` may be
    gone.
    """
    if flat(config).get("weights") is None:
        return config
    own = next(filter(is_whole_model, (run.last, run.best)), None)
    return config if own is None else replace(config, weights=str(own))


def parameters_in_words(network: "Model") -> str:
    """Return the number of parameters and, if some layers are frozen, how many are trained."""
    from ...layers.paths import walk

    words = f"{network.count_params():,} parameters"
    if all(layer.trainable for _, layer in walk(network)):
        return words
    trained = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    return f"{words}, {trained:,} of them trained"


@contextlib.contextmanager
def _findings_of_failure(
    run: RunFolder, spec: "TrainingSpec", recorders: "Recorders"
) -> Iterator[None]:
    """If the block fails, write the findings so far."""
    from . import summary

    try:
        yield
    except Exception as error:
        with contextlib.suppress(Exception):  # must not hide the reason of the failure
            failure = error if isinstance(error, LossNotFinite) else None
            summary.write_findings(run, spec, recorders, failure)
        raise
