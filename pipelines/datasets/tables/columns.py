"""Choosing the columns of a table: by flag, by their usual names, or by what they hold."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from ...core.errors import UnfitFile, UserError
from ..listing import printable
from .header import is_date, is_file_name, is_number, plain_name
from .rows import Table

_SAMPLE = 2_000  # cells by which a column is judged
_SHOWN = 30  # characters of a cell in a message

Cells = Sequence[str]


class MissingColumn(UnfitFile):
    """A table without a column that could be of a role."""


class Role(NamedTuple):
    """What a column is used for.

    Attributes:
        name: "text"; its flag is `--text-column`.
        usual: usual names of such a column. The first wins over the others; two of the others
            leave a doubt.
        fits: whether a column without a usual name could be it, by a sample of its cells.
        chosen: the name or number that a person gave with the flag.
        optional: nothing is wrong if there is no such column.
    """

    name: str
    usual: tuple[str, ...]
    fits: Callable[[Cells], bool] = lambda cells: False
    chosen: str | None = None
    optional: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name.replace(' ', '-')}-column"


class Choice(NamedTuple):
    """The index of each role's column, None for an optional one, and one line that says which."""

    indices: list[int | None]
    remark: str


def holds_text(cells: Cells) -> bool:
    """Whether cells are mostly different, and words rather than numbers, dates or file names."""
    present = [cell for cell in cells if cell]
    if not present or len({*present}) < len(present) / 3:
        return False
    plain = [c for c in present if is_number(c) or is_date(c) or is_file_name(c) or _is_id(c)]
    return len(plain) < len(present) / 2


def holds_labels(cells: Cells) -> bool:
    """Whether cells repeat at least two values, each three times in the mean."""
    present = [cell for cell in cells if cell]
    return 2 <= len({*present}) <= len(present) / 3 and max(map(len, present)) <= 100


def _is_id(cell: str) -> bool:
    """Whether a cell is a mark such as tt0111161, 3f2a-77 or https://..."""
    has_digit = re.search(r"\d", cell) is not None
    return " " not in cell and (has_digit or "://" in cell) and len(cell) > 3


TEXT = Role(
    "text",
    ("text", "sentence", "review", "content", "document", "comment", "message", "tweet", "body",
     "phrase", "description", "article", "post", "question", "review text", "name", "surname",
     "word", "item"),
    holds_text,
)  # fmt: skip
LABEL = Role(
    "label",
    ("label", "labels", "class", "category", "target", "sentiment", "topic", "genre", "y",
     "language", "polarity", "rating", "stars", "class name", "label name", "intent", "emotion",
     "country", "class index", "diagnosis", "species"),
    holds_labels,
)  # fmt: skip
IMAGE = Role(
    "image",
    ("image", "file", "path", "filename", "file name", "filepath", "file path", "image path",
     "image file", "image name", "image id", "img", "picture", "photo", "filenames", "images"),
    lambda cells: any(cells) and all(is_file_name(cell) for cell in cells if cell),
)  # fmt: skip


def known_names(roles: Collection[Role]) -> set[str]:
    """Return the usual and the chosen names of columns, by which a header is recognised."""
    names = {name for role in roles for name in role.usual}
    return names | {role.chosen for role in roles if role.chosen and not role.chosen.isdigit()}


def choose_columns(table: Table, roles: Sequence[Role]) -> Choice:
    """Choose the column of each role: by flag, else by a usual name, else by what it holds.

    Raises:
        UserError: there is no such column, or more than one: the message lists the columns and
            names the flag.
    """
    taken: dict[str, int] = {}
    for role in roles:
        if role.chosen is not None:
            taken[role.name] = named_column(table, role.chosen, role.flag)
    if len({*taken.values()}) < len(taken):
        flags = " and ".join(role.flag for role in roles if role.chosen is not None)
        raise UserError(f"{table.path}: {flags} name the same column; choose two")
    for role in roles:
        if role.name not in taken and (index := _by_name(table, role, taken)) is not None:
            taken[role.name] = index
    waiting = [role for role in roles if role.name not in taken]
    for role in sorted(waiting, key=lambda role: len(_fitting(table, role, taken)) != 1):
        if (index := _by_content(table, role, taken)) is not None:
            taken[role.name] = index
    return Choice([taken.get(role.name) for role in roles], _remark(table, roles, taken))


