"""A table of examples and predictions, after each epoch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from .drawing.notebook_figure import NothingRecorded
from .drawing.plain_figures import text_table
from .recording.printable import literal
from .recording.run_places import VALIDATION
from .recording.snapshot import SnapshotCallback

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 20
LONG = 60  # characters of a text, beside which other columns become too narrow


class TextSamples(SnapshotCallback):
    """Writes a table to TensorBoard's Text tab after each epoch.

        def rows():
            return [{"text": text, "prediction": predict(model, text)} for text in texts]

        model.fit(x, y, epochs=3, callbacks=[TextSamples(rows, "logs")])

    Args:
        rows: a function without arguments that returns the rows of the table, of which at most 20
            are shown: dicts with the same keys, the names of the columns. Values are shown
            literally, including any signs of Markdown or HTML.
        log_dir: event files are written to `log_dir`/validation, as of all predictions; None: no
            files. The latest rows are kept for `plot` and `to_frame` in either case.
        title: the tag of the table.
    """

    part = VALIDATION
    takes_first = False

    def __init__(
        self,
        rows: Callable[[], Sequence[Mapping[str, Any]]],
        log_dir: str | Path | None = None,
        title: str = "samples",
    ):
        super().__init__(rows, log_dir, title)
        self.title = title

    def plot(self) -> Figure:
        """Return the table of the last epoch as a figure, at most 20 rows; long texts are cut.

        Raises:
            ValueError: nothing was recorded.
        """
        if not len(self._latest):
            raise NothingRecorded
        names = [*self._latest[0]]
        return text_table(names, [[row[n] for n in names] for row in self._latest[:MAX_ROWS]])

    def to_frame(self) -> "pd.DataFrame":
        """Return the rows of the last epoch, with the columns that the function `rows` gives."""
        import pandas as pd  # noqa: PLC0415 — takes half a second

        return pd.DataFrame([*self._latest])

    def _picture(self) -> str:
        """The whole texts, as a table of HTML, which escapes them."""
        return self.to_frame().head(MAX_ROWS).to_html(index=False) if len(self._latest) else ""

    def _write(self, snapshot: Any, step: int) -> None:
        self._log.step = step
        self._log.text(self.title, markdown_table(snapshot[:MAX_ROWS]))


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table with one line for each row; "" without rows.

    If there are long texts, which would make the other columns too narrow to read, each row becomes
    one cell: the short values in one line, the long texts below it.
    """
    if not rows:
        return ""
    names = [*rows[0]]
    long = [name for name in names if any(len(str(row[name])) > LONG for row in rows)]
    if long and len(names) > 1:
        return markdown_table([_stacked(row, long) for row in rows])
    table = [names, *([row[name] for name in names] for row in rows)]
    head, *body = ["| " + " | ".join(map(literal, line)) + " |" for line in table]
    return "\n".join([head, "| --- " * len(names) + "|", *body])


def _stacked(row, long):
    """{all names: all values}, the values of the columns `long` below the others"""
    short = [name for name in row if name not in long]
    first = " · ".join(f"{name}: {row[name]}" for name in short)
    texts = [str(row[name]) for name in long]
    return {" · ".join([*short, *long]): "\n".join([first, *texts] if short else texts)}
