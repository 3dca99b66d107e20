"""A row of TensorBoard's tab HPARAMS: the settings of a training and its final figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.config_files import load_yaml
from ..core.console import note
from ..core.replacement import where_now
from ..core.run_folder import RunFolder
from ..core.run_results import final_figures
from .sender import reason_of

FOLDER = "hparams"  # in logs/; the tab shows all figures of a folder and of those in it


class RunRow:
    """The row of a run: the settings, and the final figures once there are any."""

    def __init__(self, run: RunFolder):
        self._run, self._has_begun = run, False

    def wake(self) -> None:
        """Note that the training has begun."""
        self._has_begun = True

    def end(self) -> None:
        """Write the row, unless nothing was trained; a failure ends no training."""
        run = where_now(self._run)
        if not (self._has_begun and run.history_file.exists()):
            return
        try:
            settings, figures = load_yaml(run.config_file), final_figures(run.results())
            settings.pop("log", None)  # where it is listed too
            write_row(run.logs / FOLDER, f"{run.task}/{run.name}", settings, figures)
        except Exception as error:
            note(f"tensorboard: the tab HPARAMS does not list this run: {reason_of(error)}")


def write_row(
    folder: Path, name: str, settings: Mapping[str, Any], figures: Mapping[str, float]
) -> None:
    """Write a row into a folder of event files, replacing an earlier one.

    Args:
        name: what the tab calls the row, different for each.
        settings: by name; those that are None are left out.
        figures: by name.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    for earlier in folder.glob("*.hparams"):
        earlier.unlink()
    values = {
        key: " ".join(value) if isinstance(value, list) else value  # the tab shows no lists
        for key, value in settings.items()
        if value is not None
    }
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=".hparams")
    with writer.as_default(step=0):
        api.hparams(values, trial_id=name)
        for figure, value in figures.items():
            tf.summary.scalar(figure, value)
    writer.close()
