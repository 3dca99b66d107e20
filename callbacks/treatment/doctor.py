"""`doctor`: try the remedies for what is wrong with a model's training, and say which one helps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import keras

from ..findings.remedies import remedy
from .compiling import compile_as
from .direction import direction_of
from .facts import NotApplicable
from .model_answer import Function, ModelAnswer
from .model_trials import ModelTrials
from .options import Direction, Options
from .rewriting import equal_model
from .surroundings import kept_state
from .training import ShortTraining


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
        ValueError: there is no validation data, the data are a generator, the model is not
            compiled or cannot be made anew, a remedy does not exist, or `fit` returns no figure of
            this name.
        TypeError: `model` is neither a Keras model nor a function.

    Sources: those of the remedies, in the answer.
    """
    if validation_data is None:
        raise ValueError(
            "doctor: validation_data is needed, since a cure is proven on it; pass "
            "validation_data=(x_val, y_val)"
        )
    for name, data in {"x": x, "validation_data": validation_data}.items():
        if isinstance(data, Iterator):
            raise ValueError(
                f"doctor: {name} is a {type(data).__name__}, which can be read only once, but each "
                "trial reads it anew; pass arrays, a tf.data.Dataset or a keras.utils.PyDataset"
            )
    named = _named(remedies)
    options = Options(
        tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        monitor,
        direction or direction_of(monitor) or "min",
        first_cure,
    )
    data = {"x": x, "y": y, "validation_data": validation_data, "epochs": epochs}
    data |= {} if batch_size is None or hasattr(x, "element_spec") else {"batch_size": batch_size}
    with kept_state():
        training = ShortTraining(
            _maker(model), data | fit_options | {"verbose": 0}, monitor, options.direction
        )
        trials = ModelTrials(training, options, named)
        trials.run(print if verbose else _silent)
    return trials.answer(epochs)


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


def _named(remedies) -> dict[str, Function | None] | None:
    """Return the remedies that were named; None if they are those for the findings."""
    if remedies is None:
        return None
    if isinstance(remedies, str):
        remedies = [remedies]
    named = dict(remedies) if isinstance(remedies, Mapping) else dict.fromkeys(remedies)
    for name, function in named.items():
        if function is None:
            remedy(name)  # raises a ValueError if there is none
    return cast(dict[str, Function | None], named)


def _silent(line: str) -> None:
    """Print nothing."""
