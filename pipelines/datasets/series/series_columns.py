"""The columns of a table of series: time stamps, series, targets and covariates."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..listing import printable
from ..tables.columns import Role, choose_columns, known_names, list_columns, named_column
from ..tables.header import is_date, plain_name
from ..tables.rows import Table

_SAMPLE = 1_000  # cells by which a column is judged
_COMMA = re.compile(r"[-+]?\d+,\d+")  # a number with a decimal comma
MISSING = frozenset(("", "na", "n/a", "nan", "<na>", "nat", "null", "none", "-", "?", "."))

TIME = Role(
    "time",
    ("time", "date", "datetime", "timestamp", "ds", "date time", "time stamp", "day", "month",
     "year", "period", "hour", "t", "unix", "unix time", "epoch", "datum"),
    lambda cells: 2 * sum(is_date(cell.strip()) for cell in cells) > len(cells),
    optional=True,
)  # fmt: skip
ID = Role(
    "id",
    ("id", "series", "unique id", "series id", "item id", "item", "store", "sensor", "station",
     "site", "symbol", "ticker", "meter", "region"),
    optional=True,
)  # fmt: skip
TARGETS = ("y", "value", "target", "values")  # usual names


class SeriesColumns(NamedTuple):
    """The columns of tables that a person chooses; None and () are recognised.

    Attributes:
        time, targets, covariates, id: names or numbers.
        encoding: of text.
        flags: for messages, what chooses a target, a covariate and the series.
    """

    time: str | None = None
    targets: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    id: str | None = None
    encoding: str | None = None
    flags: tuple[str, str, str] = ("--target", "--covariates", "--id-column")

    @property
    def known(self) -> set[str]:
        """Names by which a header is recognised."""
        roles = [TIME._replace(chosen=self.time), ID._replace(chosen=self.id)]
        return known_names(roles) | {*TARGETS, *self.targets, *self.covariates}


class ChosenColumns(NamedTuple):
    """The indices of the columns of each kind, and a remark that says which."""

    time: int | None
    id: int | None
    targets: list[int]
    covariates: list[int]
    remark: str


def choose_series_columns(table: Table, columns: SeriesColumns) -> ChosenColumns:
    """Choose the columns of a table: by flag, else by usual names, else by what they hold.

    Raises:
        UserError: a column is missing, in doubt, or used twice.
    """
    of_target, of_covariate, of_series = columns.flags
    own = [named_column(table, name, of_target) for name in columns.targets]
    others = [named_column(table, name, of_covariate) for name in columns.covariates]
    series = _id_index(table, columns.id, {*own, *others}, of_series)
    time = _time_index(table, columns.time, series, {*own, *others})
    places = [place for place in (time, series) if place is not None]
    own = own or [_target(table, {*places, *others})]
    used = [*own, *others, *places]
    if len({*used}) < len(used):
        raise UserError(f"{table.path}: a column is chosen twice; {list_columns(table)}")
    with_flags = of_target.startswith("--")
    remark = _remark(table, time, series, own, others, with_flags=with_flags)
    return ChosenColumns(time, series, own, others, remark)


def _time_index(
    table: Table, chosen: str | None, series: int | None, taken: set[int]
) -> int | None:
    """Return the column of time stamps; None: there is none."""
    roles = [TIME._replace(chosen=chosen)]
    if series is not None:
        roles.append(ID._replace(chosen=table.columns[series]))
    index = choose_columns(table, roles).indices[0]
    return None if chosen is None and index in taken else index


def _id_index(table: Table, chosen: str | None, taken: set[int], flag: str) -> int | None:
    """Return the column that names the series; one that numbers the rows does not."""
    if chosen is not None:
        return named_column(table, chosen, flag)
    usual = {plain_name(name) for name in ID.usual}
    for index, name in enumerate(table.columns):
        if table.has_header and index not in taken and plain_name(name) in usual:
            cells = table.column(index)
            if len({*cells}) <= len(cells) / 3:
                return index
    return None


def _target(table: Table, taken: set[int]) -> int:
    """Return the one column that can be the target."""
    numeric = [i for i in range(len(table.columns)) if i not in taken and _is_numeric(table, i)]
    usual = [i for i in numeric if plain_name(table.columns[i]) in TARGETS]
    left = [i for i in range(len(table.columns)) if i not in taken]
    found = usual if table.has_header and len(usual) == 1 else numeric or left
    if len(found) == 1:
        return found[0]
    what = "several columns of numbers" if numeric else "no column of numbers"
    raise UserError(
        f"{table.path}: {what}; choose what is predicted with --target; {list_columns(table)}"
    )


def _is_numeric(table: Table, index: int) -> bool:
    cells = [row[index] for row in table.rows[:_SAMPLE]]
    numbers = [as_number(cell) for cell in cells]
    present = [number for number in numbers if number is None or not np.isnan(number)]
    return bool(present) and None not in present


def _remark(
    table: Table,
    time: int | None,
    series: int | None,
    own: list[int],
    others: list[int],
    *,
    with_flags: bool,
) -> str:
    """Return which columns are used, and which are not, and maybe the flags for those."""
    roles = {"time": [time], "series": [series], "target": own, "covariate": others}
    chosen = {role: [i for i in indices if i is not None] for role, indices in roles.items()}
    parts = [f"{role} from {_names(table, places)}" for role, places in chosen.items() if places]
    used = {place for places in chosen.values() for place in places}
    left = [i for i in range(len(table.columns)) if i not in used]
    rest = f"; not read: {_names(table, left)}" if left else ""
    if left and with_flags:
        flags = "--covariates" if series is not None else "--covariates and --id-column"
        rest += f" (see {flags})"
    return f"{table.path}: {', '.join(parts)}{rest}"


def _names(table: Table, indices: Sequence[int]) -> str:
    shown = [printable(table.columns[index]) for index in indices[:8]]
    more = f" and {len(indices) - 8} more" if len(indices) > 8 else ""
    return ", ".join(shown) + more


def numbers_of(table: Table, index: int) -> np.ndarray:
    """Return the cells of a column as float64 [T]; nan where a value is missing.

    Raises:
        UserError: a cell holds anything else than a number; the message names its line.
    """
    values = np.empty(len(table.rows))
    for place, row in enumerate(table.rows):
        number = as_number(row[index])
        if number is None:
            name = printable(table.columns[index])
            raise UserError(
                f"{table.place(place)}: {printable(row[index][:40])!r} in column {name} is not a"
                " number (write 1234.5); leave a missing value empty"
            )
        values[place] = number
    return values


def comma_remarks(table: Table, indices: Sequence[int]) -> list[str]:
    """Return a remark if commas in columns of numbers are read as decimal ones.

    Raises:
        UserError: a column has points too, so that its commas may separate thousands.
    """
    found = {}
    for index in indices:
        name = printable(table.columns[index])
        cells = [cell.strip() for cell in table.column(index)]
        places = [place for place, cell in enumerate(cells) if _COMMA.fullmatch(cell)]
        if not places:
            continue
        comma, point = cells[places[0]], next((cell for cell in cells if "." in cell[:-1]), "")
        if point:
            raise UserError(
                f"{table.place(places[0])}: column {name} holds {comma!r} and {point!r}; write all"
                " its numbers as 1234.5"
            )
        found[name] = comma
    if not found:
        return []
    where = f"column{'s' * (len(found) > 1)} {', '.join(found)}"
    return [f"{table.path}: {where}: the comma of {next(iter(found.values()))!r} is a decimal one"]


def as_number(cell: str) -> float | None:
    """Return a cell as a number, nan if it is missing, None if it is neither."""
    text = cell.strip()
    if text.casefold() in MISSING:
        return np.nan
    if _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
