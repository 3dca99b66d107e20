"""The doctor's answer about a run: its table, its pictures, and a command for the best remedy."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from ....callbacks.treatment.answer import Answer
from ...core.run_folder import RunFolder
from ...inspector import doctors
from ...inspector.doctor_table import Row, head_of, rows_of
from ..recorded import error_flow_figure, layer_gradients_figure, read_recorded
from .pictures import Picture, picture

OVER_DEPTH = {"starving", "exploding over depth", "no gradient", "dead units", "clipped"}


class Compared(NamedTuple):
    """A picture of the trainings before and after, and what it shows in words."""

    caption: str
    picture: Picture


class Doctor(NamedTuple):
    """What the doctor says of one run.

    Attributes:
        sentence: the answer in a sentence.
        table: first its head, then a row for each treatment.
        command: what trains the best treatment in full; "" if there is none.
        pictures: the figures of all trainings, and the errors of two of them.
    """

    sentence: str
    table: Sequence[Sequence[str]]
    command: str
    pictures: Sequence[Compared]


def doctor_of(run: RunFolder) -> tuple[Doctor | None, list[str]]:
    """Return the doctor's answer about a run, if there is one, and what of it cannot be shown."""
    folder = run.path / "doctor"
    if not (folder / doctors.FILE).is_file():
        return None, []
    try:
        answer = doctors.read_answer(folder)
    except ValueError as error:
        return None, [str(error)]
    damaged: list[str] = []
    table = [head_of(answer), *map(_cells, rows_of(answer))]
    pictures = [*_pictures(folder, answer, damaged)]
    return Doctor(doctors.sentence_of(answer), table, doctors.command_of(folder), pictures), damaged


def _cells(row: Row) -> list[str]:
    """Return the cells of a row: the remedy with its source, the result with its reason, …"""
    remedy = f"{row.title} ({row.source})" if row.source else row.title
    return [remedy, ": ".join(filter(None, (row.status, row.sentence))), *row.cells]


def _pictures(folder: Path, answer: Answer, damaged: list[str]) -> Iterator[Compared]:
    for show in (_figures, _errors):
        try:
            yield from show(folder, answer)
        except Exception as error:  # a damaged picture or record must not hide the rest
            damaged.append(f"the doctor's pictures: {error}")


def _figures(folder: Path, answer: Answer) -> Iterator[Compared]:
    """Yield the picture of the validation figures, which the doctor has drawn."""
    if (folder / doctors.PICTURE).is_file():
        caption = "The validation figure of each training, without and with remedies."
        yield Compared(caption, picture((folder / doctors.PICTURE).read_bytes()))


def _errors(folder: Path, answer: Answer) -> Iterator[Compared]:
    """Yield the errors of the untreated training and of the best one, side by side."""
    if answer.best is None:
        return
    best, title = "+".join(answer.best.remedies), answer.best.text
    recorded = {
        name: read_recorded(logs).series
        for name, key in (("untreated", ""), (best, best))
        if (logs := doctors.logs_of(folder, key)) is not None
    }
    if len(recorded) < 2:
        return
    over_depth = bool(OVER_DEPTH & {*answer.targets})
    figure = (layer_gradients_figure if over_depth else error_flow_figure)(recorded)
    if figure is not None:
        what = "The gradient over depth" if over_depth else "The error over time"
        caption = f"{what}, before: untreated, and after: {title}."
        yield Compared(caption, picture(_png(figure)))


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
