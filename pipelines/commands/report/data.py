"""The data of the report: answers as the tab's server gives them, thinned until they fit."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ....callbacks.recording.rows import evenly_spaced
from ...inspector.answers import CACHED, Answers
from ...inspector.cache import Cache
from ...inspector.readings import reason_of
from .pictures import picture

SIZES = ((240, 400), (160, 256), (120, 200), (80, 128), (48, 80), (24, 40))  # rows × columns
EPOCHS = 8  # of an error matrix
PICTURES = 8  # of one tag
# The statistics that charts show; of other kinds all.
_STATISTICS = {
    "error_flow": ("hidden", "carried", "cell"),
    "layer_gradients": ("norm", "ratio"),
    "depth_flow": ("rms", "std"),
    "lyapunov": ("exponent",),
}

Entry = tuple[dict[str, Any], Any]  # a query, and its answer
Charted = tuple[str, dict[str, Any]]  # the name of a training, and one of its series


class ReportData(NamedTuple):
    """What the callbacks recorded of some runs.

    Attributes:
        runs: the trainings with their series and media, the newest first.
        summaries: a summary of each training, in the same order.
        tables, courses, media: (query, answer) of each request that the charts can make.
        colours: the colour scales.
        damaged: a sentence about each record that cannot be shown.
    """

    runs: list[dict[str, Any]]
    summaries: list[dict[str, Any]]
    tables: list[Entry]
    courses: list[Entry]
    media: list[Entry]
    colours: Any
    damaged: list[str]

    def charted(self, kind: str) -> list[Charted]:
        """Return the series of a kind that have tables."""
        series = [(run["run"], one) for run in self.runs for one in run["series"]]
        known = [one for one in series if one[1]["kind"] == kind]
        return [one for one in known if _answers_to(self.tables, _key(one[1]))]

    def table(self, series: Mapping[str, Any], statistic: str = "") -> dict[str, Any]:
        """Return the table of a statistic of a series that has tables.

        Without a statistic it is any of them; of an error matrix, that of the last epoch.
        """
        key = _key(series) | ({"statistic": statistic} if statistic else {})
        return _answers_to(self.tables, key)[-1]

    def findings(self, series: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the findings of a series that has tables."""
        return self.table(series)["findings"]

    def course(self, series: Mapping[str, Any]) -> dict[str, Any]:
        """Return the lines of a series in the course of training; without any if it has none."""
        return next(iter(_answers_to(self.courses, _key(series))), {"steps": [], "lines": {}})

    def latest(self, medium: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the latest images or texts of a tag."""
        key = {name: medium[name] for name in ("run", "tag", "type")}
        return next((answer for query, answer in self.media if query == key), [])

    def of_run(self, name: str) -> list[int]:
        """Return the places of the trainings that a run has logged; usually it is one."""
        return [
            place
            for place, training in enumerate(self.runs)
            if training["run"] == name or training["run"].startswith(f"{name}/")
        ]

    def kinds(self, name: str) -> set[str]:
        """Return the kinds of series, images and texts that the report shows of a run."""
        runs = [self.runs[place] for place in self.of_run(name)]
        series = [one for run in runs for one in run["series"]]
        media = [one for run in runs for one in run["media"]]
        # A plot of gates has their units, which only the image of the callback has, too.
        charted = {s["kind"] for s in series if _answers_to(self.tables, _key(s))} - {"gates"}
        return charted | {medium["kind"] for medium in media if self.latest(medium)}


def read_data(place: tuple[Any, Any, str], most: int) -> ReportData:
    """Read all that the charts of a report need.

    Args:
        place: the first arguments of `inspector.series.find_series`.
        most: characters of JSON that the data should take; tables are thinned down to 24 × 40
            for it.
    """
    cache = Cache(CACHED)  # of rows and findings, which are the same for all sizes
    *larger, smallest = SIZES
    for size in larger:
        data = _read(Answers(*place, "", cache, *size, image_url=str))
        if len(json.dumps(data)) <= most:
            return data
    return _read(Answers(*place, "", cache, *smallest, image_url=str))


def _read(answers: Answers) -> ReportData:
    runs = [_with_charted_statistics(run) for run in answers.answer("runs")]
    damaged = [
        f"{one['run']}: {one['record']}: {one['reason']}" for one in answers.answer("damaged")
    ]
    data = ReportData(runs, [], [], [], [], answers.answer("colours"), damaged)
    for run in runs:
        data.summaries.extend(answers.answer("summaries", {"run": run["run"]}))
        for series in run["series"]:
            _try(damaged, series, data.tables, _tables(answers, series))
            _try(damaged, series, data.courses, _courses(answers, series))
        for medium in run["media"]:
            _try(damaged, medium, data.media, _media(answers, medium))
    return data


def _try(damaged: list[str], record: Any, entries: list[Entry], found: Iterable[Entry]) -> None:
    """Add the answers about a record; if it is damaged in any way, say so instead."""
    try:
        entries.extend([*found])
    except Exception as error:
        name = " ".join(filter(None, (record["run"], record.get("name") or record.get("tag"))))
        damaged.append(f"{name}: {reason_of(error)}")


def _with_charted_statistics(run: dict[str, Any]) -> dict[str, Any]:
    for series in run["series"]:
        charted = _STATISTICS.get(series["kind"])
        if charted is not None:
            kept = [name for name in series["statistics"] if name in charted]
            series["statistics"] = kept or series["statistics"][:1]
    return run


def _answers_to(entries: Iterable[Entry], key: Mapping[str, Any]) -> list[Any]:
    """Return the answers to the queries that have these values."""
    return [answer for query, answer in entries if key.items() <= query.items()]


def _key(series: Mapping[str, Any]) -> dict[str, str]:
    return {name: series[name] for name in ("run", "kind", "name")}


def _tables(answers: Answers, series: dict[str, Any]) -> Iterator[Entry]:
    key = _key(series)
    if series["kind"] == "error_matrix":
        every = answers.answer("table", key)["epochs"]
        epochs = [every[place] for place in evenly_spaced(len(every), EPOCHS)]
        for epoch in epochs:
            table = answers.answer("table", key | {"step": str(epoch)})
            yield key | {"step": epoch}, table | {"epochs": epochs}
        return
    for statistic in [*series["statistics"]]:
        query = key | {"statistic": statistic, "align": "end"}
        try:
            yield query, answers.answer("table", query)
        except KeyError:  # no value in it
            if len(series["statistics"]) == 1:
                raise
            series["statistics"].remove(statistic)


def _courses(answers: Answers, series: Mapping[str, Any]) -> Iterator[Entry]:
    if series["kind"] in ("error_flow", "layer_gradients", "depth_flow"):
        yield _key(series), answers.answer("course", _key(series))


def _media(answers: Answers, medium: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield the latest images or texts of a tag; those of earlier epochs would need much room."""
    query = {name: medium[name] for name in ("run", "tag", "type")}
    found: Sequence[Any] = answers.answer("media", query)
    latest = [one for one in found if one["step"] == found[-1]["step"]][:PICTURES]
    if medium["type"] == "image":
        latest = [one | {"image": picture(answers.image(one["image"]))} for one in latest]
    if latest:
        yield query, latest
