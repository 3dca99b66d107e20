"""The inputs of `predict`: arguments, folders, globs, tables and lines of stdin, in batches."""

import codecs
import glob
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby, islice
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UnfitFile, UserError
from ..datasets.listing import files_below, printable
from ..datasets.tables.columns import IMAGE, TEXT, Role, choose_columns, known_names
from ..datasets.tables.table import is_table, read_table
from ..datasets.utf8 import NotText, read_text, without_surrogates

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
        has_flag: whether the verb has the flag of this column.
    """

    role: Role
    expand: Callable[["Reader", str], Iterator[Input]]
    is_path: bool
    column: str | None = None
    has_flag: bool = True


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
    for is_stdin, group in groupby(arguments or [STDIN], STDIN.__eq__):
        if is_stdin:
            parts = (
                [
                    Input(line)
                    for line in lines
                    if line.strip() or (keep_blank and not reader.is_path)
                ]
                for lines in _lines_of_stdin(reader.is_path)
            )
        else:
            parts = iter([chain.from_iterable(_expanded(name, reader) for name in group)])
        for part in parts:
            rest = iter(part)
            while batch := list(islice(rest, size)):
                yield batch


def _expanded(argument: str, reader: Reader) -> Iterator[Input]:
    return _guarded(reader.expand(reader, argument), argument, reader)


def _guarded(inputs: Iterator[Input], name: str, reader: Reader) -> Iterator[Input]:
    """Yield inputs, and at last why no more of them can be read."""
    try:
        yield from inputs
    except NotText as error:  # no verb that reads inputs has --encoding
        yield Input(name, f"{error.fault}; save it as UTF-8")
    except UnfitFile as error:  # of the table's columns
        remedy = f"name the column {reader.role.name!r}"
        yield Input(name, str(error) if reader.has_flag else f"{error.fault}; {remedy}")
    except UserError as error:
        yield Input(name, str(error))
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, ~ of an unknown user
        yield Input(name, f"{printable(name)}: {_reason(error)}")


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

    def expand(reader: Reader, argument: str) -> Iterator[Input]:
        paths = _named_paths(reader, argument)
        if not paths:
            yield Input(without_surrogates(argument))
        for path in paths:
            files = [*files_below(path)]
            if not files:
                yield Input(str(path), f"{printable(path)}: nothing to predict in it")
            for file in files:
                yield from _guarded(_of_text_file(reader, file, by_line), str(file), reader)

    return Reader(TEXT, expand, False, column)


def _of_text_file(reader: Reader, path: Path, by_line: bool) -> Iterator[Input]:
    if is_table(path) or reader.column is not None:
        yield from _of_table(reader, path)
    elif by_line:
        lines = read_text(path).split("\n")
        yield from (Input(line.removesuffix("\r")) for line in lines if line.strip())
    else:
        yield Input(read_text(path))


def _named_paths(reader: Reader, argument: str) -> list[Path]:
    """Return the files and folders that an argument names; none if it is a text itself."""
    path = Path(argument) if len(argument) < 1000 and "\0" not in argument else None
    paths = []
    if path is not None and (path.suffix != "" or os.sep in argument):
        paths = [path] if _exists(path) else [Path(match) for match in _matches(argument)]
    if reader.column is not None and not paths:
        raise UserError(f"{printable(argument)}: no such file ({reader.role.flag} needs tables)")
    if path is not None and not paths and _looks_like_file(argument):
        raise UserError(f"{printable(argument)}: no such file; if it is a text, give it on stdin")
    return paths


def _looks_like_file(argument: str) -> bool:
    path = Path(argument)
    return len(argument.split()) == 1 and (is_table(path) or path.suffix.lower() == ".txt")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


# Paths


def path_reader(
    column: str | None,
    holds: Callable[[Path], bool],
    is_item: Callable[[Path], bool],
    role: Role = IMAGE,
) -> Reader:
    """Return the reader of a task on files.

    Args:
        column: the column of tables with the paths.
        holds: whether a file that is found in a folder is an input.
        is_item: whether a folder is one input, such as a folder of frames.
        role: what the column is used for.
    """

    def expand(reader: Reader, argument: str) -> Iterator[Input]:
        if not argument:
            raise UserError("an empty path; give a file or a folder")
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

    return Reader(role, expand, True, column)


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
