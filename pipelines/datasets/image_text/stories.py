"""The loader of sequences of images with stories: scenes of digits, or the user's own folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.errors import UserError
from ..sources import check_single_source
from ..splits import SPLITS
from .annotated_images import read_annotated_images
from .annotation_files import AnnotationFiles
from .image_text_data import ImageFiles, ImageTextData, ImageTextItems, assemble
from .json_lines import check_keys, choice_of, text_of, texts_of
from .layout import Layout, Line
from .scene_events import BETWEEN

EMBEDDED = "scene_stories"


def load_stories(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    ready_splits: bool = True,
    encoding: str | None = None,
    found: AnnotationFiles | None = None,
) -> ImageTextData:
    """Read sequences of images and their stories. Nothing is downloaded.

    Args:
        dataset: `scene_stories` (the default); TFDS has no other dataset of stories.
        data_dir: the user's folder, see `LAYOUT` and `read_annotated_images`.
        limit: the maximum number of training sequences; the other splits shrink in proportion,
            to at least one.
        seed: selects the sequences that `limit` keeps.
        ready_splits: whether files and folders of `data_dir` named train, val, test are splits.
        encoding: the encoding of stories.jsonl; None: UTF-8, or what its byte order mark says.
        found: the result of `find_annotations`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    items = _read(dataset, data_dir, ready_splits, encoding, found)
    return assemble(items, ("sequences", "stories"), limit, seed)


def _read(
    dataset: str | None,
    data_dir: str | Path | None,
    ready_splits: bool,
    encoding: str | None,
    found: AnnotationFiles | None,
) -> ImageTextItems:
    if data_dir is not None:
        return read_annotated_images(
            data_dir, LAYOUT._replace(encoding=encoding), ready_splits, found
        )
    if dataset not in (None, EMBEDDED):
        raise UserError(
            f"--dataset {dataset}: not a dataset of stories; leave it out for {EMBEDDED}, or give"
            f" your own with --data-dir (a folder with images and {LAYOUT.file}, lines"
            f" {LAYOUT.line})"
        )
    from .scene_builder import read_scenes  # imports TensorFlow
    from .scene_stories import SceneStories

    return read_scenes(SceneStories)


def parse(entry: dict[str, Any]) -> Line:
    """Parse the JSON object of a line of stories.jsonl.

    Raises:
        ValueError: the object is not valid; the message says why.
    """
    check_keys(entry, ["images", "story"], ["descriptions", "split"])
    images, split = texts_of(entry, "images"), choice_of(entry, "split", SPLITS)
    descriptions = texts_of(entry, "descriptions") if "descriptions" in entry else []
    if descriptions and len(descriptions) != len(images):
        raise ValueError(f'{len(descriptions)} "descriptions" of {len(images)} "images"')
    return Line(images, [_story(entry)], split, descriptions)


def _story(entry: dict[str, Any]) -> str:
    if not isinstance(entry["story"], list):
        return text_of(entry, "story")
    if not (story := join_sentences(texts_of(entry, "story"))):
        raise ValueError('"story" is empty')
    return story


def join_sentences(sentences: Sequence[str]) -> str:
    """Join sentences into one text; a full stop at the end of a sentence is not doubled."""
    return BETWEEN.join(filter(None, (sentence.rstrip(" .") for sentence in sentences)))


def _load(items: Sequence[Sequence[Path]], channels: int) -> list[ImageFiles]:
    return [ImageFiles(paths, channels) for paths in items]


LAYOUT = Layout(
    file="stories.jsonl",
    line='{"images": ["a/1.jpg", "a/2.jpg"], "story": "a dog runs . it jumps"}',
    parse=parse,
    load=_load,
    item="sequence",
    text="story",
)
