"""The user's own images: a folder with one sub-folder of images per class."""

from collections.abc import Iterator
from pathlib import Path

from ..class_folders import Kind, LabelledFiles, find_labelled_files
from ..listing import files_below
from .image_files import is_image, read_image

__all__ = ["find_images", "read_image"]


def find_images(directory: str | Path, *, ready_splits: bool = True) -> LabelledFiles:
    """Find the images of a folder, <class>/IMAGE or, with ready splits, <split>/<class>/IMAGE.

    No image is opened; see `find_labelled_files`.

    Args:
        directory: a person's folder.
        ready_splits: whether folders named train, val, test are splits.

    Raises:
        UserError: no such folder, no images where they are expected, or only one class.
    """
    return find_labelled_files(Path(directory).expanduser(), KIND, ready_splits)


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    return ((file, is_image(file)) for file in files_below(path))


KIND = Kind("image", "not an image", "one sub-folder of images per class", _files)
