"""The saved plots of a run that no chart of the report shows, and what is seen in them."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....callbacks.findings.finding import counted
from ...core.errors import DamagedFile, brief
from ...core.files import read_text
from ...core.run_folder import RunFolder, read_history
from .pictures import Picture, picture

CHARTED = (
    "error_flow",
    "layer_gradients",
    "depth_flow",
    "gates",
)  # plots that have the name of a kind


class SavedPlot(NamedTuple):
    """A picture of a run folder.

    Attributes:
        kind: the kind of record that it shows; "" if charts do not show the same.
        title: what kind of plot it is.
        caption: what it says, in a sentence.
        alt: what is seen in it.
        picture: the picture itself.
    """

    kind: str
    title: str
    caption: str
    alt: str
    picture: Picture


def saved_plots(run: RunFolder) -> tuple[list[SavedPlot], list[str]]:
    """Return the plots of a run, and a sentence about each file that cannot be shown."""
    plots, damaged = [], []
    for path in sorted(run.plots.glob("*.png")):
        try:
            plots.append(_saved_plot(run, path))
        except (OSError, ValueError) as error:
            damaged.append(f"{path.name}: {error}")
    return sorted(plots, key=lambda plot: plot.title != _CURVES), damaged


def _saved_plot(run: RunFolder, path: Path) -> SavedPlot:
    if not path.is_file():
        raise ValueError("it is not a regular file")
    shown = picture(path.read_bytes())
    title, (caption, alt) = _title(path.stem), _in_words(run, path)
    kind = path.stem if path.stem in CHARTED else ""
    return SavedPlot(kind, title, caption or f"{title}.", alt or f"{title}.", shown)


_CURVES = "Learning curves"
_TITLES = {
    "curves": _CURVES,
    "confusion": "Confusion matrix, test split",
    "confusion_validation": "Confusion matrix, validation split",
    "error_flow": "Error over time",
    "layer_gradients": "Gradient over depth",
    "depth_flow": "Error over depth",
    "gates": "Gates over time",
}


def _title(stem: str) -> str:
    if stem.startswith("bptt_"):
        return f"Error matrix of “{stem.removeprefix('bptt_').replace('_', ' ')}”"
    return _TITLES.get(stem, stem.replace("_", " "))


def _in_words(run: RunFolder, path: Path) -> tuple[str, str]:
    """Return caption and alt text from the numbers behind a plot; empty where there are none."""
    try:
        if path.stem == "curves":
            return _curves_in_words(read_history(run), run.results().get("best_epoch"))
        if path.with_suffix(".csv").is_file():
            return _confusion_in_words(path.with_suffix(".csv"))
    except (DamagedFile, OSError):
        pass  # the picture is shown without its numbers
    return "", ""


def _curves_in_words(history: Sequence[Mapping[str, float]], best: int | None) -> tuple[str, str]:
    if not history:
        return "", ""
    names = [name for name in history[0] if f"val_{name}" in history[0]]
    lines = [
        f"{name.replace('_', ' ')}: training {_change(history, name)},"
        f" validation {_change(history, f'val_{name}')}"
        for name in names
    ]
    epochs = counted(len(history), "epoch")
    caption = f"{_CURVES} over {epochs}" + (f"; the best epoch is {best}." if best else ".")
    marked = f", with a dotted line at the best epoch, {best}" if best else ""
    alt = (
        f"Line charts of {counted(len(names), 'figure')} over {epochs}{marked}. {'; '.join(lines)}."
    )
    return caption, alt


def _change(history: Sequence[Mapping[str, float]], name: str) -> str:
    first, last = history[0][name], history[-1][name]
    if len(history) == 1:
        return f"{first:.4g}"
    verb = "rises" if last > first else "falls" if last < first else "goes"
    return f"{verb} from {first:.4g} to {last:.4g}"


def _confusion_in_words(path: Path) -> tuple[str, str]:
    labels, counts = _read_confusion(path)
    total = sum(map(sum, counts.values()))
    if not total:
        return "", ""
    right = sum(row[labels.index(label)] for label, row in counts.items())
    caption = f"{right:,} of {total:,} examples ({right / total:.1%}) have their true label."
    wrong = max(_mistakes(labels, counts), default=(0, "", ""))
    if wrong[0]:
        number, true, predicted = wrong
        times = counted(number, "time")
        caption += f" The most frequent mistake, {times}: “{true}” predicted as “{predicted}”."
    shape = f"{len(labels)} true labels as rows and predicted labels as columns"
    return caption, f"Heat map with {shape}; the darker a cell, the more of its row. {caption}"


def _mistakes(
    labels: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> Iterator[tuple[int, str, str]]:
    """Yield (number, true label, predicted label) of each mistake."""
    for true, row in counts.items():
        for predicted, number in zip(labels, row, strict=True):
            if predicted != true:
                yield number, true, predicted


def _read_confusion(path: Path) -> tuple[list[str], dict[str, list[int]]]:
    """Return the labels, and the counts of each true label in their order.

    Raises:
        DamagedFile: it is no square table of numbers.
    """
    try:
        head, *rows = [*csv.reader(read_text(path).splitlines())] or [[]]
        counts = {true: [*map(int, numbers)] for true, *numbers in rows}
    except (csv.Error, ValueError) as error:
        raise DamagedFile(path, brief(str(error))) from None
    if [*counts] != head[1:] or any(len(row) != len(counts) for row in counts.values()):
        raise DamagedFile(path, "it is no square table")
    return head[1:], counts
