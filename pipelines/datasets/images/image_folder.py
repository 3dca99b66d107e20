"""The user's own images: a folder with one sub-folder of images per class, or a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..class_folders import LabelledFiles, find_labelled_files
from ..data_path import data_path
from ..item_kinds import Kind
from ..listing import files_below, printable
from ..table_files import inner_folder, tables_in
from ..tables.table import is_table
from .image_files import read_image
from .image_formats import foreign_format, is_image
from .image_index import ImageIndex
from .image_tables import BY_NAME, Columns, LabelInDoubt, read_tables

__all__ = ["find_images", "read_image"]


def find_images(
    directory: str | Path, *, ready_splits: bool = True, columns: Columns = BY_NAME
) -> LabelledFiles:
    """Find the images of a folder with their labels; no image is opened.

    The labels are the names of folders, <class>/IMAGE or <split>/<class>/IMAGE, see
    `find_labelled_files`; or they stand in a table of paths and labels, which is the path itself or
    in the folder: metadata.csv, train.csv and test.csv, or any other. A table comes before folders
    if the names of its columns are usual or chosen.

    Args:
        directory: a person's folder, or a table.
        ready_splits: whether files and folders named train, val, test are splits.
        columns: the columns and encoding of tables.

    Raises:
        UserError: no such folder, no images where they are expected, only one class, or a table
            whose columns are in doubt.
    """
    directory = data_path(directory, KIND.layout)
    if directory.is_file():
        if not (is_table(directory) or directory.suffix.lower() == ".txt"):
            where = f"--data-dir {printable(directory)}"
            raise UserError(f"{where}: neither a folder nor a table; expected {KIND.layout}")
        index = ImageIndex.beside(directory)
        images, _ = read_tables(directory, {"train": directory}, index, columns, ready_splits)
        return images
    found = _find_in_tables(directory, columns, ready_splits)
    if found.images and found.by_name:
        return found.images
    try:
        folders = find_labelled_files(directory, KIND, ready_splits)
    except UserError as no_classes:
        if found.images:
            return found.images
        raise (found.error or no_classes) from None
    if isinstance(found.error, LabelInDoubt):
        folders.remarks.append(f"{found.error}; without it, the folders are the classes")
    return folders


class FoundInTables(NamedTuple):
    """The images of a folder's tables, or why there are none.

    Attributes:
        by_name: whether the columns were chosen by flags or usual names, not by what they hold.
    """

    images: LabelledFiles | None
    by_name: bool = False
    error: UserError | None = None


def _find_in_tables(folder: Path, columns: Columns, ready_splits: bool) -> FoundInTables:
    """Find the images that the tables in a folder name.

    Raises:
        UserError: columns are chosen or have usual names in several tables, or are chosen and in
            no table.
    """
    folder = inner_folder(folder)
    index, where = ImageIndex(folder), f"--data-dir {printable(folder)}"
    found, errors = [], []
    candidates = tables_in(folder, ready_splits)
    for paths in candidates:
        try:
            read = read_tables(folder, paths, index, columns, ready_splits)
            found.append(FoundInTables(*read))
        except UserError as error:
            errors.append(error)
    best = [entry for entry in found if entry.by_name] or found
    if len(best) == 1:
        return best[0]
    if best:
        names = ", ".join(printable(path) for paths in candidates for path in paths.values())
        errors = [UserError(f"{where}: several tables name images ({names}); give one of them")]
    if columns.are_chosen or any(entry.by_name for entry in best):
        raise errors[0] if errors else UserError(f"{where}: columns are chosen, but no table in it")
    return FoundInTables(None, error=errors[0] if errors else None)


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    return ((file, is_image(file)) for file in files_below(path))


KIND = Kind(
    "image",
    "not an image",
    "a folder with one sub-folder of images per class, or a table of paths and labels",
    _files,
    foreign_format,
)
