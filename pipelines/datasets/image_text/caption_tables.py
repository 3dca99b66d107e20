"""The user's own captions: tables of images and captions, and COCO's JSON files."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...core.errors import UserError
from ..images.image_index import ImageIndex
from ..left_out import LeftOut
from ..listing import printable
from ..table_files import SPLIT, row_splits
from ..tables.columns import IMAGE, Role, choose_columns, holds_text, is_missing, known_names
from ..tables.table import read_table
from ..utf8 import collapse_whitespace, read_text
from .layout import Annotation, Annotations, Line

CAPTION = Role(
    "caption",
    ("caption", "captions", "text", "sentence", "sentences", "description", "comment", "raw"),
    holds_text,
)


class Columns(NamedTuple):
    """How a person's tables are read: the columns by name or number, and the encoding."""

    image: str | None = None
    caption: str | None = None
    encoding: str | None = None


BY_NAME = Columns()


def read_caption_table(
    path: Path, index: ImageIndex, near: str, columns: Columns, ready_splits: bool
) -> Annotations:
    """Read a table of images and captions; an image may have several rows.

    A cell of captions may be a JSON list. Files such as COCO's captions_val2017.json, with "images"
    and "annotations", are read too.

    Args:
        path: a CSV, TSV, JSON lines, JSON or Parquet file.
        index: the images.
        near: the folder that comes first if several images have the same name.
        columns: the chosen columns.
        ready_splits: whether a column of splits is used.

    Raises:
        UserError: it is no table, or a column is missing or in doubt.
    """
    if (coco := _coco(path, columns.encoding)) is not None:
        lines = [Line([name], [text], None, []) for name, text in coco]
        entries = [Annotation(printable(path), x, [index.find(x.images[0], near)]) for x in lines]
        return Annotations(entries)
    image = IMAGE._replace(
        chosen=columns.image, fits=lambda cells: any(cells) and index.has_most(cells, near)
    )
    roles = [image, CAPTION._replace(chosen=columns.caption), SPLIT]
    table = read_table(path, columns.encoding, known_names(roles))
    choice = choose_columns(table, roles)
    names, texts = (table.column(column or 0) for column in choice.indices[:2])
    splits = row_splits(table, choice.indices[2] if ready_splits else None)
    entries, left_out = [], list(table.left_out)
    for number, (name, cell, split) in enumerate(zip(names, texts, splits, strict=True)):
        place = table.place(number)
        if captions := _captions(cell):
            line = Line([name], captions, split, [])
            entries.append(Annotation(place, line, [index.find(name, near)]))
        else:
            left_out.append(LeftOut(place, "no caption"))
    if not entries:
        raise UserError(f"{table.path}: no caption in it")
    return Annotations(entries, [choice.remark, *table.remarks], left_out)


def _captions(cell: str) -> list[str]:
    """Return the captions of a cell: its text, or those of a JSON list of texts."""
    texts = [cell]
    if cell.lstrip().startswith('["'):
        with contextlib.suppress(ValueError, RecursionError):
            texts = [str(text) for text in json.loads(cell)]
    return [printable(collapse_whitespace(text)) for text in texts if not is_missing(text)]


def _coco(path: Path, encoding: str | None) -> list[tuple[str, str]] | None:
    """Return the images and captions of a file like COCO's; None for other files."""
    if path.suffix.lower() != ".json":
        return None
    try:
        value = json.loads(read_text(path, encoding, any_length=True))
    except (ValueError, RecursionError):
        return None
    if not (isinstance(value, dict) and {"images", "annotations"} <= value.keys()):
        return None
    try:
        return list(_pairs(value))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{printable(path)}: no captions as in COCO ({type(error).__name__}: {error})"
        ) from None


def _pairs(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = {image["id"]: str(image["file_name"]) for image in value["images"]}
    for annotation in value["annotations"]:
        text = printable(collapse_whitespace(str(annotation["caption"])))
        if text:
            yield names[annotation["image_id"]], text
