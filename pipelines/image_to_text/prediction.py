"""The texts that a trained network writes about a user's images, and drawings of them."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from ...callbacks.drawing.captioned_images import CaptionedImage, caption_sheet
from ..core.console import note
from ..core.errors import UserError
from ..core.files import atomic
from ..core.run_folder import RunFolder
from ..models.serving import load
from ..training.explanations import Explanation
from ..training.prediction import Predictor
from .image_store import store_images
from .training import best_texts, image_shape_of, sentences_below

BATCH = 16  # files or folders in memory at the same time
Shape = tuple[int, int, int]  # of the images that the network takes
Explain = Callable[[keras.Model, Sequence[np.ndarray], Mapping[str, Any]], Explanation]
ReadImages = Callable[[Path, Shape], Sequence[np.ndarray]]  # the images of a file or folder


def make_predictor(
    run: RunFolder,
    read: ReadImages,
    top: int,
    beam: int | None,
    to: Path | None,
    explain: Explain | None = None,
) -> Predictor:
    """Load the best model of a run; it writes texts, and draws each input with the best one below.

    Args:
        run: the run whose best model predicts.
        read: (path, [H, W, C]) → the images of an input.
        top: number of texts per input.
        beam: beam width; None: that of the serving model.
        to: folder for the drawings; None: in the samples of the run.
        explain: (serving model, images, row) → what the best text depends on.

    Returns:
        Its rows are {"path", "predictions": [(text, score)], "drawing": its path}.

    Raises:
        UserError: `prepare`: an input cannot be read; `answer`: a drawing cannot be written.
    """
    model = load(run.best)
    shape, is_sequence = image_shape_of(model), len(model.input_shape) == 5
    width = max(beam or model.get_layer("search").width, top)
    folder = to or run.samples / "told"  # as earlier versions call it
    drawings: list[str] = []  # the names of all so far

    def prepare(path: str) -> Sequence[np.ndarray]:
        if not Path(path).exists():
            raise UserError(f"{path}: no such file or folder")
        return read(Path(path), shape)

    def answer(
        paths: Sequence[str], items: Sequence[Sequence[np.ndarray]]
    ) -> Iterator[dict[str, Any]]:
        images = store_images(items if is_sequence else [image for (image,) in items], shape)
        _make_folder(folder)
        if not drawings:
            note(f"drawings go to {folder}")
        names = drawing_names([Path(path) for path in paths], folder, drawings)
        drawings.extend(names)
        for path, name, shown, texts, scores in zip(
            paths, names, items, *best_texts(model, images, width), strict=True
        ):
            _draw(CaptionedImage(shown, sentences_below(texts[0], len(shown))), folder / name)
            best = [*zip(texts[:top], map(float, scores), strict=False)]
            yield {"path": path, "predictions": best, "drawing": folder / name}

    def raw(images: Sequence[np.ndarray]) -> np.ndarray:
        return store_images([images] if is_sequence else images, shape).take([0])

    explained = None if explain is None else functools.partial(explain, model)
    return Predictor(prepare, answer, BATCH, explained, raw)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}; choose another --to"
        raise UserError(message) from None


def drawing_names(paths: Sequence[Path], folder: Path, earlier: Sequence[str] = ()) -> list[str]:
    """Return a file name for each drawing, after that of its input and unique.

    Args:
        paths: the inputs.
        folder: the folder of the drawings; an input in it is not written over.
        earlier: the names of earlier drawings.
    """
    names = dict.fromkeys(earlier)
    own = {path.resolve() for path in paths}
    for path in paths:
        stem = path.absolute().stem
        numbered = (f"{stem}-{number}.told.png" for number in itertools.count(2))
        free = (
            name
            for name in itertools.chain([f"{stem}.told.png"], numbered)
            if name not in names and (folder / name).resolve() not in own
        )
        names[next(free)] = None
    return [*names][len(earlier) :]


def _draw(captioned: CaptionedImage, file: Path) -> None:
    try:
        with atomic(file) as temporary:
            Image.fromarray(caption_sheet([captioned])).save(temporary)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
