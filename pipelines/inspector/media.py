"""Images and texts that the callbacks write: attention, captioned images, feature maps, samples."""

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

IMAGES, TEXTS = "images", "text"  # TensorBoard's plugins
PNG = b"\x89PNG\r\n\x1a\n"
MOST = 100  # images or texts of one tag

# The callbacks describe their images. What charts show better is left out.
_KINDS = {
    "attention": re.compile("Each row is an output, each column an input"),
    "captioned_images": re.compile("The caption that the model|What the model says of each"),
    "feature_maps": re.compile("(Feature maps|Maps) of "),
    "gates": re.compile("How open each gate is"),
}
_TITLES = {
    "attention": "Attention",
    "captioned_images": "Captioned images",
    "feature_maps": "Feature maps",
    "samples": "Samples",
    "warnings": "Warnings",
}
_USUAL_TAGS = ("attention", "feature_maps", "pictures", "samples", "warnings")


class Medium(NamedTuple):
    """The images or texts that one callback writes under one tag.

    Attributes:
        run: TensorBoard's name of the run.
        type: "image" or "text".
        tag: the tag.
        kind: "attention", "captioned_images", "feature_maps", "gates", "samples" or "warnings".
        title: what it is called in the tab.
        latest: the step of the last one: an epoch, of warnings a training step.
    """

    run: str
    type: str
    tag: str
    kind: str
    title: str
    latest: int


def find_media(provider: Any, context: Any, experiment: str) -> list[Medium]:
    """Return all images and texts of the callbacks, sorted by run and tag."""
    place = {"experiment_id": experiment}
    images = provider.list_blob_sequences(context, plugin_name=IMAGES, **place)
    texts = provider.list_tensors(context, plugin_name=TEXTS, **place)
    return sorted([*_images(images), *_texts(texts)])


def _images(by_run: Any) -> Iterator[Medium]:
    for run, tags in by_run.items():
        for tag, about in tags.items():
            matching = (kind for kind, text in _KINDS.items() if text.match(about.description))
            if kind := next(matching, None):
                yield _medium(run, "image", tag, kind, about)


def _texts(by_run: Any) -> Iterator[Medium]:
    for run, tags in by_run.items():
        for tag, about in tags.items():
            kind = "warnings" if tag == "warnings" else "samples"
            yield _medium(run, "text", tag, kind, about)


def _medium(run, kind_of_data, tag, kind, about) -> Medium:
    title = _TITLES[kind] if tag in _USUAL_TAGS else tag
    return Medium(run, kind_of_data, tag, kind, title, about.max_step)


class Image(NamedTuple):
    """An image that was written at a step; `key` is TensorBoard's of its content."""

    step: int
    width: int
    height: int
    key: str


def read_images(provider: Any, context: Any, experiment: str, run: str, tag: str) -> list[Image]:
    """Return the images under a tag, sorted by step."""
    data = provider.read_blob_sequences(
        context, plugin_name=IMAGES, **_filter(experiment, run, tag)
    )
    found = []
    for datum in data.get(run, {}).get(tag, []):
        sizes, images = datum.values[:2], datum.values[2:]
        width, height = (int(provider.read_blob(context, blob_key=s.blob_key)) for s in sizes)
        found += [Image(datum.step, width, height, image.blob_key) for image in images]
    return found


def read_texts(
    provider: Any, context: Any, experiment: str, run: str, tag: str
) -> list[tuple[int, str]]:
    """Return the texts under a tag, each with its step; they are Markdown."""
    data = provider.read_tensors(context, plugin_name=TEXTS, **_filter(experiment, run, tag))
    return [
        (datum.step, "\n".join(_decoded(text) for text in datum.numpy.ravel()))
        for datum in data.get(run, {}).get(tag, [])
    ]


def read_png(provider: Any, context: Any, key: str) -> bytes:
    """Return the content of an image.

    Raises:
        KeyError: there is no PNG image of this key.
    """
    try:
        content = provider.read_blob(context, blob_key=key)
    except Exception:  # each loader raises others for a key that it has not made
        content = b""
    if not content.startswith(PNG):
        raise KeyError(f"image {key}")
    return content


def _filter(experiment: str, run: str, tag: str) -> dict[str, Any]:
    from tensorboard.data.provider import RunTagFilter

    chosen = RunTagFilter(runs=[run], tags=[tag])
    return {"experiment_id": experiment, "downsample": MOST, "run_tag_filter": chosen}


def _decoded(text: Any) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


_CELLS = re.compile(r"\s*\|\s*")
_LINE = re.compile(r"(\|\s*---\s*)+\|")


def table_of(markdown: str) -> list[list[str]] | None:
    """Return the cells of a table that `TextSamples` has written, first its head; None: it is none.

    Cells are plain text, with line ends.
    """
    lines = markdown.splitlines()
    if len(lines) < 2 or not _LINE.fullmatch(lines[1]):
        return None
    return [[plain(cell) for cell in _cells(line)] for line in (lines[0], *lines[2:])]


def _cells(line: str) -> list[str]:
    return _CELLS.split(line.strip().removeprefix("|").removesuffix("|").strip())


def plain(markdown: str) -> str:
    """Return what `literal` in `callbacks.recording.printable` was made of."""
    return html.unescape(markdown.replace("<br>", "\n"))
