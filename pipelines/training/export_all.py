"""Export a trained model to other formats; each is checked against the original's outputs."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..core.errors import UserError
from ..core.system_errors import writing
from ..models.serving import load
from .export import PLACES, TOLERANCE, Exported, Job, Written
from .export_comparison import arrays_of, difference
from .export_litert import export_litert
from .export_onnx import export_onnx
from .export_saved_model import export_saved_model


def export_all(job: Job, formats: Sequence[str], folder: Path) -> Iterator[Exported]:
    """Write every format below `folder` and compare its outputs; yield each when it is done.

    Raises:
        UserError: the outputs differ, or the format lacks what the network needs; nothing of that
            format is left then.
    """
    for name in formats:
        place = folder / PLACES[name]
        with _renamed_when_complete(place) as path:
            written = _WRITERS[name](job, path)
            if not written.difference < TOLERANCE:
                raise UserError(
                    f"{name}: the exported model's outputs differ by {written.difference}"
                )
        where = place / written.inside
        yield Exported(name, where, written.difference, written.quality, written.left_out)


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
    job.model.save(path)
    outputs = load(path)(job.inputs.inputs)
    return Written(difference(arrays_of(outputs), arrays_of(job.model(job.inputs.inputs))))


_WRITERS: dict[str, Callable[[Job, Path], Written]] = {
    "keras": _keras,
    "saved_model": export_saved_model,
    "onnx": export_onnx,
    "litert": export_litert,
}
