"""The columns of TensorBoard's tab HPARAMS in the folder of a search; each trial writes a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.space import Choice, Range, Space


def write_columns(project: Path, space: Space, objectives: Sequence[str]) -> None:
    """Write the searched settings and objectives, so that the tab has a column for each."""
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
