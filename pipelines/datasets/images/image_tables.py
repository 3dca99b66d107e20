"""The user's own images: tables of paths and labels."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..class_folders import LabelledFile, LabelledFiles
from ..left_out import LeftOut
from ..listing import printable
from ..ready_splits import SPLIT_OF
from ..table_files import SPLIT, near, row_splits
from ..tables.columns import IMAGE, LABEL, Choice, Role, choose_columns, known_names, label_texts
from ..tables.table import Table, read_table
from .image_index import ImageIndex, shown_name


class Columns(NamedTuple):
    """How a person's tables are read: the columns by name or number, and the encoding."""

    image: str | None = None
    label: str | None = None
    encoding: str | None = None

    @property
    def are_chosen(self) -> bool:
        """Whether a column is chosen."""
        return self.image is not None or self.label is not None


BY_NAME = Columns()


class LabelInDoubt(UserError):
    """The column of the images is known, that of the labels is not."""


class ImageTable(NamedTuple):
    """A table whose columns are known, and for each row the image or the reason for none.

    Attributes:
        by_name: whether the columns were chosen by flags or usual names, not by what they hold.
    """

    table: Table
    images: list[Path | str]
    names: list[str]
    labels: list[str]
    splits: list[str | None]
    remark: str
    by_name: bool


def read_image_table(path: Path, index: ImageIndex, columns: Columns, folder: str) -> ImageTable:
    """Read a table of images and labels, and find its images.

    Args:
        path: a CSV, TSV, JSON lines, JSON or Parquet file.
        index: the images.
        columns: the chosen columns.
        folder: where to look if several images have the same name.

    Raises:
        UserError: it is no table, a column is missing or in doubt, or no image of it exists.
    """
    roles = IMAGE._replace(chosen=columns.image), LABEL._replace(chosen=columns.label), SPLIT
    table = read_table(path, columns.encoding, known_names(roles))

    image_role = roles[0]._replace(fits=lambda cells: index.has_most(cells, folder))
    choice, by_name = _choose(table, image_role, roles[1])
    image, label, split = choice.indices
    names, labels = table.column(image or 0), label_texts(table.column(label or 0))
    pairs = zip(names, labels, strict=True)
    images = [index.find(name, folder, label) for name, label in pairs]
    if not any(isinstance(found, Path) for found in images):
        raise UserError(
            f"{table.place(0)}: none of the {len(names):,} images of column"
            f" {printable(table.columns[image or 0])} is in {printable(index.folder)}, first"
            f" {shown_name(names[0])!r}; check the paths, or choose the column with {IMAGE.flag}"
        )
    return ImageTable(
        table, images, names, labels, row_splits(table, split), choice.remark, by_name
    )


def _choose(table: Table, image: Role, label: Role) -> tuple[Choice, bool]:
    """Return the columns of image, label and split, and whether their names alone say them."""
    named = [role._replace(fits=lambda cells: False) for role in (image, label)]
    try:
        return choose_columns(table, [*named, SPLIT]), True
    except UserError:
        choose_columns(table, [image])  # its doubts are no doubts about the label
    try:
        return choose_columns(table, [image, label, SPLIT]), False
    except UserError as error:
        raise LabelInDoubt(str(error)) from None


def read_tables(
    directory: Path,
    paths: Mapping[str, Path],
    index: ImageIndex,
    columns: Columns,
    ready_splits: bool,
) -> tuple[LabelledFiles, bool]:
    """Read the table of each split; return their images, and whether the columns have usual names.

    A table of another split than train without usable columns, such as a competition's test.csv
    without labels, is a remark.

    Args:
        directory: the file or folder that a person gave.
        paths: {split: table}; one table may have a column of splits, or images in their folders.
        index: the images; those that no table names are left out, if `directory` is a folder.
        columns: the chosen columns.
        ready_splits: whether columns and folders of splits are used.

    Raises:
        UserError: the table of train cannot be used, or names fewer than two classes.
    """
    tables, remarks = {}, []
    for split, path in paths.items():
        try:
            tables[split] = read_image_table(path, index, columns, near(path, index.folder))
        except UserError as error:
            if split == "train":
                raise
            remarks.append(f"{error}; {printable(path.name)} is not used")
    files_of: dict[str, list[LabelledFile]] = {}
    left_out = []
    for split, table in tables.items():
        files_of.setdefault(split, [])
        remarks += [table.remark, *table.table.remarks]
        left_out += [*table.table.left_out, *_add_rows(table, split, files_of, ready_splits)]
    if [*files_of] == ["train"] and ready_splits:
        files_of = _by_folders(files_of["train"], index.folder)
    _check_classes(files_of["train"], directory)
    if directory.is_dir():
        left_out += _unnamed(index, files_of, paths)
    ready = len(files_of) > 1
    return LabelledFiles(directory, files_of, ready, remarks, left_out), tables["train"].by_name


def _add_rows(
    table: ImageTable, split: str, files_of: dict[str, list[LabelledFile]], ready_splits: bool
) -> Iterator[LeftOut]:
    """Add the images of a table to those of their splits; yield the rows that are left out."""
    rows = zip(table.images, table.labels, table.splits, strict=True)
    for number, (image, label, own) in enumerate(rows):
        if isinstance(image, str):
            yield LeftOut(table.table.place(number), image, shown_name(table.names[number]))
        elif not label:
            yield LeftOut(table.table.place(number), "no label")
        else:
            place = (own if ready_splits else None) or split
            files_of.setdefault(place, []).append(LabelledFile(image, printable(label)))


def _by_folders(files: list[LabelledFile], top: Path) -> dict[str, list[LabelledFile]]:
    """Return the files by split, if all are in folders of the names of splits."""
    splits = [_split_of_folder(file.path, top) for file in files]
    if not all(splits) or "train" not in splits:
        return {"train": files}
    files_of: dict[str, list[LabelledFile]] = {}
    for split, file in zip(splits, files, strict=True):
        files_of.setdefault(split or "train", []).append(file)
    return files_of


def _split_of_folder(path: Path, top: Path) -> str | None:
    parts = path.relative_to(top).parts if path.is_relative_to(top) else ()
    return SPLIT_OF.get(parts[0].casefold()) if len(parts) > 1 else None


def _check_classes(files: Sequence[LabelledFile], directory: Path) -> None:
    labels = sorted({file.label for file in files})
    if len(labels) < 2:
        raise UserError(
            f"--data-dir {printable(directory)}: only one class ({', '.join(labels)}) in the"
            f" table; choose the column with {LABEL.flag}, or add a second class"
        )


def _unnamed(
    index: ImageIndex, files_of: Mapping[str, list[LabelledFile]], tables: Mapping[str, Path]
) -> Iterator[LeftOut]:
    used = {file.path for files in files_of.values() for file in files}
    for path, is_image in index.files.items():
        if path not in used and path not in tables.values():
            yield LeftOut(printable(path), "not in the table" if is_image else "not an image")
