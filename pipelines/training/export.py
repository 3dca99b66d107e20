"""Export a trained model to other formats; each is checked against the original's outputs."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import UserError
from ..core.requirements import EXTRAS, require_packages
from ..core.system_errors import writing

TOLERANCE = 1e-4  # maximum difference of outputs; of those above 1, relative to the largest one
DEFAULT = ("keras", "saved_model")
Row = dict[str, Any]


def check_formats(formats: str) -> list[str]:
    """Parse "keras,onnx"; raise `UserError` if a format is unknown or a package is missing."""
    names = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        got = ", ".join(unknown) or "nothing"
        raise UserError(f"--format takes {', '.join(FORMATS)} separated by commas, got {got}")
    for name in names:
        if name in EXTRAS:
            require_packages(f"--format {name}", EXTRAS[name])
    return list(dict.fromkeys(names))


@contextlib.contextmanager
def for_int8() -> Iterator[None]:
    """If the data of the run cannot be read in the block, say what exports without them."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}; --no-int8 exports to LiteRT without the data") from None


class ExportInputs(NamedTuple):
    """A batch of examples on which the outputs of two models are compared.

    Attributes:
        inputs: inputs of the serving model.
        meaning: the meaning of the core's inputs and outputs, for users of the core alone.
        meaning_file: the name of the file with `meaning`, next to the ONNX or LiteRT file.
    """

    inputs: Any
    meaning: dict[str, Any]
    meaning_file: str


class RunExamples(NamedTuple):
    """What LiteRT needs the data of a run for.

    Attributes:
        read: lets a serving model predict for examples of the validation split.
        measure: returns the figures of a serving model on examples of the test split.
        measured: the number of these examples.
    """

    read: Callable[[Any], Any]
    measure: Callable[[Any], dict[str, float]]
    measured: int


class Job(NamedTuple):
    """What is exported.

    Attributes:
        model: the serving model.
        inputs: examples on which the exported model is compared with it.
        task, name: those of the run.
        examples: the run's own examples; None: nothing is written in int8.
    """

    model: Any
    inputs: ExportInputs
    task: str
    name: str
    examples: RunExamples | None = None


class Written(NamedTuple):
    """What a format has written.

    Attributes:
        difference: the largest difference between its outputs and those of the original.
        inside: the place of the model in the folder of the format.
        quality: the figures of the original and of each form of the network, as rows.
    """

    difference: float
    inside: str = "."
    quality: Sequence[Row] = ()


class Exported(NamedTuple):
    """A model that was written in another format; the other attributes are those of `Written`."""

    format: str
    path: Path
    difference: float
    quality: Sequence[Row] = ()


def export_all(job: Job, formats: Sequence[str], folder: Path) -> Iterator[Exported]:
    """Write every format below `folder` and compare its outputs; yield each when it is done.

    Raises:
        UserError: the outputs differ, or the format lacks what the network needs; nothing of that
            format is left then.
    """
    for name in formats:
        place, write = FORMATS[name]
        with _renamed_when_complete(folder / place) as path:
            written = write(job, path)
            if not written.difference < TOLERANCE:
                raise UserError(
                    f"{name}: the exported model's outputs differ by {written.difference}"
                )
        yield Exported(name, folder / place / written.inside, written.difference, written.quality)


@contextlib.contextmanager
def _renamed_when_complete(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, for a file or folder; rename it on success."""
    temporary = path.with_name(f".writing-{path.name}")
    with writing(path, lambda: "the run itself stays as it was; --to takes another folder"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(temporary)
            yield temporary
            _remove(path)
            temporary.rename(path)
        finally:
            _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keras(job: Job, path: Path) -> Written:
    from ..models.serving import load
    from .export_comparison import arrays_of, difference

    job.model.save(path)
    outputs = load(path)(job.inputs.inputs)
    return Written(difference(arrays_of(outputs), arrays_of(job.model(job.inputs.inputs))))


def _saved_model(job: Job, path: Path) -> Written:
    from .export_saved_model import export_saved_model

    return export_saved_model(job, path)


def _onnx(job: Job, path: Path) -> Written:
    from .export_onnx import export_onnx

    return export_onnx(job, path)


def _litert(job: Job, path: Path) -> Written:
    from .export_litert import export_litert

    return export_litert(job, path)


FORMATS: dict[str, tuple[str, Callable[[Job, Path], Written]]] = {
    "keras": ("model.keras", _keras),
    "saved_model": ("saved_model", _saved_model),
    "onnx": ("onnx", _onnx),
    "litert": ("litert", _litert),
}
