"""Which folder the event files of a training are written to.

    log_dir/<kind>       the first training
    log_dir/2/<kind>     the second one, and so on

so that the folds of a cross-validation and the trials of a search, which often share one `log_dir`,
are runs of their own in TensorBoard. All callbacks of one call of `fit` write to the same run. A
training that goes on from an earlier one goes on in its run.
"""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import keras

from .iterations import iterations

# The folders that show that a run is taken; Keras' own are `train` and `validation`.
KINDS = frozenset(
    {
        "attention",
        "error_flow",
        "error_matrix",
        "feature_maps",
        "gates",
        "horizon",
        "layer_gradients",
        "pictures",
        "samples",
    }
)
_PLACES = "_errorflow_run_places"  # an attribute of models, which Keras does not track


class Training(NamedTuple):
    """One call of `fit`.

    Attributes:
        model: the model that is trained.
        fit: an object that the callbacks of one call of `fit` have in common, and no others.
        is_new: whether the training begins here, with the first training step.
    """

    model: keras.Model
    fit: Any
    is_new: bool


class _Place(NamedTuple):
    """Where the event files of a model's latest training below one `log_dir` are."""

    fit: Any
    run: Path
    writers: Counter[str]  # the number of callbacks of each kind


def training_of(callback: keras.callbacks.Callback, epoch: int) -> Training:
    """Return the training that a callback takes part in, at the beginning of its first epoch.

    Callbacks that restore a training do so when it begins, so it is known only at that time whether
    the training is new.
    """
    model: Any = callback.model
    return Training(model, callback.params, epoch == 0 and iterations(model) == 0)


def event_folder(log_dir: Path, kind: str, training: Training) -> Path:
    """Return the folder for the event files of one callback; a new run is created if necessary.

    If a call of `fit` has several callbacks of one kind with the same `log_dir`, the second one
    gets the folder `<kind>-2`, and so on.
    """
    places = vars(training.model).setdefault(_PLACES, {})
    key = log_dir.resolve()
    place = places.get(key)
    if place is None or place.fit is not training.fit:
        place = places[key] = _Place(training.fit, _run(place, log_dir, kind, training), Counter())
    place.writers[kind] += 1
    number = place.writers[kind]
    return place.run / (kind if number == 1 else f"{kind}-{number}")


def reserve(model: keras.Model, log_dir: Path) -> None:
    """Let the next training of a model write to `log_dir` itself, whatever is there already."""
    vars(model).setdefault(_PLACES, {})[log_dir.resolve()] = _Place(None, log_dir, Counter())


def _run(place, log_dir, kind, training):
    is_reserved = place is not None and place.fit is None
    if place is not None and (is_reserved or not training.is_new):
        return place.run
    return _new_run(log_dir, kind) if training.is_new else _newest_run(log_dir, kind)


def _new_run(log_dir, kind):
    """Create a run. Processes that do this at the same time get different ones."""
    if not _is_taken(log_dir, kind) and _created(log_dir / kind):
        return log_dir
    number = 2
    while not _created(log_dir / str(number)):
        number += 1
    return log_dir / str(number)


def _newest_run(log_dir, kind):
    folders = log_dir.iterdir() if log_dir.is_dir() else ()
    numbers = [int(f.name) for f in folders if f.name.isdecimal() and _is_taken(f, kind)]
    return log_dir / str(max(numbers)) if numbers else log_dir


def _is_taken(run, kind):
    return any((run / name).exists() for name in KINDS | {kind})


def _created(folder):
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True
