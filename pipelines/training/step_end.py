"""The moment at which a training can be stopped."""

from typing import Any

import keras

from ..core.stop_request import check


class StopAtStepEnd(keras.callbacks.Callback):
    """Raises KeyboardInterrupt between two steps if this process is to stop."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        check()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        check()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        check()
