"""The training loop that all tasks share: compile, record, fit, resume."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras

from ...callbacks import DepthFlow, ErrorFlow, Gates, LayerGradients, TextSamples
from ...callbacks.findings.training_warning import TrainingWarning
from ...callbacks.recording.run_places import reserve
from ...layers.paths import walk
from ..core.cluster import cluster_of
from ..core.config import TrainingConfig
from ..core.console import keras_verbosity, note
from ..core.errors import LossNotFinite
from ..core.phases import phase
from ..core.run_folder import RunFolder
from ..core.stop_request import deferred, recovered
from ..core.worker_failures import ended_together
from . import over_replicas
from .checkpoint import Resumable, RunCheckpoint
from .compile_time import CompileTime
from .early_warning import go_on_after_stop, make_early_warning
from .epoch_scalars import EpochScalars
from .feeding import fit_data
from .progress import Progress
from .schedules import learning_rate
from .spec import TrainingSpec
from .step_end import StopAtStepEnd

OPTIMIZERS: dict[str, tuple[type[keras.optimizers.Optimizer], dict[str, Any]]] = {
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (keras.optimizers.AdamW, {}),
    "rmsprop": (keras.optimizers.RMSprop, {}),
    "sgd": (keras.optimizers.SGD, {}),
    "momentum": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
}

DEPTH_EVERY = 2  # training steps: the error over depth costs more than the other records


class Recorders(NamedTuple):
    """The callbacks that record a training; None if a callback does not apply to the network."""

    layer_gradients: LayerGradients
    error_flow: ErrorFlow | None
    gates: Gates | None
    text_samples: TextSamples | None
    depth_flow: DepthFlow | None = None

    @property
    def present(self) -> list[keras.callbacks.Callback]:
        return [recorder for recorder in self if recorder is not None]

    @property
    def resumable(self) -> dict[str, Resumable]:
        """Those whose records a resumed training goes on with, by the name of their kind."""
        of_steps: list[Any] = [self.layer_gradients, self.error_flow, self.gates, self.depth_flow]
        return {recorder.kind: recorder for recorder in of_steps if recorder is not None}

    @property
    def judged(self) -> list[LayerGradients | ErrorFlow]:
        """Those from which warnings arise while the network trains."""
        return [r for r in (self.layer_gradients, self.error_flow) if r is not None]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a training.

    Attributes:
        history: one row per epoch.
        best_epoch: counted from 1.
        ending: why training ended, in words.
        seconds: training time of all epochs.
        compile_seconds: the part of `seconds` spent on compiling; None if it is unknown.
        recorders: the callbacks that have recorded the training.
        stopped: the warning for which --stop-when ended the training; None: it was not ended.
    """

    history: list[dict[str, float]]
    best_epoch: int
    ending: str
    seconds: float
    compile_seconds: float | None
    recorders: Recorders
    stopped: TrainingWarning | None = None


def make_recorders(spec: TrainingSpec, run: RunFolder) -> Recorders:
    """Return the callbacks that record error, gradients, gates and sample predictions."""
    logs = run.logs
    return Recorders(
        LayerGradients(logs),
        ErrorFlow(logs, joined=spec.joined, probe=lambda: next(iter(spec.train_data.dataset())))
        if spec.is_recurrent
        else None,
        None if spec.gates_batch is None else Gates(spec.gates_batch, logs),
        None if spec.sample_predictions is None else TextSamples(spec.sample_predictions, logs),
        DepthFlow(logs, DEPTH_EVERY) if _has_convolutions(spec.network) else None,
    )


def _has_convolutions(network: keras.Model) -> bool:
    """Return whether a part of the network is convolutional over images."""
    return any(isinstance(layer, keras.layers.Conv2D) for _, layer in walk(network))


def compile_training(spec: TrainingSpec, config: TrainingConfig) -> keras.Model:
    """Return a compiled model that shares the layers of the network, which keeps no optimizer.

    Call it in the scope of the strategy; over several replicas, loss, gradients and batch
    normalisation are those of the whole batch.
    """
    jit = {"auto": spec.jit, "on": True, "off": False}[config.hardware.jit]
    model, jit_compile = over_replicas.make_model(spec.network, jit)
    model.compile(
        optimizer=_make_optimizer(spec, config, model),
        loss=over_replicas.make_loss(spec.loss),
        loss_weights=spec.loss_weights,
        metrics=spec.metrics,
        weighted_metrics=spec.weighted_metrics,
        jit_compile=jit_compile,
    )
    return model


