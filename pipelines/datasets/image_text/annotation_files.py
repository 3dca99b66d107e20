"""The files in which a person names images and their texts."""

from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..data_path import data_path
from ..images.image_index import ImageIndex, shown_name
from ..left_out import LeftOut
from ..listing import printable, visible
from ..ready_splits import find_ready_splits
from ..table_files import inner_folder, near, tables_in
from ..tables.table import is_table
from .json_lines import parsed_lines
from .layout import Annotation, Annotations, Layout

_LINES = (".jsonl", ".ndjson")
_Files = dict[str, Path]  # by split; "" if the lines of one file name their splits, or none does


class AnnotationFiles(NamedTuple):
    """The lines of a person's files, and the images that they may name.

    Attributes:
        where: the folder or file that was given.
        entries: the lines whose images are there, by split; "": the lines say it, or none does.
        left_out: lines without an image, and what is no row of a table.
        images: all images of the folder.
        files: the files that were read.
        remarks: one line each.
    """

    where: Path
    entries: dict[str, list[Annotation]]
    left_out: list[LeftOut]
    images: ImageIndex
    files: list[Path]
    remarks: list[str]


def find_annotations(
    where: str | Path, layout: Layout, ready_splits: bool = True
) -> AnnotationFiles:
    """Read the lines of a person's files of images and texts, without opening an image.

    Args:
        where: a file, or a folder with one, or with ready splits: train.csv and test.csv, or a
            folder of each with such a file.
        layout: the format of the file.
        ready_splits: whether files and folders named train, val, test are splits.

    Raises:
        UserError: no such path, no file in it, several of them, a line that does not follow the
            layout, or no image that a line names.
    """
    where = data_path(where, layout.expected.removeprefix("expected "))
    if where.is_file() and not (is_table(where) or where.suffix.lower() == ".txt"):
        raise UserError(
            f"--data-dir {printable(where)}: neither a folder nor a file of {layout.text}s;"
            f" {layout.expected}"
        )
    top = inner_folder(where) if where.is_dir() else where
    index = ImageIndex(top) if where.is_dir() else ImageIndex.beside(where)
    read, errors, of_texts = [], [], []
    for files in _candidates(top, layout, ready_splits):
        try:
            read.append(_read(where, files, index, layout))
        except UserError as error:
            may_be_readme = where.is_dir() and next(iter(files.values())).suffix == ".txt"
            (of_texts if may_be_readme else errors).append(error)
    if len(read) == 1:
        return read[0]
    if read:
        names = ", ".join(printable(file.name) for found in read for file in found.files)
        raise UserError(
            f"--data-dir {printable(where)}: several files name images and {layout.text}s"
            f" ({names}); give one of them"
        )
    if errors:
        raise errors[0]
    also = " or table" if layout.read_table else ""
    raise UserError(
        f"--data-dir {printable(where)}: no {layout.file}{also} in it; {layout.expected}"
        + "".join(f" ({error})" for error in of_texts[:1])
    )


def _candidates(where: Path, layout: Layout, ready_splits: bool) -> list[_Files]:
    """Return the files that could hold the texts: each alone, or those of all ready splits."""
    if where.is_file():
        return [{"": where}]
    if (where / layout.file).is_file():
        return [{"": where / layout.file}]
    ready = find_ready_splits(where, lambda path: _lines_of(path, layout) is not None, ready_splits)
    if ready.paths:
        return [{s: file for s, path in ready.paths.items() if (file := _lines_of(path, layout))}]
    if not layout.read_table:
        return []
    if tables := tables_in(where, ready_splits):
        return [files if len(files) > 1 else {"": next(iter(files.values()))} for files in tables]
    return [{"": path} for path in visible(where) if path.suffix == ".txt" and path.is_file()]


def _lines_of(path: Path, layout: Layout) -> Path | None:
    """Return the file of lines of a split: itself, or that in its folder."""
    if path.is_dir():
        return path / layout.file if (path / layout.file).is_file() else None
    is_ours = layout.read_table is None and path.suffix.lower() in _LINES
    return path if is_ours else None


def _read(where: Path, files: _Files, index: ImageIndex, layout: Layout) -> AnnotationFiles:
    entries, left_out, remarks = {}, [], []
    for split, file in files.items():
        try:
            found = _read_file(file, index, layout)
            entries[split] = _with_images(found)
        except UserError as error:
            if split in ("", "train"):
                raise
            remarks.append(f"{error}; {printable(file.name)} is not used")
            continue
        left_out += [*found.left_out, *filter(None, map(_missing, found.entries))]
        remarks += found.remarks
    return AnnotationFiles(where, entries, left_out, index, [*files.values()], remarks)


def _with_images(found: Annotations) -> list[Annotation]:
    """Return the lines whose images are there; raise `UserError` if there are none."""
    whole = [entry for entry in found.entries if not _missing(entry)]
    if not whole and (missing := _missing(found.entries[0])):
        raise UserError(
            f"{missing.where}: no image {missing.detail!r} in the folder, nor any that another line"
            " names; check the paths"
        )
    return whole


def _missing(entry: Annotation) -> LeftOut | None:
    for name, path in zip(entry.line.images, entry.paths, strict=True):
        if isinstance(path, str):
            return LeftOut(entry.place, path, shown_name(name))
    return None


def _read_file(file: Path, index: ImageIndex, layout: Layout) -> Annotations:
    folder = near(file, index.folder)
    if layout.read_table and file.name != layout.file:
        return layout.read_table(file, index, folder)
    entries = []
    for number, line in parsed_lines(file, layout.parse, layout.line, layout.encoding):
        paths = [index.find(name, folder) for name in line.images]
        entries.append(Annotation(f"{printable(file)}:{number}", line, paths))
    if not entries:
        raise UserError(f"{printable(file)}: no line in it; expected lines {layout.line}")
    return Annotations(entries)
