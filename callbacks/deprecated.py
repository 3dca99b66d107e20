"""Names of the first edition; `errorflow.callbacks` warns when one of them is imported."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .captioned_images import CaptionedImages
from .drawing.captioned_images import CaptionedImage


class TellPictures(CaptionedImages):
    """Deprecated: use `CaptionedImages`."""

    def __init__(
        self,
        look: Callable[[], Sequence[CaptionedImage]],
        log_dir: str | Path,
        title: str = "pictures",
    ):
        super().__init__(look, log_dir, title)


def Told(  # a class in the first edition
    pictures: Sequence[np.ndarray], said: Sequence[str], right: Sequence[str] = ()
) -> CaptionedImage:
    """Deprecated: use `CaptionedImage`."""
    return CaptionedImage(pictures, said, right)
