"""The pictures of `predict --explain`: what each prediction depends on."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.console import note
from ..core.errors import UserError
from ..core.files import atomic
from ..core.run_folder import RunFolder
from .answers import Row, Words

LONGEST_NAME = 40  # characters of a file name; a file system allows 255 bytes
LONGEST_INPUT = 60  # characters of an input in a line
SHOWN = 5  # symbols or frames in the line of an explanation


class Explanation(NamedTuple):
    """What a prediction depends on.

    Attributes:
        name: what the file is called after, such as the input.
        picture: a PNG file; None for an input without content, such as an empty text.
        values: further entries of the row; "symbols" and "importance", ‖dy/dx‖ of each, are also
            printed.
    """

    name: str
    picture: bytes | None
    values: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class Explanations:
    """Write the pictures of explanations to a folder, each under a name of its own.

    Raises:
        UserError: the folder cannot be made.
    """

    folder: Path

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(self.folder, error) from None
        note(f"explanations go to {self.folder}")

    def explained(self, row: Row, explanation: Explanation) -> dict[str, Any]:
        """Write a picture; return the row with "explanation", its path or None, and the values.

        Raises:
            UserError: the picture cannot be written.
        """
        path = None
        if explanation.picture is not None:
            path = free_path(self.folder, explanation.name)
            try:
                with atomic(path) as temporary:
                    temporary.write_bytes(explanation.picture)
            except OSError as error:
                raise _refused(path, error) from None
        return {**row, "explanation": path, **explanation.values}


def folder_of(run: RunFolder, explain: bool, to: Path | None) -> Path | None:
    """Return the folder of the explanations; None if there are none.

    Args:
        run: the run that predicts.
        explain: whether predictions are explained.
        to: the folder that was chosen; None: that of the run.
    """
    return (to or run.explanations) if explain else None


def free_path(folder: Path, name: str) -> Path:
    """Return a path in a folder at which there is no file yet: name.png, or name-2.png …"""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:LONGEST_NAME] or "_"
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    paths = (folder / f"{each}.png" for each in names)
    return next(path for path in paths if not path.exists())


def followed_by_explanations(words: Words) -> Words:
    """Return a function that yields the lines of a batch of rows, then those on explanations."""
    return lambda rows: itertools.chain(words(rows), map(_in_words, rows))


def _in_words(row: Row) -> str:
    """A line on an explanation: the input, the picture, and what matters most."""
    name = str(next(iter(row.values())))
    name = name if len(name) <= LONGEST_INPUT else f"{name[: LONGEST_INPUT - 1]}…"
    if row["explanation"] is None:
        return f"explanation of {name}: none, the text is empty"
    return "\t".join([f"explanation of {name}: {row['explanation']}", *_most_important(row)])


def _most_important(row: Row) -> list[str]:
    """The symbols or frames with the largest values, as parts of the largest."""
    values: Sequence[Any] = row.get("importance", ())
    if not len(values) or isinstance(values[0], list) or not max(values):
        return []
    symbols = [f"{symbol!r} ({number})" for number, symbol in enumerate(row.get("symbols", ()), 1)]
    symbols = symbols or [f"frame {number}" for number in range(1, len(values) + 1)]
    order = sorted(range(len(values)), key=lambda place: -values[place])[:SHOWN]
    parts = [f"{symbols[place]} {values[place] / values[order[0]]:.2f}" for place in order]
    return [f"most important: {', '.join(parts)}"]


def _refused(path: Path, error: OSError) -> UserError:
    reason = error.strerror or error
    return UserError(f"cannot write {path}: {reason}; choose another --explain-to")
