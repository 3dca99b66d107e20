"""What every task's training shares: compile, watch, keep, go on after a stop."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras

from ..core.config import CommonConfig, UserError
from ..core.devices import note
from ..core.run_folder import Run
from .checkpoint import Keeper
from .compile_time import CompileTime

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "momentum": lambda **kw: keras.optimizers.SGD(momentum=0.9, nesterov=True, **kw),
}


@dataclasses.dataclass
class Job:
    """One training.

    Attributes:
        core: the network to train.
        package: what best.keras holds: `core` with all that `predict` needs around it.
        feed: the training data: `.dataset()`, `.steps`, `.epoch`.
        validation: a tf.data.Dataset.
        loss, metrics: as `keras.Model.compile` takes them.
        monitor: the figure that says which epoch is best; `mode` is "max" or "min".
        recurrent: whether there is an error through time to watch.
        joined: layers that share a time axis, as `ErrorFlow` takes them.
        loss_weights: of several outputs, as `compile` takes them.
        weighted_metrics: those that the feed's weights count in, as `compile` takes them.
        jit: what `--jit auto` means for this network.
        samples: what the network says of some examples, as rows, for TensorBoard's Text tab.
        gates_on: a batch to show the gates of LSTMs and GRUs on, as the network takes it.
        watchers: callbacks of the task's own.
        pretrain: what comes before a training that begins anew, if anything.
        error_flow: the callback that `fit` makes if `recurrent`.
    """

    run: Run
    config: CommonConfig
    core: keras.Model
    package: keras.Model
    feed: Any
    validation: Any
    loss: Any
    metrics: Any
    monitor: str
    mode: str = "max"
    recurrent: bool = True
    joined: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    loss_weights: Any = None
    weighted_metrics: Any = None
    jit: Any = "auto"
    samples: Callable[[], list[dict[str, Any]]] | None = None
    gates_on: Any = None
    watchers: list[keras.callbacks.Callback] = dataclasses.field(default_factory=list)
    pretrain: Callable[[], None] | None = None
    error_flow: Any = dataclasses.field(default=None, init=False)


@dataclasses.dataclass
class Outcome:
    """What came of a training."""

    rows: list[dict[str, float]]
    best_epoch: int
    ending: str
    seconds: float
    compile_seconds: float | None  # None where it was not seen: all was compiled before
    error_flow: Any  # the callback, or None where nothing recurs
    layer_gradients: Any
    gates: Any

    @property
    def best_row(self) -> dict[str, float]:
        return self.rows[self.best_epoch - 1]


def compiled(job: Job) -> keras.Model:
    """A compiled model on the layers of `core`, which itself stays free of optimizer state."""
    model = keras.Model(job.core.input, job.core.output, name=job.core.name)
    config = job.config
    optimizer = OPTIMIZERS[config.optimizer](
        learning_rate=_learning_rate(config, job.feed.steps),
        # AdamW takes no None; others with 0.0 would multiply every weight by 1 in each step.
        weight_decay=config.weight_decay or (0.0 if config.optimizer == "adamw" else None),
        global_clipnorm=config.clip_norm or None,
    )
    if config.weight_decay:  # only what multiplies: biases, scales and shifts are vectors
        vectors = [v for v in model.trainable_variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    model.compile(
        optimizer=optimizer,
        loss=job.loss,
        loss_weights=job.loss_weights,
        metrics=job.metrics,
        weighted_metrics=job.weighted_metrics,
        jit_compile={"auto": job.jit, "on": True, "off": False}[config.jit],
    )
    return model


def _learning_rate(config: CommonConfig, steps: int) -> Any:
    rate, schedules, total = config.learning_rate, keras.optimizers.schedules, config.epochs * steps
    if config.schedule == "cosine":
        return schedules.CosineDecay(rate, total)
    if config.schedule == "step":
        cuts = [total // 2, total * 3 // 4]
        return schedules.PiecewiseConstantDecay(cuts, [rate, rate / 10, rate / 100])
    return rate


def fit(job: Job, strategy: Any) -> Outcome:
    """Trains, keeping the run folder up to date; goes on where a resumed run stopped.

    Raises:
        UserError: the loss is no longer a number.
        KeyboardInterrupt: Ctrl-C, saying how to go on.
    """
    with strategy.scope():
        model = compiled(job)
        keeper = Keeper(job.run, job.config, job.package, job.monitor, job.mode, job.feed)
        done = keeper.restore(model)
    if done:
        note(f"resuming {job.run.path} after epoch {done}")
    watchers, compile_time = _watchers(job), CompileTime(job.feed)
    try:
        if job.pretrain is not None and not done:
            _pretrain(job.pretrain, job.run, strategy)
        model.fit(
            job.feed.dataset(),
            validation_data=job.validation,
            epochs=done if keeper.exhausted else job.config.epochs,
            initial_epoch=done,
            shuffle=False,  # the feed shuffles by epoch, the same way after a resume
            verbose=int(sys.stdout.isatty()),
            callbacks=[
                *watchers.values(),
                *job.watchers,
                *_keras_callbacks(job.run),
                keeper,
                compile_time,
            ],
        )
    except KeyboardInterrupt:
        _close(watchers.values())
        raise KeyboardInterrupt(_how_to_go_on(job, len(keeper.rows))) from None
    if keeper.failure:
        raise UserError(f"{keeper.failure}: lower --learning-rate or set --clip-norm")
    return Outcome(
        rows=keeper.rows,
        best_epoch=keeper.best_epoch,
        ending=keeper.ending,
        seconds=round(sum(row["seconds"] for row in keeper.rows), 1),
        compile_seconds=compile_time.seconds,
        error_flow=watchers.get("error_flow"),
        layer_gradients=watchers["layer_gradients"],
        gates=watchers.get("gates"),
    )


def _pretrain(pretrain: Callable[[], None], run: Run, strategy: Any) -> None:
    """Before the first epoch; what it took is kept for a training that is resumed later."""
    began = time.perf_counter()
    with strategy.scope():
        pretrain()
    run.update(pretraining_seconds=round(time.perf_counter() - began, 1))


def _watchers(job: Job) -> dict[str, keras.callbacks.Callback]:
    """The callbacks that show what goes on inside, and what comes out."""
    from ...callbacks import ErrorFlow, Gates, LayerGradients, TextSamples

    logs = job.run.logs
    watchers: dict[str, keras.callbacks.Callback] = {"layer_gradients": LayerGradients(logs)}
    if job.recurrent:
        watchers["error_flow"] = job.error_flow = ErrorFlow(logs, joined=job.joined)
    if job.gates_on is not None:
        watchers["gates"] = Gates(job.gates_on, logs)
    if job.samples is not None:
        watchers["samples"] = TextSamples(job.samples, logs)
    return watchers


def _keras_callbacks(run: Run) -> list[keras.callbacks.Callback]:
    board = keras.callbacks.TensorBoard(run.logs, write_graph=False, profile_batch=0)
    return [keras.callbacks.TerminateOnNaN(), board]


def _close(callbacks: Iterable[keras.callbacks.Callback]) -> None:
    """Lets callbacks write what they hold, after `fit` was left in the middle."""
    for callback in callbacks:
        with contextlib.suppress(Exception):  # nothing may hide the reason for leaving
            callback.on_train_end()


def _how_to_go_on(job: Job, epochs: int) -> str:
    go_on = f"errorflow {job.run.task} train --resume {job.run.flags}"
    return f"interrupted after epoch {epochs}; go on with: {go_on}"
