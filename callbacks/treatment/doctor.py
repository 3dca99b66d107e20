"""`doctor`: try the remedies for what is wrong with a model's training, and say which one helps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, cast

import keras

from ..findings.finding import Finding, short
from ..findings.remedies import remedy
from .answer import Answer
from .compiling import compile_as
from .facts import Facts, NotApplicable
from .of_models import changed_options, treated
from .options import Direction, Options
from .plan import Request, next_requests
from .rewriting import equal_model
from .surroundings import kept_state
from .training import ShortTraining
from .trial import Trial

Function = Callable[[keras.Model], keras.Model]  # a remedy of the reader's own


@dataclass(frozen=True)
class ModelAnswer(Answer):
    """The answer on a Keras model, which can treat it.

    Attributes:
        facts: figures of the untreated training, for the strength of remedies.
        evidence: that of the finding which a remedy is for, by its name.
        functions: the remedies of the reader's own, by name.
    """

    facts: Facts = field(default_factory=Facts, repr=False)
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    functions: Mapping[str, Function] = field(default_factory=dict, repr=False)

    def treat(self, model: keras.Model) -> keras.Model:
        """Return a new compiled model with the best remedy, and with the weights that fit.

        Args:
            model: a compiled model; it is not changed.

        Raises:
            ValueError: no remedy was found to be a cure, or it cannot be applied to this model.
        """
        if self.best is None:
            raise ValueError(f"treat: there is no cure to apply; {self.sentence}")
        try:
            copy = compile_as(equal_model(model), model)
            return with_remedies(
                copy, self.best.remedies, self.facts, self.evidence, self.functions
            )
        except NotApplicable as reason:
            raise ValueError(
                f"treat: {self.best.name} cannot be applied to model {model.name!r}: {reason}"
            ) from reason


def doctor(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any = None,
    *,
    validation_data: Any,
    epochs: int = 5,
    batch_size: int | None = 32,
    seeds: int | Sequence[int] = 3,
    monitor: str = "val_loss",
    direction: Direction | None = None,
    remedies: Iterable[str] | Mapping[str, Function] | None = None,
    first_cure: bool = False,
    verbose: int = 1,
    **fit_options: Any,
) -> ModelAnswer:
    """Try the remedies for what is wrong with a model's training, and say which one helps.

        answer = errorflow.callbacks.doctor(model, x, y, validation_data=(x_val, y_val))
        print(*answer.verdict(), sep="\\n")
        answer  # as the last line of a cell of a notebook: the table
        better = answer.treat(model)

    Short trainings run one after the other, each with `ErrorFlow` (if there are recurrent layers),
    `LayerGradients` and `Gates`: first the model as it is, with two seeds. If one of them shows a
    fault, the further seeds and each remedy for it follow, and those remedies that look promising
    are trained with all seeds. A remedy is a cure if the finding is gone with each seed, and the
    validation figure is better by more than the spread of the seeds. Two cures are also tried
    together.

    A trial starts from new weights. For one seed, all trials have the same initial weights, as far
    as the layers are the same, and the same order of the data. The order of a `tf.data.Dataset` is
    its own: one that shuffles should do so from a seed, without `reshuffle_each_iteration`.

    The model, its weights and its optimizer are not changed, nor are random states, the names that
    Keras gives to layers and the dtype policy. A loss that is not finite ends a trial. A
    KeyboardInterrupt ends the doctor: the answer is that of the trials that have ended, and the
    remedies that wait for others are "unfinished" or "not tried".

    Args:
        model: a compiled model, or a function without arguments that returns one. Weights that
            are set by hand are kept only if a function sets them. A model with code of its own has
            to be one that Keras can save, and can get no other layers.
        x, y: the training data, as `fit` takes it: arrays, dicts or lists of them, or a dataset
            that yields batches, without `y`.
        validation_data: as `fit` takes it.
        epochs, batch_size: of each trial.
        seeds: their number, or the seeds; at least two.
        monitor: the validation figure, by its name in `fit(…).history`. The best epoch counts.
        direction: "min" if a lower figure is better, "max" if a higher one is; None: a metric
            decides by its name, and a loss is better if it is lower.
        remedies: the names of those to try, or functions by names of your own, each of which
            takes a compiled model and returns one: {"dropout": with_dropout}. A mapping may have
            None for the function of a name that errorflow knows. None: those for the findings.
        first_cure: try one remedy after the other, and end with the first cure.
        verbose: 1 prints a line for each trial, 0 prints nothing.
        **fit_options: further arguments of `fit`, such as `class_weight`.

    Raises:
        ValueError: there is no validation data, the model is not compiled or cannot be made anew,
            a remedy does not exist, or `fit` returns no figure of this name.
        TypeError: `model` is neither a Keras model nor a function.

    Sources: those of the remedies, in the answer.
    """
    if validation_data is None:
        raise ValueError(
            "doctor: validation_data is needed, since a cure is proven on it; pass "
            "validation_data=(x_val, y_val)"
        )
    functions = _functions(remedies)
    options = Options(
        tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        monitor,
        direction or _direction(monitor),
        first_cure,
    )
    data = {"x": x, "y": y, "validation_data": validation_data, "epochs": epochs}
    data |= {} if batch_size is None or hasattr(x, "element_spec") else {"batch_size": batch_size}
    with kept_state():
        training = ShortTraining(
            _maker(model), data | fit_options | {"verbose": 0}, monitor, options.direction
        )
        treatment = _Treatment(training, options, functions, None if remedies is None else True)
        treatment.run(print if verbose else _silent)
    return treatment.answer(epochs)


class _Treatment:
    """The trials of a doctor.

    Attributes:
        trials: those that have ended.
        functions: the remedies that were named, by name; None for those that errorflow knows.
    """

    def __init__(self, training, options, functions, are_named):
        self._training, self._options = training, options
        self.functions: Mapping[str, Function | None] = functions
        self._are_named = are_named
        self.trials: list[Trial] = []
        self._facts = Facts()
        self._not_applicable: dict[str, str] = {}
        self._settings: dict[tuple[str, ...], Mapping[str, Any]] = {}

    def run(self, note: Callable[[str], None]) -> None:
        """Run trials until the answer is complete, or the user interrupts."""
        try:
            while requests := next_requests(self.trials, self._remedies(), self._options):
                self._try(requests[0], note)
        except KeyboardInterrupt:
            if not self.trials:
                raise
            note("interrupted; the answer is that of the trials that have ended")

    def answer(self, epochs: int) -> ModelAnswer:
        """Return the answer that the trials lead to."""
        answer = ModelAnswer.from_trials(
            self.trials,
            self._remedies(),
            self._options,
            epochs=epochs,
            settings=self._settings,
            not_applicable=self._not_applicable,
        )
        functions = {name: own for name, own in self.functions.items() if own is not None}
        return replace(answer, facts=self._facts, evidence=self._evidence(), functions=functions)

    def _try(self, request: Request, note) -> None:
        try:
            trial, facts = self._training.run(request, lambda model: self._treat(model, request))
        except NotApplicable as reason:
            note(f"{' + '.join(request.remedies)}: not applicable, {reason}")
            if len(request.remedies) == 1:
                self._not_applicable[request.remedies[0]] = str(reason)
                return
            trial, facts = Trial(*request_parts(request), failure=str(reason)), self._facts
        if not self.trials:
            self._facts = facts
        self.trials.append(trial)
        note(_line(trial, self._options))

    def _treat(self, model, request):
        functions = {name: own for name, own in self.functions.items() if own is not None}
        before = model.optimizer
        new = with_remedies(model, request.remedies, self._facts, self._evidence(), functions)
        self._settings[request.remedies] = changed_options(before, new.optimizer)
        return new

    def _untreated(self) -> list[Trial]:
        return [trial for trial in self.trials if not trial.remedies]

    def _remedies(self) -> list[str]:
        """Return the names of the remedies to try, the most promising first."""
        names = self.functions if self._are_named else self._evidence()
        return [name for name in names if name not in self._not_applicable]

    def _evidence(self) -> dict[str, Mapping[str, Any]]:
        """Return the remedies for the findings of untreated trials, each with its evidence."""
        findings = [
            finding
            for trial in self._untreated()
            for finding in trial.findings
            if finding.severity == "trouble"
        ]
        evidence: dict[str, Mapping[str, Any]] = {}
        for name, finding in promising(findings):
            evidence.setdefault(name, finding.evidence)
        return evidence


def promising(findings: Sequence[Finding]) -> list[tuple[str, Finding]]:
    """Return each remedy with the finding that it is for: the best one of each finding first."""
    columns = [[(each.name, finding) for each in finding.remedies] for finding in findings]
    return [pair for row in zip_longest(*columns) for pair in row if pair is not None]


def with_remedies(
    model: keras.Model,
    names: Sequence[str],
    facts: Facts,
    evidence: Mapping[str, Mapping[str, Any]],
    functions: Mapping[str, Function],
) -> keras.Model:
    """Return a compiled model with remedies, those of the reader's own included.

    Raises:
        NotApplicable: a remedy cannot be applied.
        ValueError: a function has not returned a compiled model.
    """
    for name in names:
        if name not in functions:
            model = treated(model, [name], facts, evidence.get(name, {}))
            continue
        model = functions[name](model)
        if not isinstance(model, keras.Model) or not model.compiled:
            raise ValueError(f"doctor: the remedy {name!r} has not returned a compiled model")
    return model


def request_parts(request: Request) -> tuple[Any, ...]:
    """Return the fields of a trial that could not run."""
    return request.remedies, request.seed, None, (), (), 0.0, 0


def _maker(model) -> Callable[[], keras.Model]:
    """Return the function that makes the model anew."""
    if not isinstance(model, keras.Model):
        if not callable(model):
            kind = type(model).__name__
            raise TypeError(f"doctor: expected a Keras model or a function, got {kind}")
        return lambda: _checked(model())
    _checked(model)
    try:
        equal_model(model, carried=False)
    except NotApplicable as reason:
        raise ValueError(
            f"doctor: {reason}; pass a function that returns a compiled model instead"
        ) from reason
    return lambda: compile_as(equal_model(model, carried=False), model)


def _checked(model: Any) -> keras.Model:
    if not isinstance(model, keras.Model):
        raise TypeError(f"doctor: the function returned {type(model).__name__}, no Keras model")
    if not model.compiled:
        raise ValueError(f"doctor: model {model.name!r} is not compiled; call its `compile` first")
    return model


def _functions(remedies) -> dict[str, Function | None]:
    """Return the remedies that were named."""
    if remedies is None:
        return {}
    if isinstance(remedies, str):
        remedies = [remedies]
    named = dict(remedies) if isinstance(remedies, Mapping) else dict.fromkeys(remedies)
    for name, function in named.items():
        if function is None:
            remedy(name)  # raises a ValueError if there is none
    return cast(dict[str, Function | None], named)


_HIGHER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "similarity", "hits")


def _direction(monitor: str) -> Direction:
    """Return the direction of a figure by its name; Keras' losses and errors are to be low."""
    if monitor.endswith("loss"):
        return "min"
    return "max" if any(word in monitor for word in _HIGHER) else "min"


def _line(trial: Trial, options: Options) -> str:
    """Return "clip-norm, seed 0: val_loss 0.31, no finding (2.1 s)"."""
    name = " + ".join(trial.remedies) or "untreated"
    if trial.failure is not None:
        figure = trial.failure
    else:
        figure = f"{options.monitor} {'unknown' if trial.score is None else short(trial.score)}"
    kinds = ", ".join(sorted(trial.troubles)) or "nothing wrong found"
    return f"{name}, seed {trial.seed}: {figure}; {kinds} ({short(trial.seconds)} s)"


def _silent(line: str) -> None:
    """Print nothing."""
