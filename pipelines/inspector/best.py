"""The best validation figure of a training, from the scalars that Keras writes after each epoch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...callbacks.treatment.direction import direction_of

_PREFIX = "epoch_"


class Best(NamedTuple):
    """The best value of a metric on the validation data.

    Attributes:
        name: of the metric, as in Keras' history without "val_".
        value: its best value.
        epoch: the epoch of it, from 1.
        higher_is_better: whether the best value is the highest.
    """

    name: str
    value: float
    epoch: int
    higher_is_better: bool


def best_of(scalars: Mapping[str, Sequence[Any]]) -> Best | None:
    """Return the best figure among the scalars of one validation run.

    It is that of the first metric in the alphabet other than a loss, whose direction is known; else
    that of the loss.

    Args:
        scalars: for each tag, its data with `step` and `value`.
    """
    metrics = {
        tag.removeprefix(_PREFIX): d for tag, d in scalars.items() if tag.startswith(_PREFIX)
    }
    for name in sorted(metrics, key=_preference):
        direction = direction_of(name)
        values = np.array([datum.value for datum in metrics[name]], float)
        if direction is None or not np.isfinite(values).any():
            continue
        place = int(np.nanargmax(values) if direction == "max" else np.nanargmin(values))
        epoch = metrics[name][place].step + 1  # Keras counts from 0
        return Best(name, float(values[place]), epoch, direction == "max")
    return None


def _preference(name: str) -> Any:
    return name == "loss", name.endswith("loss"), name


def best_figures(
    provider: Any, context: Any, experiment: str, runs: Iterable[str]
) -> dict[str, Best]:
    """Return the best figure of each validation run that has one.

    Args:
        provider, context, experiment: see `series.find_series`.
        runs: TensorBoard's names of validation runs.
    """
    from tensorboard.data.provider import RunTagFilter

    scalars = provider.read_scalars(
        context,
        experiment_id=experiment,
        plugin_name="scalars",
        downsample=1_000,
        run_tag_filter=RunTagFilter(runs=[*runs]),
    )
    best = {run: best_of(tags) for run, tags in scalars.items()}
    return {run: figure for run, figure in best.items() if figure is not None}
