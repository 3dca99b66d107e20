"""Images with the captions that a model predicts, after each epoch."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from .drawing.captioned_images import CaptionedImage, caption_sheet
from .drawing.notebook_figure import NothingRecorded
from .drawing.plain_figures import image_figure
from .findings.finding import Finding, counted
from .recording.run_places import VALIDATION
from .recording.snapshot import SnapshotCallback

if TYPE_CHECKING:
    import pandas as pd

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
        log_dir: event files are written to `log_dir`/validation, as of all predictions; None: no
            files. The latest examples are kept for `plot` and `to_frame` in either case.
        title: the tag of the image.

    If `fit` is called again, epochs continue to be counted.

    Snapshots that cannot be drawn become one warning; see `drawing.captioned_images.caption_sheet`.
    """

    part = VALIDATION

    def __init__(
        self,
        snapshot: Callable[[], Sequence[CaptionedImage]],
        log_dir: str | Path | None = None,
        title: str = "pictures",
    ):
        super().__init__(snapshot, log_dir, title)
        self.title = title

    def findings(self) -> list[Finding]:
        """Return how many captions were the same as their reference in the last epoch."""
        captions = [pair for example in self._latest for pair in _pairs(example) if pair[1]]
        if not captions:
            return []
        same = sum(predicted == reference for predicted, reference in captions)
        share = f"{same:,} of {counted(len(captions), 'caption')}"
        verb = "is" if same == 1 else "are"
        text = f"{share} {verb} the same as the reference (epoch {self._latest_epoch:,})"
        evidence = {"same": same, "captions": len(captions)}
        return [Finding("", "measured", f"{share} as the reference", text, evidence)]

    def plot(self) -> Figure:
        """Return the images and captions of the last epoch, of the first 12 examples.

        Raises:
            ValueError: nothing was recorded, or it cannot be drawn.
        """
        if not len(self._latest):
            raise NothingRecorded
        return image_figure(caption_sheet(self._latest[:MAX_EXAMPLES]))

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each caption of the last epoch.

        example    int  from 1
        caption    int  its number in the example, from 1
        predicted  str  the model's caption
        reference  str  the reference; "" without one
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        rows = [
            (number, place, *pair)
            for number, example in enumerate(self._latest, start=1)
            for place, pair in enumerate(_pairs(example), start=1)
        ]
        return pd.DataFrame(rows, columns=["example", "caption", "predicted", "reference"])

    def _write(self, snapshot: Any, step: int) -> None:
        self._log.step = step
        self._log.image(self.title, caption_sheet(snapshot[:MAX_EXAMPLES]), _DESCRIPTION)


def _pairs(example: CaptionedImage) -> list[tuple[str, str]]:
    """Return the predicted captions with their references, "" where there is none."""
    return [*zip_longest(example.predicted, example.reference, fillvalue="")]


_DESCRIPTION = "The caption that the model predicts for each image and, in grey, the reference."
