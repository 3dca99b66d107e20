"""TensorBoard's HParams tab: its columns in the folder of a search, one row in each trial."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.space import Choice, Range, Space


def write_columns(project: Path, space: Space, objectives: Sequence[str]) -> None:
    """Write the searched settings and objectives, so that the tab has a column for each of them."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    suffix = f".{len(objectives)}.hparams"
    earlier = [*project.glob("*.hparams")]
    if len(earlier) == 1 and earlier[0].name.endswith(suffix):
        return
    for file in earlier:
        file.unlink()
    writer = tf.summary.create_file_writer(str(project), filename_suffix=suffix)
    with writer.as_default(step=0):
        settings = [api.HParam(name, _domain(values)) for name, values in space.items()]
        api.hparams_config(settings, [api.Metric(name) for name in objectives])
    writer.close()


def _domain(values: Choice | Range) -> Any:
    """Return the values as HParams describes them; None if their types differ, which it cannot."""
    from tensorboard.plugins.hparams import api

    if isinstance(values, Range):
        interval = api.IntInterval if isinstance(values.low, int) else api.RealInterval
        return interval(values.low, values.high)
    types = {type(value) for value in values.values}
    is_supported = len(types) == 1 and types <= {bool, int, float, str}
    return api.Discrete([*values.values]) if is_supported else None


def write_row(
    logs: Path, trial: str, hyperparameters: Mapping[str, Any], result: Mapping[str, Any]
) -> None:
    """Write the values and the score of a trial into the logs of its run, replacing earlier ones.

    Args:
        logs: the folder of event files; nothing is written if it does not exist.
        trial: the name of the trial.
        hyperparameters: the values of the searched settings.
        result: the content of result.json.
    """
    if not logs.exists():
        return
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    for earlier in logs.glob("*.hparams"):
        earlier.unlink()
    values = {name: value for name, value in hyperparameters.items() if value is not None}
    writer = tf.summary.create_file_writer(str(logs), filename_suffix=".hparams")
    with writer.as_default(step=0):
        api.hparams(values, trial_id=trial)
        if result["score"] is not None:
            tf.summary.scalar(result["objective"]["name"], result["score"])
    writer.close()
