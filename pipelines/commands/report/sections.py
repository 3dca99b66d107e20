"""The sections of the report: its figures in the order of the tab's views, numbered throughout."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .captions import course_in_words, listed, name_of, row_in_words, thinned_in_words
from .data import Charted, ReportData
from .doctor import Doctor
from .pictures import Picture
from .plots import SavedPlot

WIDE = 2  # width / height of a picture that takes the whole width of the page


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        number: its place among all figures, from 1.
        caption: what it shows, in words.
        findings: what follows from the numbers that it shows, as the tab's server describes them.
        card: the key of the card that report.js puts in it; "" if it is a picture or a text.
        picture, alt: a picture, and what is seen in it.
        table, text: a table, first its head, or a text that a callback has written.
        command: a command that the caption speaks of.
        spans: whether it takes the whole width of the page; a wide picture does so, too.
    """

    number: int
    caption: str
    findings: Sequence[Mapping[str, Any]] = ()
    card: str = ""
    picture: Picture | None = None
    alt: str = ""
    table: Sequence[Sequence[str]] | None = None
    text: str = ""
    command: str = ""
    spans: bool = False

    @property
    def is_wide(self) -> bool:
        shown = self.picture
        return self.spans or (shown is not None and shown.width > WIDE * shown.height)


@dataclasses.dataclass(frozen=True)
class Section:
    """The figures of one view; `id` is that of the view in the tab."""

    id: str
    title: str
    figures: Sequence[Figure]

    @property
    def extent(self) -> str:
        """ "figure 3", or "figures 3 to 7"."""
        first, last = self.figures[0].number, self.figures[-1].number
        return f"figure {first}" if first == last else f"figures {first} to {last}"


@dataclasses.dataclass(frozen=True)
class View:
    """A view of the tab; `id` and `lines` are those of static/views.js.

    Attributes:
        id, title: see `Section`.
        kind: the kind of series that it shows; "" if it shows images or texts only.
        lines: figures in the course of training: their names, and titles.
        lines_of_pairs: the same of pairs of layers that share a time axis.
        apart: the names of series that have columns of their own, and are compared apart.
        exponents: the kind of series that it shows as lines over epochs.
        media: the kinds of images and texts that it shows.
    """

    id: str
    title: str
    kind: str = ""
    lines: Mapping[str, str] = dataclasses.field(default_factory=dict)
    lines_of_pairs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    media: Sequence[str] = ()
    apart: Sequence[str] = ()
    exponents: str = ""


_TIME = {"first_to_last": "Share that reaches the first step", "half_life": "Half-life"}
_OF_PAIRS = {"first_to_largest": "Share of the largest error that reaches the first step"}
_DEPTH = {"over_depth": "Error of the first layers over that of the last"}
_VIEWS = (
    View("time", "Error over time", "error_flow", _TIME, _OF_PAIRS),
    View("depth", "Gradient over depth", "layer_gradients", {"global_norm": "Gradient norm"}),
    View("depth_error", "Error over depth", "depth_flow", _DEPTH, apart=("layers", "paths")),
    View("gates", "Gates", "gates", media=["gates"]),
    View("matrix", "Error matrix", "error_matrix"),
    View("horizon", "Horizon", "horizon", exponents="lyapunov"),
    View("attention", "Attention", media=["attention"]),
    View("samples", "Samples", media=["samples", "captioned_images"]),
    View("features", "Feature maps", media=["feature_maps"]),
    View("warnings", "Warnings", media=["warnings"]),
)


def sections_of(
    data: ReportData, plots: Mapping[str, Sequence[SavedPlot]], doctors: Mapping[str, Doctor]
) -> list[Section]:
    """Return the sections that have figures.

    Args:
        data: what the callbacks recorded.
        plots: the saved plots of each run.
        doctors: the doctor's answers about some of the runs.
    """
    numbers = itertools.count(1)
    parts = [(view.id, view.title, _of_view(data, view)) for view in _VIEWS]
    sections = []
    parts.append(("doctor", "Doctor", _of_doctors(doctors)))
    parts.append(("plots", "Saved plots", _saved(data, plots)))
    for id_, title, figures in parts:
        if numbered := [dataclasses.replace(one, number=next(numbers)) for one in figures]:
            sections.append(Section(id_, title, numbered))
    return sections


def _of_view(data: ReportData, view: View) -> Iterator[Figure]:
    """Yield what compares all series, then a figure for each series, each image and each text."""
    charted = data.charted(view.kind)
    statistic = _shown_first(view.kind, charted) if charted else ""
    if charted and view.kind != "error_matrix":
        yield from _compared(data, view, charted, statistic)
    for run, series in charted:
        caption = _caption(data, view, run, series, statistic)
        yield Figure(0, caption, data.findings(series), card=_key_of(series))
    for run, series in data.charted(view.exponents):
        caption = f"Lyapunov exponents after each epoch: {name_of(run, series)}."
        yield Figure(0, caption, data.findings(series), card=f"exponents {_key_of(series)}")
    for run in data.runs:
        for medium in run["media"]:
            if medium["kind"] in view.media:
                yield from (_medium(run["run"], medium, one) for one in data.latest(medium))


