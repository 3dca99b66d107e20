"""Where else a run is listed: in TensorBoard's tab HPARAMS and, with `--log`, in a tracker."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.config import TrainingConfig
from ..core.requirements import require_packages
from ..core.run_folder import RunFolder
from .hparams import RunRow
from .mlflow_store import ID_FILE
from .sender import Sender

if TYPE_CHECKING:
    from keras.callbacks import Callback


class Listing(Protocol):
    """A place where a run is listed."""

    def wake(self) -> None:
        """The training begins, or an epoch is complete; returns at once."""
        ...

    def end(self) -> None:
        """The run has ended, as its results.json says, or never began."""
        ...


def check_tracker(config: TrainingConfig) -> None:
    """Raise `UserError` if the package of the tracker is missing."""
    if config.tracking.log == "mlflow":
        require_packages("--log mlflow", ["mlflow"])


@contextlib.contextmanager
def listed(
    run: RunFolder, config: TrainingConfig, is_chief: bool = True
) -> Iterator["Callable[..., Sequence[Callback]]"]:
    """List a run during the block, and its results when the block has ended, however it ends.

    Args:
        is_chief: whether this process is the one of several workers that writes.

    Yields:
        The argument `callbacks` of `workflow.train_in`.
    """
    listings: list[Listing] = [RunRow(run), *_trackers(run, config)] if is_chief else []
    with _awake(listings) as callbacks:
        yield callbacks


@contextlib.contextmanager
def trial_listed(
    run: RunFolder, config: TrainingConfig, name: str, search: Path
) -> Iterator["Callable[..., Sequence[Callback]]"]:
    """Do the same for a training of a trial, which has its row in the tab HPARAMS already.

    Args:
        name: what the tracker calls the training.
        search: the folder of the search, inside whose run that of the trial is shown.
    """
    with _awake(_trackers(run, config, name, search)) as callbacks:
        yield callbacks


def end_killed(run: RunFolder) -> None:
    """Send to the tracker what a training that was killed could not send, also that it has ended.

    Other processes call it; nothing happens if the run has no tracker, or has ended by itself.
    """
    if not (run.path / ID_FILE).exists() or run.status != "interrupted":
        return
    from .mlflow_run import MlflowRun

    sender = Sender(MlflowRun(run))
    sender.wake()
    sender.end()


def _trackers(run: RunFolder, config: TrainingConfig, *trial: Any) -> list[Listing]:
    if config.tracking.log == "none":
        return []
    from .mlflow_run import MlflowRun

    return [Sender(MlflowRun(run, *trial))]


@contextlib.contextmanager
def _awake(listings: Sequence[Listing]) -> Iterator["Callable[..., Sequence[Callback]]"]:
    try:
        yield lambda *_: [_waking(listings)]
    finally:
        for listing in listings:
            listing.end()


def _waking(listings: Sequence[Listing]) -> "Callback":
    """Return a callback that wakes them after each epoch, when its figures are written."""
    import keras

    def wake() -> None:
        for listing in listings:
            listing.wake()

    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: wake(),
        on_epoch_begin=lambda epoch, logs: wake(),  # that of the epoch before is over
    )
