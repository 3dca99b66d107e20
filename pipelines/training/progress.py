"""What a training is doing at the moment, for lines on stderr."""

import time
from typing import Any

import keras

QUIET = 3.0  # seconds after the line of an epoch


class Progress(keras.callbacks.Callback):
    """Know the current step, for `phase`.

    Args:
        has_bar: Keras shows a progress bar; only what comes before its first step is said then.
    """

    def __init__(self, has_bar: bool):
        super().__init__()
        self._has_bar = has_bar
        self._text = "preparing the training"
        self._epoch_ended = 0.0

    def begin_pretraining(self) -> None:
        """Say that the network is pretrained, until its training begins."""
        self._text = "pretraining"

    def state(self) -> str | None:
        """Return what is done now; None: that is on the screen already."""
        is_quiet = time.monotonic() - self._epoch_ended < QUIET
        return None if is_quiet else self._text or None

    def _set(self, text: str) -> None:
        self._text = "" if self._has_bar else text

    def on_train_begin(self, logs: Any = None) -> None:
        self._text = "compiling the training step"

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        steps = (self.params or {}).get("steps")
        self._set(f"epoch {self._epoch}: step {batch + 1:,}" + (f" of {steps:,}" if steps else ""))

    def on_test_begin(self, logs: Any = None) -> None:
        self._set(f"epoch {self._epoch}: measuring the validation split")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epoch_ended = time.monotonic()
