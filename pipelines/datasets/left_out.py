"""What a reader leaves out of a person's data: each item with its place and the reason."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UserError
from .listing import printable


class LeftOut(NamedTuple):
    """One item that was left out.

    Attributes:
        where: the item's file, or file and line as `file:line`.
        reason: why, in the same words for all items of the kind, so that they can be counted.
        detail: what is particular to this item, such as the fault of a broken image.
    """

    where: str
    reason: str
    detail: str = ""


class UnreadableFile(UserError):
    """A file that cannot be used; `left_out` holds the reason."""

    def __init__(self, path: Path, reason: str, detail: str = "") -> None:
        self.left_out = LeftOut(printable(path), reason, printable(detail))
        because = f" ({self.left_out.detail})" if detail else ""
        super().__init__(f"{self.left_out.where}: {reason}{because}")


def summary(left_out: Iterable[LeftOut]) -> list[str]:
    """Return one line per reason: the number of items, the reason, and the first item."""
    by_reason = defaultdict(list)
    for item in left_out:
        by_reason[item.reason].append(item)
    return [_line(reason, items) for reason, items in by_reason.items()]


def _line(reason: str, items: list[LeftOut]) -> str:
    first = items[0]
    detail = f" ({first.detail})" if first.detail else ""
    place = f"first {first.where}" if len(items) > 1 else first.where
    return f"{len(items):,} left out: {reason}, {place}{detail}"
