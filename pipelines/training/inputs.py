"""The inputs of `predict`: arguments, folders, globs, tables and lines of stdin, in batches."""

import codecs
import glob
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UserError
from ..datasets.listing import files_below, printable
from ..datasets.tables.columns import IMAGE, TEXT, Role, choose_columns, known_names
from ..datasets.tables.table import is_table, read_table
from ..datasets.utf8 import read_text, without_surrogates

STDIN = "-"
CHUNK = 2**16  # bytes of stdin; fewer if fewer are there, so that lines are answered as they come


class Input(NamedTuple):
    """One input, a text or a path; `fault` says why it cannot be used, "" if it can."""

    value: str
    fault: str = ""


class Reader(NamedTuple):
    """How the arguments of a task are read.

    Attributes:
        role: the column of tables that holds the inputs.
        expand: function of an argument that returns its inputs.
        is_path: whether inputs are paths.
        column: the column of tables, by name or number; None: recognised.
    """

    role: Role
    expand: Callable[["Reader", str], Iterator[Input]]
    is_path: bool
    column: str | None = None


def read_inputs(
    arguments: Sequence[str], reader: Reader, keep_blank: bool, size: int
) -> Iterator[list[Input]]:
    """Yield the inputs in batches; those of stdin as soon as they come.

    Args:
        arguments: texts, paths, globs, or "-" for the lines of stdin; without any, stdin.
        reader: how the task reads them.
        keep_blank: whether blank lines of stdin are texts; otherwise they are skipped.
        size: the largest batch.
    """
    for argument in arguments or [STDIN]:
        if argument == STDIN:
            parts = (
                [
                    Input(line)
                    for line in lines
                    if line.strip() or (keep_blank and not reader.is_path)
                ]
                for lines in _lines_of_stdin(reader.is_path)
            )
        else:
            parts = iter([_expanded(argument, reader)])
        for part in parts:
            rest = iter(part)
            while batch := list(islice(rest, size)):
                yield batch


def _expanded(argument: str, reader: Reader) -> Iterator[Input]:
    try:
        yield from reader.expand(reader, argument)
    except UserError as error:
        yield Input(argument, str(error))
    except (OSError, ValueError) as error:  # a zero byte, a name that is too long
        yield Input(argument, f"{printable(argument)}: {_reason(error)}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _lines_of_stdin(is_path: bool) -> Iterator[list[str]]:
    """Yield the complete lines of stdin that are there; the last one may have no line end."""
    stream = getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())
    rest, mark = b"", codecs.BOM_UTF8  # the mark can only be in front of the first line
    while chunk := stream.read1(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            lines[0], mark = lines[0].removeprefix(mark), b""
            yield [_decoded(line, is_path) for line in lines]
    if rest := rest.removeprefix(mark):
        yield [_decoded(rest, is_path)]


def _decoded(line: bytes, is_path: bool) -> str:
    line = line.removesuffix(b"\r")
    return os.fsdecode(line) if is_path else line.decode(errors="replace")


def _matches(pattern: str) -> list[str]:
    """Return the paths that a glob matches; none if the text is no glob."""
    if not glob.has_magic(pattern):
        return []
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - also of absolute paths


def _of_table(reader: Reader, path: Path) -> Iterator[Input]:
    """Yield the cells of a table's column; paths are relative to the table's folder."""
    role = reader.role._replace(chosen=reader.column)
    table = read_table(path, known=known_names([role]))
    (index,) = choose_columns(table, [role]).indices
    for cell in table.column(index or 0):
        yield Input(str(path.parent / cell) if reader.is_path else cell)


# Texts


def text_reader(column: str | None, by_line: bool = True) -> Reader:
    """Return the reader of a task on texts.

    An argument is a text, unless a file is there: it names a table, a file of texts, a folder of
    these, or a glob of these, with a suffix or a separator of folders.

    Args:
        column: the column of tables.
        by_line: whether each line of a file is a text, or the whole file.
    """
    return Reader(TEXT, _texts_by_line if by_line else _texts_by_file, False, column)


def _texts_by_line(reader: Reader, argument: str) -> Iterator[Input]:
    for path in _text_files(reader, argument):
        if path is None:
            yield Input(without_surrogates(argument))
        elif is_table(path) or reader.column is not None:
            yield from _of_table(reader, path)
        else:
            yield from (Input(line) for line in read_text(path).splitlines() if line.strip())


def _texts_by_file(reader: Reader, argument: str) -> Iterator[Input]:
    for path in _text_files(reader, argument):
        if path is None:
            yield Input(without_surrogates(argument))
        elif is_table(path) or reader.column is not None:
            yield from _of_table(reader, path)
        else:
            yield Input(read_text(path))


def _text_files(reader: Reader, argument: str) -> Iterator[Path | None]:
    """Yield the files that an argument names; None if it is a text itself."""
    path = Path(argument) if len(argument) < 1000 and "\0" not in argument else None
    is_named = path is not None and (path.suffix != "" or os.sep in argument)
    paths = []
    if path is not None and is_named:
        paths = [path] if _exists(path) else [Path(match) for match in _matches(argument)]
    if reader.column is not None and not paths:
        raise UserError(f"{printable(argument)}: no such file ({reader.role.flag} needs tables)")
    yield from (file for found in paths for file in files_below(found))
    if not paths:
        yield None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


# Paths


def path_reader(
    column: str | None, holds: Callable[[Path], bool], is_item: Callable[[Path], bool]
) -> Reader:
    """Return the reader of a task on files.

    Args:
        column: the column of tables with the paths.
        holds: whether a file that is found in a folder is an input.
        is_item: whether a folder is one input, such as a folder of frames.
    """

    def expand(reader: Reader, argument: str) -> Iterator[Input]:
        path = Path(argument).expanduser() if argument.startswith("~") else Path(argument)
        if path.is_dir() and not is_item(path):
            yield from _of_folder(path, holds, is_item)
        elif path.exists() and is_table(path) and not holds(path):
            yield from _of_table(reader, path)
        elif path.exists():
            yield Input(str(path))
        elif matches := _matches(argument):
            yield from (found for match in matches for found in _expanded(match, reader))
        else:
            yield Input(argument, f"{printable(argument)}: no such file or folder")

    return Reader(IMAGE, expand, True, column)


def _of_folder(
    folder: Path, holds: Callable[[Path], bool], is_item: Callable[[Path], bool]
) -> Iterator[Input]:
    """Yield the inputs in a folder, at any depth."""
    items: dict[Path, None] = {}
    for file in files_below(folder):
        if is_item(file.parent):
            items[file.parent] = None
        elif holds(file):
            items[file] = None
    if not items:
        raise UserError(f"{printable(folder)}: nothing to predict in it")
    yield from (Input(str(item)) for item in items)
