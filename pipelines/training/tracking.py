"""`--log`: copy a run to an experiment tracker while it is trained."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..core.config import TrainingConfig
from ..core.requirements import require_packages
from ..core.run_folder import RunFolder
from .sender import Sender

if TYPE_CHECKING:
    from keras.callbacks import Callback


def check_tracker(config: TrainingConfig) -> None:
    """Raise `UserError` if the package of the tracker is missing."""
    if config.tracking.log == "mlflow":
        require_packages("--log mlflow", ["mlflow"])


@contextlib.contextmanager
def tracked(
    run: RunFolder, config: TrainingConfig, is_chief: bool = True
) -> Iterator[Callable[..., "Sequence[Callback]"]]:
    """Send a run to the tracker during the block, and its results when the block has ended.

    Args:
        is_chief: whether this process is the one of several workers that writes.

    Yields:
        The argument `callbacks` of `workflow.train_in`; until the training begins, nothing is sent.
    """
    if config.tracking.log == "none" or not is_chief:
        yield lambda *_: ()
        return
    from .mlflow_run import MlflowRun

    sender = Sender(MlflowRun(run))
    try:
        yield lambda *_: [_waking(sender)]
    finally:
        sender.end()


def _waking(sender: Sender) -> Any:
    """Return a callback that wakes the sender after each epoch, when its figures are written."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: sender.wake(),
        on_epoch_begin=lambda epoch, logs: sender.wake(),
    )
