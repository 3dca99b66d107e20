"""Group TensorBoard's runs by training: one training writes to several folders."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .colours import RunColours, run_colours
from .media import Medium
from .series import Series

# The folders of one training. Older versions gave each callback one of its own, and the second
# callback of a kind the same with a number.
_KINDS = (
    "attention|depth_flow|error_flow|error_matrix|error_probe|feature_maps|gates|horizon"
    "|layer_gradients|lyapunov|pictures|samples|warnings"
)
_FOLDER = re.compile(rf"(^|/)(train|validation|({_KINDS})(-\d+)?)$")
_LOGS = re.compile(r"(^|/)logs$")
# A trial of the doctor, below the folder of its run; the name of its training is shorter.
_TRIAL_FOLDER = re.compile(r"(^|/)doctor/trials/([^/]+/seed-\d+)/run$")
_TRIAL_NAME = re.compile(r"(?:(.+)/)?doctor/([^/]+)/seed-(\d+)")
UNTREATED = "untreated"  # in place of the names of remedies
# Their records are numbered by training steps, all others by epochs.
BY_TRAINING_STEP = ("error_flow", "layer_gradients", "depth_flow")


class Trial(NamedTuple):
    """A short training of the doctor, see `pipelines.doctor`.

    Attributes:
        run: the name of the training that it was made for.
        remedies: the names of its remedies; without any it is untreated.
        seed: its seed.
    """

    run: str
    remedies: Sequence[str]
    seed: int


class Training(NamedTuple):
    """What one training wrote.

    Attributes:
        name: TensorBoard's name of its runs without the last folders.
        runs: TensorBoard's names of its runs, in TensorBoard's order.
        colours: those of its run `train` in TensorBoard.
        begun: the time of its first event, in seconds; None if there is none.
        series, media: what its callbacks recorded.
        trial: the trial of the doctor that it is; None if it is none.
    """

    name: str
    runs: Sequence[str]
    colours: RunColours
    begun: float | None
    series: Sequence[Series]
    media: Sequence[Medium]
    trial: Trial | None = None

    @property
    def latest(self) -> int:
        """The latest recorded training step; the latest epoch if only epochs are recorded."""
        steps = [series.latest for series in self.series if series.kind in BY_TRAINING_STEP]
        return max(steps or [one.latest for one in (*self.series, *self.media)], default=0)

    @property
    def steps_per_epoch(self) -> float | None:
        """The number of training steps in an epoch; None if no record says it."""
        known = (series.about.get("steps_per_epoch") for series in self.series)
        return next((number for number in known if number), None)

    @property
    def validation_runs(self) -> list[str]:
        return [run for run in self.runs if run.rpartition("/")[2] == "validation"]


def training_of(run: str, log_dir: str | Path, titles: Iterable[str] = ()) -> str:
    """Return the name of the training that has written a run.

    Args:
        run: TensorBoard's name of the run, "names/lstm/logs/train".
        log_dir: the folder that TensorBoard shows; its name is that of a training directly in it.
        titles: the tags of images and texts in the run. Older versions wrote each of them to a
            folder of the same name.
    """
    parent, _, folder = run.rpartition("/")
    name = parent if folder in titles else _FOLDER.sub("", "" if run == "." else run)
    return _TRIAL_FOLDER.sub(r"\1doctor/\2", _LOGS.sub("", name)) or _name_of(log_dir)


def _name_of(log_dir: str | Path) -> str:
    return Path(log_dir).resolve().name or "training"


def trial_of(training: str, log_dir: str | Path) -> Trial | None:
    """Return the trial of the doctor that a training is, by its name; None: it is none."""
    found = _TRIAL_NAME.fullmatch(training)
    if found is None:
        return None
    run, remedies, seed = found.groups()
    names = () if remedies == UNTREATED else tuple(remedies.split("+"))
    return Trial(run or _name_of(log_dir), names, int(seed))


def group(
    runs: Iterable[Any], series: Iterable[Series], media: Iterable[Medium], log_dir: str | Path
) -> list[Training]:
    """Return the trainings that have records, the newest first, and those that the doctor treated.

    Args:
        runs: all runs of TensorBoard's data provider.
        series, media: what the callbacks recorded.
        log_dir: see `training_of`.
    """
    runs, series, media = sorted(runs, key=_tensorboards_order), [*series], [*media]
    titles: dict[str, set[str]] = {}
    for medium in media:
        titles.setdefault(medium.run, set()).add(medium.tag)
    name_of = {
        run.run_name: training_of(run.run_name, log_dir, titles.get(run.run_name, ()))
        for run in runs
    }
    places: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        places.setdefault(name_of[run.run_name], []).append(place)
    of_series, of_media = _by_training(series, name_of.get), _by_training(media, name_of.get)
    trainings = [
        _training(name, [(place, runs[place]) for place in of_name], of_series, of_media)._replace(
            trial=trial_of(name, log_dir)
        )
        for name, of_name in places.items()
        if name in of_series or name in of_media
    ]
    trainings += _treated([*trainings])
    return sorted(trainings, key=lambda training: -(training.begun or 0))


def _treated(trainings: Sequence[Training]) -> Iterator[Training]:
    """Yield the trainings without records that have trials of the doctor."""
    known = {training.name for training in trainings}
    for training in trainings:
        if training.trial is not None and training.trial.run not in known:
            known.add(training.trial.run)
            yield Training(training.trial.run, [], training.colours, training.begun, [], [])


def _tensorboards_order(run: Any) -> Any:
    """As in TensorBoard's list of runs, which decides on their colours."""
    return run.start_time if run.start_time is not None else float("inf"), run.run_name


def _by_training(records: Iterable[Any], name_of: Callable[[str], Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for record in records:
        grouped.setdefault(name_of(record.run), []).append(record)
    return grouped


def _training(name, numbered_runs, series, media) -> Training:
    runs = [run.run_name for _, run in numbered_runs]
    main = next((place for place, run in numbered_runs if _is_train(run.run_name)), None)
    begun = [run.start_time for _, run in numbered_runs if run.start_time]
    return Training(
        name,
        runs,
        run_colours(numbered_runs[0][0] if main is None else main),
        min(begun, default=None),
        series.get(name, []),
        media.get(name, []),
    )


def _is_train(run: str) -> bool:
    return run.rpartition("/")[2] == "train"