def _make_optimizer(spec: TrainingSpec, config: TrainingConfig, model: keras.Model) -> Any:
    settings = as_trained(spec, config).optimisation
    kind, options = OPTIMIZERS[settings.optimizer]
    optimizer = over_replicas.make_optimizer(
        kind,
        **options,
        learning_rate=learning_rate(
            settings, spec.train_data.steps, settings.warm_up or spec.warmup
        ),
        # AdamW takes no None; others with 0.0 would multiply every weight by 1 in each step.
        weight_decay=settings.weight_decay or (0.0 if settings.optimizer == "adamw" else None),
        global_clipnorm=settings.clip_norm or None,
    )
    if settings.weight_decay:  # biases, scales and shifts, which are vectors, do not decay
        vectors = [v for v in model.trainable_variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    return over_replicas.with_loss_scale(optimizer, model)


def as_trained(spec: TrainingSpec, config: TrainingConfig) -> TrainingConfig:
    """Return the settings with the optimisation that was fitted to the data."""
    return dataclasses.replace(config, optimisation=spec.optimisation or config.optimisation)


def fit(
    spec: TrainingSpec,
    config: TrainingConfig,
    run: RunFolder,
    strategy: Any,
    recorders: Recorders,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Outcome:
    """Train, and keep the run folder up to date; resume after the last complete epoch, if any.

    Raises:
        UserError: the loss is no longer a finite number; with --stop-when diverged only if this was
            in the first epoch.
        KeyboardInterrupt: Ctrl-C, or a signal at the end of a step.
    """
    with strategy.scope():
        model = compile_training(spec, config)
        _build_state(model, spec.train_data)
        # A learning rate that may help is lower than the one that is used.
        early_warning = make_early_warning(run, as_trained(spec, config), recorders.judged)
        records = {**recorders.resumable, "early_warning": early_warning}
        checkpoint = RunCheckpoint(run, config.optimisation, spec, records)
        epochs_done = checkpoint.restore(model)
        over_replicas.separate_dropout(model)
    if epochs_done:
        note(f"resuming {run.path} after epoch {epochs_done}")
    reserve(model, run.logs)  # also if it was killed in its first epoch, and begins again
    compile_time = CompileTime(spec.train_data)
    go_on_after_stop(run, early_warning)
    is_over = checkpoint.is_exhausted or early_warning.stopped is not None
    progress = Progress(has_bar=bool(keras_verbosity()))
    others = [*recorders.present, *spec.callbacks(run), *callbacks]
    together = ended_together(cluster_of(strategy))
    with phase(progress.state), _complete_records(recorders), together:
        if spec.pretrain is not None and not epochs_done:
            progress.begin_pretraining()
            _pretrain(spec.pretrain, run, strategy)
        with deferred():
            model.fit(
                **fit_data(strategy, spec.train_data, spec.validation_data),
                epochs=epochs_done if is_over else config.optimisation.epochs,
                initial_epoch=epochs_done,
                shuffle=False,  # `train_data` shuffles, the same way after a resume
                verbose=keras_verbosity(),  # pyright: ignore[reportArgumentType]
                callbacks=[
                    *others,
                    early_warning,
                    keras.callbacks.TerminateOnNaN(),
                    EpochScalars(run.logs),
                    checkpoint,
                    compile_time,
                    progress,
                    StopAtStepEnd(),
                ],
            )
    stopped = early_warning.stopped
    if checkpoint.failure and not (stopped and checkpoint.history):
        raise LossNotFinite(checkpoint.failure)
    return Outcome(
        history=checkpoint.history,
        best_epoch=checkpoint.best_epoch,
        ending=checkpoint.ending if stopped is None else f"stopped: {stopped.kind}",
        seconds=round(sum(row["seconds"] for row in checkpoint.history), 1),
        compile_seconds=compile_time.seconds,
        recorders=recorders,
        stopped=stopped,
    )


def _build_state(model: keras.Model, train_data: Any) -> None:
    """Create the variables of the metrics and the optimizer now.

    If a training step creates them, TensorFlow traces it twice, and each trace takes seconds.
    """
    model._symbolic_build(data_batch=train_data.dataset().element_spec)


@contextlib.contextmanager
def _complete_records(recorders: Recorders) -> Iterator[None]:
    """If the block is interrupted, write pending records."""
    try:
        with recovered():
            yield
    except KeyboardInterrupt:
        _close(recorders)
        raise


def _pretrain(pretrain: Callable[[], None], run: RunFolder, strategy: Any) -> None:
    """Pretrain, and record its duration in the results, which a resumed training keeps."""
    began = time.perf_counter()
    with strategy.scope():
        pretrain()
    run.update(pretraining_seconds=round(time.perf_counter() - began, 1))


def _close(recorders: Recorders) -> None:
    """Let the callbacks write their pending records after `fit` was interrupted."""
    for recorder in recorders.present:
        with contextlib.suppress(Exception):  # must not hide the interruption
            recorder.interrupt()
