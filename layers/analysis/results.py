"""What the results of the analyses have in common: a sentence, a figure and a table."""

import html
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure


class AnalysisResult:
    """The numbers of an analysis, which a notebook shows as a sentence and a figure."""

    layer: str = ""

    @property
    def sentence(self) -> str:
        """What the numbers show, in one sentence, after the name of the layer if it is known."""
        text = self._text()
        return f"{self.layer}: {text}" if self.layer else text

    def plot(self) -> "ResultFigure":
        """Return the numbers as a Matplotlib figure, which shows itself in a notebook."""
        raise NotImplementedError

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers as a tidy table."""
        raise NotImplementedError

    def _text(self) -> str:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from .pictures import png_tag  # noqa: PLC0415 — Matplotlib is imported when it is needed

        picture = png_tag(self.plot()._repr_png_(), self.sentence)
        return f"<div>{html.escape(self.sentence)}<br>{picture}</div>"


def number(value: float) -> str:
    """Format a number with two digits: 3.2e-05, 0.77, 14."""
    return f"{value:.2g}" if abs(value) < 99.5 or not np.isfinite(value) else f"{value:.3g}"


def steps_in_words(count: int) -> str:
    """Return "1 step" or "39 steps"."""
    return f"{count:,} step{'' if count == 1 else 's'}"