def named_column(table: Table, chosen: str, flag: str) -> int:
    """Return the index of the column that a flag names: its name, or else its number from 1.

    Raises:
        UserError: there is no such column.
    """
    same = [i for i, name in enumerate(table.columns) if name == chosen]
    alike = [i for i, name in enumerate(table.columns) if plain_name(name) == plain_name(chosen)]
    if same or len(alike) == 1:
        return (same or alike)[0]
    if chosen.isdecimal() and 1 <= int(chosen) <= len(table.columns):
        return int(chosen) - 1
    raise UserError(f"{table.path}: no column {printable(chosen)} ({flag}); {list_columns(table)}")


def _by_name(table: Table, role: Role, taken: dict[str, int]) -> int | None:
    if not table.has_header:
        return None
    usual = [plain_name(name) for name in role.usual]
    found = {
        index: plain_name(name)
        for index, name in enumerate(table.columns)
        if index not in taken.values() and plain_name(name) in usual
    }
    if not found:
        return None
    best = [index for index, name in found.items() if name == usual[0]]
    if len(best) == 1 or len(found) == 1:
        return (best or [*found])[0]
    raise UnfitFile(*_doubt(table, role, [*found]))


def _fitting(table: Table, role: Role, taken: dict[str, int]) -> list[int]:
    """Return the free columns that could be of a role by what they hold."""
    free = [index for index in range(len(table.columns)) if index not in taken.values()]
    sample = table.rows[:_SAMPLE]
    return [index for index in free if role.fits([row[index] for row in sample])]


def _by_content(table: Table, role: Role, taken: dict[str, int]) -> int | None:
    fitting = _fitting(table, role, taken)
    if len(fitting) == 1:
        return fitting[0]
    if role.optional:
        return None
    free = [index for index in range(len(table.columns)) if index not in taken.values()]
    if len(free) == 1 and not all(is_number(row[free[0]]) for row in table.rows[:_SAMPLE]):
        return free[0]  # nothing else is left
    kind = UnfitFile if fitting else MissingColumn
    raise kind(*_doubt(table, role, fitting))


def _doubt(table: Table, role: Role, candidates: Sequence[int]) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    names = " or ".join(_shown(table, index) for index in candidates)
    which = f"{names} could be the {role.name}" if names else f"no column for the {role.name}"
    return f"{table.path}: {which}", f"choose it with {role.flag}; {list_columns(table)}"


def list_columns(table: Table) -> str:
    """Return the names of a table's columns, or their numbers and first cells, for messages."""
    shown = [_shown(table, index) for index in range(len(table.columns))]
    more = f", and {len(shown) - 20} more" if len(shown) > 20 else ""
    return f"columns: {', '.join(shown[:20])}{more}"


def _shown(table: Table, index: int) -> str:
    """Return a column's name, or its number and its first cell."""
    if table.has_header:
        return printable(table.columns[index])
    cell = printable(table.rows[0][index])
    short = cell if len(cell) <= _SHOWN else f"{cell[: _SHOWN - 1]}…"
    return f"{index + 1} ({short!r})"


def _remark(table: Table, roles: Sequence[Role], taken: dict[str, int]) -> str:
    parts = [
        f"{role.name} from column {printable(table.columns[taken[role.name]])}"
        for role in roles
        if role.name in taken
    ]
    return f"{table.path}: {', '.join(parts)}"


def without_repetitions(remarks: Iterable[str]) -> list[str]:
    """Return remarks `file: remark` without those that are true of an earlier file too."""
    first = {}
    for remark in remarks:
        first.setdefault(remark.rpartition(": ")[2], remark)
    return [*first.values()]


def is_missing(cell: str) -> bool:
    """Whether a cell holds no value: blank, or as pandas and numpy write a missing number."""
    return not cell or cell.isspace() or cell in ("NaN", "<NA>")


def label_texts(cells: Sequence[str]) -> list[str]:
    """Return labels as text: stripped, and whole numbers without ".0" if all are numbers."""
    stripped = ["" if is_missing(cell) else cell.strip() for cell in cells]
    is_whole = all(re.fullmatch(r"[-+]?\d+(\.0*)?", cell) for cell in stripped if cell)
    return [cell.partition(".")[0] for cell in stripped] if is_whole else stripped
