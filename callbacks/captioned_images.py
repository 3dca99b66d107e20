"""Images with the captions that a model predicts, after each epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .drawing.captioned_images import CaptionedImage, caption_sheet
from .recording.run_places import VALIDATION
from .recording.snapshot import SnapshotCallback

MAX_EXAMPLES = 12


class CaptionedImages(SnapshotCallback):
    """Writes images with predicted and reference captions to TensorBoard's Images tab.

        def captions():
            return [CaptionedImage([image], [predict(image)], [text]) for image, text in examples]

        model.fit(x, y, epochs=3, callbacks=[CaptionedImages(captions, "logs")])

    It writes when training begins and after each epoch.

    Args:
        snapshot: a function without arguments that returns the images and captions; the first 12
            examples are drawn. If it returns none, nothing is written.
        log_dir: event files are written to `log_dir`/validation, as of all predictions.
        title: the tag of the image.

    If `fit` is called again, epochs continue to be counted.

    Snapshots that cannot be drawn become one warning; see `drawing.captioned_images.caption_sheet`.
    """

    part = VALIDATION

    def __init__(
        self,
        snapshot: Callable[[], Sequence[CaptionedImage]],
        log_dir: str | Path,
        title: str = "pictures",
    ):
        super().__init__(snapshot, log_dir, title)
        self.title = title

    def _write(self, snapshot: Any, step: int) -> None:
        self._log.step = step
        self._log.image(self.title, caption_sheet(snapshot[:MAX_EXAMPLES]), _DESCRIPTION)


_DESCRIPTION = "The caption that the model predicts for each image and, in grey, the reference."
