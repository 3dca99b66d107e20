"""What a model says of some examples, as a table to read after each epoch."""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

MOST = 20  # rows
WIDE = 60  # characters
# Markdown's own signs as HTML entities, which no part of a table takes for more than a character.
_ESCAPES = {ord(sign): f"&#{ord(sign)};" for sign in "\\`*_[]|~"} | {ord("\n"): "<br>"}


class TextSamples(keras.callbacks.Callback):
    """Writes a table for TensorBoard's Text tab after each epoch.

        def rows():
            return [{"text": text, "model": say(model, text)} for text in texts]

        model.fit(x, y, epochs=3, callbacks=[TextSamples(rows, "logs")])

    Args:
        rows: a function without arguments that returns the rows of the table, at most 20 of which
            are shown: dicts with the same keys, the names of the columns. Values are shown as the
            text that they are, whatever signs of Markdown or HTML it has.
        log_dir: event files go to `log_dir`/`title`.
        title: of the table.
    """

    def __init__(
        self,
        rows: Callable[[], Sequence[Mapping[str, Any]]],
        log_dir: str | Path,
        title: str = "samples",
    ):
        super().__init__()
        self.rows, self.title = rows, title
        # TensorBoard follows only the newest file of a folder, so each table has one of its own.
        self.folder = Path(log_dir) / title
        self._writer: Any = None

    def on_train_begin(self, logs=None):
        self._writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_end(self, epoch, logs=None):
        with self._writer.as_default(step=epoch + 1):
            tf.summary.text(self.title, markdown_table(self.rows()[:MOST]))
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()
        self._writer = None  # it cannot be copied


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each row, below the names of the columns; without rows, nothing.

    Beside a column of long texts the others would become too narrow to read: there, a row is one
    cell, its short values in a line above the long ones.
    """
    if not rows:
        return ""
    names = [*rows[0]]
    wide = [name for name in names if any(len(str(row[name])) > WIDE for row in rows)]
    if wide and len(names) > 1:
        return markdown_table([_stacked(row, wide) for row in rows])
    table = [names, *([row[name] for name in names] for row in rows)]
    head, *body = ["| " + " | ".join(map(_cell, line)) + " |" for line in table]
    return "\n".join([head, "| --- " * len(names) + "|", *body])


def _stacked(row, wide):
    """{all names: all values}, those of the columns `wide` below the others."""
    short = [name for name in row if name not in wide]
    first = " · ".join(f"{name}: {row[name]}" for name in short)
    long = [str(row[name]) for name in wide]
    return {" · ".join([*short, *wide]): "\n".join([first, *long] if short else long)}


def _cell(value):
    text = "\n".join(str(value).splitlines())
    return html.escape(text, quote=False).translate(_ESCAPES)
