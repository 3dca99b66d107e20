"""One short training of a Keras model, for the doctor."""

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from ...layers import watch
from ...layers.rnn.rewriting import recurrent_layers
from ..error_flow import ErrorFlow
from ..findings.finding import Finding
from ..gates import Gates
from ..layer_gradients import LayerGradients
from ..recording.gate_activations import has_gates
from ..recording.guard import GuardedCallback
from .facts import Facts
from .plan import Request
from .surroundings import freed_traces, set_used_names, used_names
from .trial import NOT_FINITE, Trial

EXAMPLES = 32  # of which the gates are recorded; `ErrorFlow` takes fewer

Make = Callable[[], keras.Model]


@dataclass(frozen=True)
class ShortTraining:
    """A training that starts anew for each trial.

    Attributes:
        make: returns a new compiled model, whose weights depend on Keras' random seed alone.
        fit_options: the arguments of `fit`, with the data.
        monitor: the validation figure.
        gains: whether it is better if it is lower ("min") or higher ("max").
    """

    make: Make
    fit_options: Mapping[str, Any]
    monitor: str
    direction: str
    names: Any = field(default_factory=used_names)

    def run(
        self, request: Request, treat: Callable[[keras.Model], keras.Model]
    ) -> tuple[Trial, Facts]:
        """Train, and return the trial and figures of the training.

        Args:
            request: names the remedies and the seed.
            treat: applies the remedies to a new model, and returns a compiled model.

        Raises:
            NotApplicable: by `treat`.
            ValueError: there is no such validation figure.
        """
        with freed_traces():
            return self._run(request, treat)

    def _run(self, request, treat):
        set_used_names(self.names)  # findings name layers
        keras.utils.set_random_seed(request.seed)
        x, y = self.fit_options["x"], self.fit_options.get("y")
        model = _built(self.make(), x, y)
        keras.utils.set_random_seed(request.seed)
        model = treat(model)
        flow, others, model = _recorders(model, x, y)
        recorders = [*([flow] if flow else []), *others]
        end = _EndIfNotFinite()
        keras.utils.set_random_seed(request.seed)  # of the order of the data
        began = time.perf_counter()
        history = self._fit(model, [*recorders, end], end, request.remedies)
        seconds = time.perf_counter() - began
        curve = self._curve(history, end)
        finite = [figure for figure in curve if figure is not None]
        best = min if self.direction == "min" else max
        trial = Trial(
            remedies=request.remedies,
            seed=request.seed,
            score=best(finite) if finite and end.failure is None else None,
            curve=curve,
            findings=_findings(recorders, end),
            seconds=seconds,
            parameters=sum(math.prod(weight.shape) for weight in model.trainable_variables),
            failure=end.failure,
        )
        return trial, _facts(model, flow, others)

    def _fit(self, model, callbacks, end, remedies):
        """Return what `fit` returns by name; what a remedy makes impossible is a failure."""
        callbacks = [*callbacks, *self.fit_options.get("callbacks", [])]
        try:
            with _quiet():
                return model.fit(**{**self.fit_options, "callbacks": callbacks}).history
        except Exception as error:
            if not remedies:
                raise
            first, *_ = (str(error).strip() or "no message").splitlines()
            end.failure = f"{type(error).__name__}: {first}"
            return {}

    def _curve(self, history, end):
        if self.monitor not in history and end.failure is None:
            figures = ", ".join(name for name in history if name.startswith("val_"))
            raise ValueError(
                f"doctor: there is no figure {self.monitor!r} (argument `monitor`); use one of "
                f"{figures}"
            )
        curve = [float(figure) for figure in history.get(self.monitor, [])]
        return tuple(figure if math.isfinite(figure) else None for figure in curve)


def _built(model, x, y):
    """Return the model, with weights: remedies change layers that know their shapes."""
    if not model.built:
        first, _ = first_examples(x, y, 1)
        model(keras.tree.map_structure(keras.ops.convert_to_tensor, first))
    return model


def _recorders(model, x, y):
    """Return `ErrorFlow` or None, the other callbacks, and the model with visible layers."""
    others: list[Any] = [LayerGradients()]
    if not list(recurrent_layers(model)):
        return None, others, model
    with _quiet():
        try:
            model = watch(model)
        except ValueError:  # its recurrent layers cannot be made visible
            return None, others, model
    first, target = first_examples(x, y, EXAMPLES)
    if any(has_gates(part) for part in model._flatten_layers()):
        others.append(Gates(first))
    return ErrorFlow(probe=None if target is None else (first, target)), others, model


def first_examples(x: Any, y: Any, count: int) -> tuple[Any, Any]:
    """Return the first examples of the data, as `fit` takes them, and their targets."""
    if y is None and hasattr(x, "take"):  # a tf.data.Dataset
        x, y, _ = keras.utils.unpack_x_y_sample_weight(next(iter(x)))
    elif y is None and isinstance(x, keras.utils.PyDataset):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(x[0])
    return tuple(keras.tree.map_structure(lambda a: a[:count], part) for part in (x, y))


def _findings(recorders, end) -> tuple[Finding, ...]:
    findings = [finding for recorder in recorders for finding in recorder.findings()]
    if end.evidence and not any(each.kind == NOT_FINITE for each in findings):
        findings.append(Finding("", NOT_FINITE, end.failure, end.failure, dict(end.evidence), 1.0))
    return tuple(findings)


def _facts(model, flow, others) -> Facts:
    (gradients, *_) = others
    norms = gradients.history.get("norm", np.empty([0, 0]))
    totals = np.sqrt(np.nansum(norms.astype(np.float64) ** 2, axis=1))
    totals = totals[np.isfinite(totals) & (totals > 0)]
    lengths = [table["length"] for table in flow.history.values()] if flow else []
    return Facts(
        norm=float(np.median(totals)) if len(totals) else None,
        time_steps=max((int(np.median(each)) for each in lengths if len(each)), default=None),
        training_steps=int(model.optimizer.iterations) or None,
    )


class _EndIfNotFinite(GuardedCallback):
    """Ends a training whose loss is not finite.

    Attributes:
        failure: why it ended the training, in one line; None: it did not.
    """

    def __init__(self):
        super().__init__()
        self.failure, self.evidence = None, {}
        self._steps = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._steps += self.model.steps_per_execution
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            self.failure = f"the loss is not finite ({loss}) in training step {self._steps:,}"
            self.evidence = {"step": self._steps}
            self.model.stop_training = True


@contextlib.contextmanager
def _quiet():
    """Without warnings, as those of `watch` on layers that it leaves as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