def _key_of(series: Mapping[str, Any]) -> str:
    """Return the key of the card of a series, as static/view_cards.js makes it."""
    names = [series["run"], series["name"]]
    return json.dumps(names, ensure_ascii=False, separators=(",", ":"))


def _shown_first(kind: str, charted: Sequence[Charted]) -> str:
    """Return the statistic that the charts of a view show first, as static/bar.js does."""
    every = [name for _, series in charted for name in series["statistics"]]
    if kind == "gates" and "forget" in every:
        return "forget"
    return max(dict.fromkeys(every), key=every.count)


def _row(data: ReportData, run: str, series: Mapping[str, Any], statistic: str) -> str:
    """Return the last row of a series in words; empty if it does not have the statistic."""
    if statistic not in series["statistics"]:
        return ""
    return row_in_words(name_of(run, series), series, data.table(series, statistic))


def _caption(
    data: ReportData, view: View, run: str, series: Mapping[str, Any], statistic: str
) -> str:
    """Return what a heat map shows; its last row in words where no finding says what is seen."""
    name, table = name_of(run, series), data.table(series)
    drawn = thinned_in_words(table)
    if view.kind == "error_matrix":
        row = row_in_words("the error of the last loss step", series, table)
        return f"{view.title}: {name}.{f' In the last epoch, {row}.' * bool(row)}{drawn}"
    row = _row(data, run, series, statistic)
    if table["findings"] or not row:
        return f"{view.title}: {name}.{drawn}"
    return f"{series['labels'][statistic]}, after training: {row}.{drawn}"


def _compared(
    data: ReportData, view: View, charted: Sequence[Charted], statistic: str
) -> Iterator[Figure]:
    """Yield the overlay of all series, and the lines in the course of training."""
    single = [one for one in charted if not one[1]["joined"]]
    pairs = [one for one in charted if one[1]["joined"]]
    lines = [*((line, single) for line in view.lines.items() if single)]
    lines += [(line, pairs) for line in view.lines_of_pairs.items() if pairs]
    groups = [*_groups(view, single or pairs, statistic)]
    is_odd = (len(groups) + len(lines)) % 2 == 1
    for place, (card, group) in enumerate(groups):
        rows = [_row(data, *one, statistic) for one in group]
        labels = [series["labels"] for _, series in group]
        label = next(known[statistic] for known in labels if statistic in known)
        caption = f"{label}, after training. {listed([*filter(None, rows)])}."
        yield Figure(0, caption, card=card, spans=is_odd and place == 0)
    for (line, title), of_line in lines:
        courses = [course_in_words(name_of(*one), data.course(one[1]), line) for one in of_line]
        seen = listed([*filter(None, courses)]) or "Nothing to draw"
        yield Figure(0, f"{title} over training. {seen}.", card=f"course {line}")


def _groups(
    view: View, charted: Sequence[Charted], statistic: str
) -> Iterator[tuple[str, list[Charted]]]:
    """Yield the key of each overlay of series, and the series in it."""
    shown = [one for one in charted if statistic in one[1]["statistics"]]
    if not view.apart:
        yield "curves", shown
    for name in view.apart:
        if group := [one for one in shown if one[1]["name"] == name]:
            yield f"curves {name}", group


def _medium(run: str, medium: Mapping[str, Any], one: Mapping[str, Any]) -> Figure:
    since = "training step" if medium["kind"] == "warnings" else "epoch"
    caption = f"{medium['title']} of {run} at {since} {one['step']:,}."
    if medium["type"] == "image":
        return Figure(0, caption, picture=one["image"], alt=caption)
    return Figure(0, caption, table=one["table"], text=one["text"])


def _of_doctors(doctors: Mapping[str, Doctor]) -> Iterator[Figure]:
    for name, doctor in doctors.items():
        caption = f"What the doctor has tried for {name}: {doctor.sentence}"
        yield Figure(0, caption, table=doctor.table, command=doctor.command, spans=True)
        for one in doctor.pictures:
            caption = f"{name} · {one.caption}"
            yield Figure(0, caption, picture=one.picture, alt=caption)


def _saved(data: ReportData, plots: Mapping[str, Sequence[SavedPlot]]) -> Iterator[Figure]:
    """Yield the plots that no chart shows."""
    for run, of_run in plots.items():
        charted = data.kinds(run)
        for plot in of_run:
            if plot.kind not in charted:
                caption = f"{run} · {plot.title}. {plot.caption}"
                alt = f"{plot.title}, {run}. {plot.alt}"
                yield Figure(0, caption, picture=plot.picture, alt=alt)
