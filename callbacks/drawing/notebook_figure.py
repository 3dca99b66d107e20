"""The figure that all plots of the callbacks are drawn in: a notebook shows it."""

import io

from matplotlib.figure import Figure


class NothingRecorded(ValueError):
    """There is nothing to draw."""

    def __init__(
        self, text: str = "plot: nothing was recorded; train with the callback first"
    ) -> None:
        super().__init__(text)


class NotebookFigure(Figure):
    """A Matplotlib figure that a notebook shows without a magic command and without pyplot.

    With `%matplotlib inline` Jupyter's own format takes the place of `_repr_png_`, so there is one
    picture in either case. No list of open figures holds it: it is gone when nobody refers to it.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
