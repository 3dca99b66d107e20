"""The part of a task that captions and stories share, and their verb `predict`."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import require
from ..core.run_folder import RunFolder
from ..training.inputs import Reader
from ..training.prediction import Predictor, PredictSettings, Request, predict, texts_in_words
from ..training.task import BaseTask

if TYPE_CHECKING:
    from ..datasets.image_text.layout import Layout

Shape = tuple[int, int, int]  # [H, W, C] of the images that the network takes
ReadImages = Callable[[Path, Shape], Sequence[np.ndarray]]  # the images of a file or folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageToTextPredictConfig(PredictSettings):
    """Which run, and how it searches for the best text."""

    image_column: str | None = None
    """Column of tables with the paths, by name or number (default: recognised)."""
    top: int = 1
    """Number of texts to show, the best first."""
    beam: int | None = None
    """Beam width (default: as trained, and at least --top)."""
    to: Path | None = None
    """Folder for the images with the best text drawn below (default: samples/ of the run)."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)
        require(self.beam is None or self.beam >= 1, "beam", "1 or more", self.beam)


class ImageToText(BaseTask):
    """The part of a `Task` that captions and stories have in common."""

    name: str

    def check_requirements(self, config: Any) -> None:
        from ..models.weight_source import check_source
        from ..training.text_metrics import check_installed

        check_installed(["sacrebleu"])
        check_source(config.network, "cnn")

    def layout(self, config: Any) -> "Layout":
        """Return the format of a person's files."""
        raise NotImplementedError

    def find_data(self, config: Any) -> Any:
        """Read the lines of a person's own data, and list the images."""
        from ..datasets.image_text.annotation_files import find_annotations

        data = config.data
        if data.data_dir is None:
            return None
        return find_annotations(data.data_dir, self.layout(config), data.ready_splits)

    def read_images(self, path: Path, shape: Shape, **options: Any) -> Sequence[np.ndarray]:
        """Return the images of one input, each [H, W, C]."""
        raise NotImplementedError

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str | Path],
        top: int = 1,
        beam: int | None = None,
        to: Path | None = None,
        **options: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield the best texts: {"path", "predictions": [(text, score)], "drawing": Path}.

        Args:
            run: the run whose best model predicts.
            inputs: paths of images, or of folders or videos.
            top: number of texts per input.
            beam: beam width; None: as trained.
            to: folder for the drawings, images with the best text below; None: in the run folder.
            **options: see `read_images`.
        """
        return self.predictor(run, top=top, beam=beam, to=to, **options).rows(inputs)

    def input_reader(self, column: str | None = None) -> Reader:
        """Return how images are read from arguments and files; `column` is that of tables."""
        raise NotImplementedError

    def predictor(
        self,
        run: RunFolder,
        top: int = 1,
        beam: int | None = None,
        to: Path | None = None,
        **options: Any,
    ) -> Predictor:
        """Load the best model of a run, to write texts about images."""
        from .prediction import make_predictor

        explain = self.explain_function()

        def read(path: Path, shape: Shape) -> Sequence[np.ndarray]:
            return self.read_images(path, shape, **options)

        return make_predictor(run, read, top, beam, to, explain)

    def explain_function(self) -> Any:
        """Return the function (see `make_predictor`) that explains a prediction; None if none."""
        return None

    def print_predictions(
        self,
        config: ImageToTextPredictConfig,
        arguments: Sequence[str],
        reader: Reader,
        explain: tuple[bool, Path | None] = (False, None),
        **options: Any,
    ) -> int:
        """Print the texts for all inputs; return the exit code.

        Args:
            config: the settings.
            arguments: the inputs as given.
            reader: how they are read.
            explain: whether the texts are explained, and the folder for that.
            **options: see `read_images`.
        """
        chosen = {"top": config.top, "beam": config.beam, "to": config.to} | options
        request = Request(arguments, reader, chosen, texts_in_words, config.top, *explain)
        return predict(self, config, request)
