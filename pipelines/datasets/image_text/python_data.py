"""Captions from Python: pairs, arrays and data frames, written as a folder with captions.jsonl."""

from pathlib import Path
from typing import Any

from ..images.python_data import write_lines
from ..tables.columns import IMAGE
from .caption_tables import CAPTION


def write_captions(
    data: Any, folder: Path, image_column: str | None = None, caption_column: str | None = None
) -> None:
    """Write images and captions to a folder that `load_captions` reads.

    Args:
        data: pairs (image, caption) or (image, captions), or as in `write_images`.
        folder: an empty folder. Files that are given by path are not copied.
        image_column: column of the images in a DataFrame; None: by name.
        caption_column: column of the captions in a DataFrame; None: by name.

    Raises:
        UserError: data of another kind; the message names the item.
    """
    roles = IMAGE._replace(chosen=image_column), CAPTION._replace(chosen=caption_column)
    write_lines(data, roles, folder / "captions.jsonl", _captions)


def _captions(caption: Any) -> dict[str, Any]:
    if isinstance(caption, list | tuple):
        return {"captions": [str(text) for text in caption]}
    return {"caption": str(caption)}
