"""Which folder the event files of a training are written to.

    log_dir/train        the first training; log_dir/validation: what the model predicts
    log_dir/2/train      the second one, and so on

so that the folds of a cross-validation and the trials of a search, which often share one `log_dir`,
are runs of their own in TensorBoard. All callbacks of one call of `fit` write to the same run. A
training that goes on stays in its run: that of its model or, for a model of an earlier process, the
newest one. A run that has ended in this process is not continued by another model: Hyperband's
trials also begin with a later epoch.

Keras' callback TensorBoard writes to `train` and `validation`, too. The callbacks' event files have
a suffix of their own, which shows that a run is taken. In earlier versions each callback had a
folder for its kind of records: log_dir/error_flow, log_dir/2/gates, …. Such a run is taken, too,
and a training that goes on in it goes on in these folders.
"""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from .event_file import holds_event_files
from .training_steps import steps_so_far

TRAIN, VALIDATION = "train", "validation"
# The kinds of records, which were folders of a run in earlier versions.
KINDS = frozenset(
    {
        "attention",
        "depth_flow",
        "error_flow",
        "error_matrix",
        "feature_maps",
        "gates",
        "horizon",
        "layer_gradients",
        "pictures",
        "samples",
        "warnings",
    }
)
_PLACES = "_errorflow_run_places"  # an attribute of models, which Keras does not track
_ended: set[Path] = set()  # runs whose training has ended in this process


class Place:
    """Where the event files of a model's latest training below one `log_dir` are written to.

    Args:
        log_dir: the folder of all trainings.
        fit: the call of `fit`: an object that its callbacks have in common, and no others. None:
            the next one.
        is_new: whether the training begins with the first training step.
        run: `log_dir` or one of its numbered folders; None: it is chosen when it is needed.
    """

    def __init__(self, log_dir: Path, fit: Any, is_new: bool, run: Path | None = None):
        self._log_dir, self._is_new, self._run = log_dir, is_new, run
        self.fit = fit
        self._writers: Counter[str] = Counter()  # the number of callbacks of each kind

    def begin_fit(self, fit: Any) -> None:
        """Go on in another call of `fit`, whose callbacks may be new ones."""
        self.fit = fit
        self._writers.clear()
        _ended.discard(self._run)

    def end_fit(self) -> None:
        """Note that the training has ended, and was not interrupted."""
        if self._run is not None:
            _ended.add(self._run)

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Let no other process choose a run in the block, whose event file shows that it is taken.

        Raises:
            OSError: `log_dir` cannot be created.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":  # where trainings that begin at the same moment may share a run
            yield
            return
        import fcntl  # noqa: PLC0415 — Windows has none

        folder = os.open(self._log_dir, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some file systems have no locks
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def folder(self, part: str, kind: str) -> Path:
        """Return the folder for the event files of one more callback.

        If a call of `fit` has several callbacks of one kind, whose tags are the same, the second
        one gets `<kind>-2`.
        """
        if self._run is None:
            self._run = (_new_run if self._is_new else _newest_run)(self._log_dir, kind)
        self._writers[kind] += bool(kind)
        number = self._writers[kind]
        return self._run / f"{kind}-{number}" if number > 1 else folder_of(self._run, part, kind)


def folder_of(run: Path, part: str, kind: str) -> Path:
    """Return the folder of a run for the event files of a callback.

    Args:
        run: the folder of the run.
        part: "train" or "validation".
        kind: the kind of the callback's records; "": none that earlier versions had.
    """
    earlier = run / kind if kind else None
    if earlier is not None and any(earlier.glob("events.out.tfevents.*")):
        return earlier
    return run / part


def place_of(callback: keras.callbacks.Callback, log_dir: Path, epoch: int) -> Place:
    """Return the place of the training that a callback takes part in.

    To be called at the beginning of the first epoch: callbacks that restore a training do so when
    it begins, so it is known only then whether the training is new.
    """
    model: Any = callback.model
    places, key = _places(model), log_dir.resolve()
    place, fit = places.get(key), callback.params
    if place is None or place.fit is not fit:
        is_new = epoch == 0 and steps_so_far(model) == 0
        if place is None or (is_new and place.fit is not None):
            place = places[key] = Place(key, fit, is_new)
        else:
            place.begin_fit(fit)
    return place


def end_training(model: Any) -> None:
    """Note that the training of a model has ended, and was not interrupted."""
    for place in _places(model).values():
        place.end_fit()


def reserve(model: keras.Model, log_dir: Path) -> None:
    """Let the next training of a model write to `log_dir` itself, whatever is there already."""
    key = log_dir.resolve()
    _places(model)[key] = Place(key, None, is_new=False, run=key)


def _places(model: keras.Model) -> dict[Path, Place]:
    return vars(model).setdefault(_PLACES, {})


def _new_run(log_dir, kind):
    if not _is_taken(log_dir, kind):
        return log_dir
    number = 2
    while not _created(log_dir / str(number)):
        number += 1
    return log_dir / str(number)


def _newest_run(log_dir, kind):
    folders = log_dir.iterdir()
    numbers = [int(f.name) for f in folders if f.name.isdecimal() and _is_taken(f, kind)]
    newest = log_dir / str(max(numbers)) if numbers else log_dir
    return _new_run(log_dir, kind) if newest in _ended else newest


def _is_taken(run, kind):
    earlier = {*KINDS, kind} - {""}
    return any(holds_event_files(run / part) for part in (TRAIN, VALIDATION)) or any(
        (run / name).exists() for name in earlier
    )


def _created(folder):
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True
