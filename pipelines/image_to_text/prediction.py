"""What a trained network tells of a person's pictures: line by line, and drawn below them."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...callbacks.drawing.captioned_images import CaptionedImage, caption_sheet
from ..core.config import UserError
from ..core.devices import note
from ..core.files import atomic
from ..core.run_folder import Run
from ..models.serving import load
from .config import TellingPredictConfig
from .image_store import store
from .training import answer, below, shape_in

AT_ONCE = 16  # files or folders that are in memory
Shape = tuple[int, int, int]  # of the pictures that the network takes
Read = Callable[[Path, Shape], Sequence[np.ndarray]]  # the pictures in a file or folder, [H, W, C]


def lines(
    run: Run, given: Sequence[Path], read: Read, config: TellingPredictConfig
) -> Iterator[str]:
    """The best answers to each file or folder: what was given, answer, score.

    Each is drawn with the best answer below; that folder is told on stderr.

    Raises:
        UserError: what was given cannot be read, or the drawings not be written.
    """
    for path in given:  # before anything is answered
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    package = load(run.best)
    shape, several = shape_in(package), len(package.input_shape) == 5
    width = max(config.beam or package.get_layer("search").width, config.top)
    folder = config.to or run.samples / "told"
    names = _names(given, folder)
    for start in range(0, len(given), AT_ONCE):
        chosen = slice(start, start + AT_ONCE)
        found = [read(path, shape) for path in given[chosen]]
        kept = store(found if several else [one for (one,) in found], shape)
        _make(folder)
        for path, name, pictures, said, scores in zip(
            given[chosen], names[chosen], found, *answer(package, kept, width), strict=True
        ):
            _draw(CaptionedImage(pictures, below(said[0], len(pictures))), folder / name)
            for one, score in zip(said[: config.top], scores, strict=False):
                yield f"{path}\t{one}\t{score:.3f}"
    note(f"drawn: {folder / names[0]}" + (" and so on" if len(names) > 1 else ""))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = f"cannot write to {folder}: {error.strerror}; choose another --to"
        raise UserError(said) from None


def _names(given: Sequence[Path], folder: Path) -> list[str]:
    """A name for each drawing, after that of the file, that neither another one has nor, in this
    folder, a file that was given."""
    names: dict[str, None] = {}
    own = {path.resolve() for path in given}
    for path in given:
        stem = path.absolute().stem
        numbered = (f"{stem}-{number}.told.png" for number in itertools.count(2))
        free = (
            name
            for name in itertools.chain([f"{stem}.told.png"], numbered)
            if name not in names and (folder / name).resolve() not in own
        )
        names[next(free)] = None
    return [*names]


def _draw(told: CaptionedImage, file: Path) -> None:
    try:
        with atomic(file) as temporary:
            Image.fromarray(caption_sheet([told])).save(temporary)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
