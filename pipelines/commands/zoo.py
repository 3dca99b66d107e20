"""`errorflow zoo`: the image models in numbers."""

from collections.abc import Sequence

from ..core.console import print_table, say
from ..core.errors import UserError
from ..models import zoo


def command(arguments: Sequence[str]) -> None:
    """Print the tables of the image models and of the contest that they were made for."""
    if arguments:
        raise UserError("errorflow zoo takes no arguments")
    for title, head, rows in zoo.tables():
        say(f"\n{title}\n")
        print_table(head, rows)
