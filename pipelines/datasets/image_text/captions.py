"""The loader of images with captions: scenes of digits, a TFDS dataset, or the user's folder."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..sources import check_single_source
from ..splits import SPLITS
from .annotated_images import read_annotated_images
from .annotation_files import AnnotationFiles
from .caption_tables import BY_NAME, Columns, read_caption_table
from .image_text_data import ImageFiles, ImageTextData, ImageTextItems, assemble
from .json_lines import check_keys, choice_of, text_of, texts_of
from .layout import Layout, Line

EMBEDDED = "scene_captions"


def load_captions(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    ready_splits: bool = True,
    columns: Columns = BY_NAME,
    found: AnnotationFiles | None = None,
) -> ImageTextData:
    """Read images and captions. Nothing is downloaded.

    Args:
        dataset: `scene_captions` (the default), or a prepared TFDS dataset such as `coco_captions`.
        data_dir: the user's folder, see `LAYOUT` and `read_annotated_images`.
        limit: the maximum number of training images; the other splits shrink in proportion,
            to at least one.
        seed: selects the images that `limit` keeps.
        ready_splits: whether files and folders of `data_dir` named train, val, test are splits.
        columns: the columns and encoding of tables in `data_dir`.
        found: the result of `find_annotations`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    items = _read(dataset, data_dir, ready_splits, columns, found)
    return assemble(items, ("images", "captions"), limit, seed)


def _read(
    dataset: str | None,
    data_dir: str | Path | None,
    ready_splits: bool,
    columns: Columns,
    found: AnnotationFiles | None,
) -> ImageTextItems:
    if data_dir is not None:
        return read_annotated_images(data_dir, layout(columns, ready_splits), ready_splits, found)
    if dataset in (None, EMBEDDED):
        from .scene_builder import read_scenes  # imports TensorFlow
        from .scene_captions import SceneCaptions

        return read_scenes(SceneCaptions)
    from . import tfds_captions  # imports TensorFlow

    return tfds_captions.read(dataset)


def parse(entry: dict[str, Any]) -> Line:
    """Parse the JSON object of a line of captions.jsonl.

    Raises:
        ValueError: the object is not valid; the message says why.
    """
    check_keys(entry, ["image"], ["caption", "captions", "split"])
    if ("caption" in entry) == ("captions" in entry):
        raise ValueError('one of "caption" and "captions" is needed')
    captions = texts_of(entry, "captions") if "captions" in entry else [text_of(entry, "caption")]
    return Line([text_of(entry, "image")], captions, choice_of(entry, "split", SPLITS), [])


def _load(items: Sequence[Sequence[Path]], channels: int) -> ImageFiles:
    return ImageFiles([path for (path,) in items], channels)


LAYOUT = Layout(
    file="captions.jsonl",
    line='{"image": "a.jpg", "caption": "a dog on a beach"}',
    parse=parse,
    load=_load,
    item="image",
    text="caption",
)


def layout(columns: Columns = BY_NAME, ready_splits: bool = True) -> Layout:
    """Return the layout of a person's captions, with tables read by these columns."""
    read = functools.partial(read_caption_table, columns=columns, ready_splits=ready_splits)
    return LAYOUT._replace(read_table=read, encoding=columns.encoding)
