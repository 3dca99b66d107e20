"""The text of a file of any size: kept in memory or, if it is large, read again in each pass."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.paths import is_open_pipe
from .stored import is_large
from .utf8 import lines_of, read_text, text_blocks

_HEAD = 2**24  # characters by which the kind of a text is recognised


class TextSource:
    """A text that can be read several times.

    Args:
        blocks: blocks of whole lines, which each iteration yields anew.

    Attributes:
        head: the first lines.
        is_blank: whether there is nothing but whitespace.
        has_quotes: whether there is a double quote.
        has_tabs: whether there is a tab.
    """

    def __init__(self, blocks: Iterable[str]) -> None:
        self._blocks = blocks
        self.head, self.is_blank, self.has_quotes, self.has_tabs = "", True, False, False
        for block in blocks:
            self.head += block if len(self.head) < _HEAD else ""
            self.is_blank = self.is_blank and (not block or block.isspace())
            self.has_quotes = self.has_quotes or '"' in block
            self.has_tabs = self.has_tabs or "\t" in block

    def lines(self) -> Iterator[str]:
        r"""Yield the lines, without \n."""
        return lines_of(self._blocks)


class _FileBlocks:
    """The blocks of a file, which each iteration reads anew."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._open = functools.partial(text_blocks, path, encoding)

    def __iter__(self) -> Iterator[str]:
        return self._open()


def text_source(path: Path, encoding: str | None = None) -> TextSource:
    """Return the text of a file.

    Raises:
        UserError: the file cannot be read, or has a byte that is not text; the message names the
            line. A large text is read once to find that out.
    """
    if is_open_pipe(path):  # it can be read once only
        return TextSource([read_text(path, encoding)])
    kept: list[str] = []
    size = 0
    for block in text_blocks(path, encoding):
        kept.append(block)
        size += len(block)
        if is_large(size):
            return TextSource(_FileBlocks(path, encoding))
    return TextSource(kept)
