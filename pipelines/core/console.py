"""Text for a person at a terminal: notes on stderr, tables on stdout, suggestions for typos.

Each call prints one line, in which nothing from data or file names acts on the terminal. `muted`
silences all of it, for the Python API: there, results are returned.
"""

import contextlib
import difflib
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar

from ...callbacks.recording.printable import printable

LONGEST_LINE = 1_600  # characters of a line of error, which may repeat a person's argument
_muted: ContextVar[bool] = ContextVar("muted", default=False)


@contextlib.contextmanager
def muted(quiet: bool = True) -> Iterator[None]:
    """Print nothing inside the block, if `quiet`."""
    token = _muted.set(quiet)
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted() -> bool:
    """Whether output is silenced in this context."""
    return _muted.get()


def keras_verbosity() -> int:
    """The `verbose` of `fit`: a progress bar on a terminal, nothing elsewhere."""
    return int(sys.stdout.isatty() and not is_muted())


def one_line(text: str) -> str:
    """Return a text as one line that does nothing to a terminal; tabs stay."""
    return "\t".join(map(printable, text.split("\t")))


def note(text: str = "") -> None:
    """Print a remark that is not a result to stderr, so that stdout can be piped."""
    if not is_muted():
        print(one_line(text), file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Print what is wrong, in one line, to stderr; the middle of a very long one is left out."""
    line = one_line(" ".join(text.splitlines()))
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
    print(f"errorflow: {line}", file=sys.stderr, flush=True)


def say(text: str = "") -> None:
    """Print a result to stdout."""
    if not is_muted():
        print(one_line(text), flush=True)


def is_terminal_input() -> bool:
    """Whether stdin is a terminal, from which nobody pipes."""
    return sys.stdin is None or sys.stdin.isatty()


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout, as wide as it needs to be: nothing is cut off."""
    if is_muted():
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in head:
        table.add_column(Text(printable(title)))
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=1000, highlight=False).print(table)


def duration_in_words(seconds: float) -> str:
    """Return an estimated time: "about 40 s", "about 3 min"."""
    if seconds < 90:
        return f"about {max(1, round(seconds, -1)):.0f} s"
    return f"about {math.ceil(seconds / 60)} min"


def suggestion(word: str, options: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the closest known word, or all of them."""
    words = [*options]
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(words)}"


def shorten(problems: Sequence[str], shown: int = 5) -> list[str]:
    """Return the first problems, and the number of the remaining ones."""
    more = len(problems) - shown
    return [*problems[:shown], *([f"and {more} more"] if more > 0 else [])]
