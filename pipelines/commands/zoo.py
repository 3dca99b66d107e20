"""`errorflow zoo`: the image models in numbers."""

import dataclasses
from collections.abc import Sequence

from ..core.config import Section
from ..core.console import print_table, say
from ..core.flags import parse_flags
from ..models import zoo


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZooConfig(Section):
    """List the image models: parameters, multiply-adds, depth, published errors."""


def command(flags: Sequence[str]) -> None:
    """Print the tables of the image models and of the contest that they were made for."""
    parse_flags(ZooConfig, flags, "errorflow zoo")
    for title, head, rows in zoo.tables():
        say()
        say(title)
        say()
        print_table(head, rows)
