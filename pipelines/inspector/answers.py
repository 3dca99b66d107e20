"""The answers of the tab's server, and of the report: plain data for JSON. No TensorFlow."""

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from werkzeug.datastructures import MultiDict

from ...callbacks.findings.finding import Finding
from ...callbacks.recording.rows import Rows
from . import as_json, doctors, media, readings, summaries
from .best import best_figures
from .cache import Cache
from .colours import colour_scales
from .series import Damaged, Key, Series, find_damaged, find_foreign_files, find_series, parts_of
from .trainings import Training, group

MAX_ROWS, MAX_COLUMNS = 240, 1_024  # size of the largest table that a screen can show
CACHED = 192 * 2**20  # bytes of rows in memory
FRESH = 1.0  # seconds for which a list of records counts as new
THREADS = 4  # that read the series of one request
_OF_LIST = 2**20  # bytes, about

ROUTES = ("runs", "summaries", "table", "course", "media", "doctor", "damaged", "colours")


class Records(NamedTuple):
    """All that TensorBoard has loaded of the callbacks' records."""

    series: Sequence[Series]
    trainings: Sequence[Training]


class Answers:
    """Answers what the page asks about one experiment: one request, or data that do not change.

    runs       all trainings, the newest first, with their series and media
    summaries  run=A, run=B, …: the finding, best validation figure and small curve of trainings
    table      run, kind, name, statistic, align=start|end: one table of numbers with its findings;
               of an error matrix, step in place of the last two
    course     run, kind, name: what is drawn of a series as lines over training
    media      run, tag, type=image|text: all images or texts under a tag
    doctor     run: the doctor's answer about a training, see `doctors.described`
    damaged    the records that cannot be shown, and why
    colours    the colour scales of errors and shares, from small to large, as in all figures

    Args:
        provider, context, experiment: see `series.find_series`.
        log_dir: the folder that TensorBoard shows; "" if there is none.
        cache: the memory that all answers share.
        max_rows, max_columns: the size of the largest table.
        image_url: makes the URL of an image from TensorBoard's key of its content; None: images are
            data URLs.
    """

    def __init__(
        self,
        provider: Any,
        context: Any,
        experiment: str,
        log_dir: str | Path,
        cache: Cache | None = None,
        max_rows: int = MAX_ROWS,
        max_columns: int = MAX_COLUMNS,
        image_url: Callable[[str], str] | None = None,
    ):
        self._place = provider, context, experiment
        self._log_dir = log_dir
        self._cache = Cache(CACHED) if cache is None else cache
        self._max_rows, self._max_columns = max_rows, max_columns
        self._image_url = image_url or self._data_url

    def answer(self, route: str, query: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> Any:
        """Return the answer of a route as data for JSON.

        Raises:
            KeyError: there is nothing of this name.
            Exception: a record is damaged, in whatever way; see `readings.reason_of`.
        """
        if route not in ROUTES:
            raise KeyError(f"route {route}")
        return getattr(self, f"_{route}")(MultiDict(query))

    # Lists

    @cached_property
    def _records(self) -> Records:
        key = "records", self._place[-1], time.monotonic() // FRESH
        return self._cache.get(key, self._find_records, lambda _: _OF_LIST)

    def _find_records(self) -> Records:
        provider, context, experiment = self._place
        series = find_series(*self._place)
        runs = provider.list_runs(context, experiment_id=experiment)
        found = media.find_media(*self._place)
        return Records(series, group(runs, series, found, self._log_dir))

    def _runs(self, query: MultiDict) -> Any:
        every = self._records.trainings
        return [
            as_json.of_training(one) | doctors.about(one, every, self._log_dir) for one in every
        ]

    def _damaged(self, query: MultiDict) -> Any:
        foreign = find_foreign_files(Path(self._log_dir)) if self._log_dir else []
        damaged: Iterable[Damaged] = (*find_damaged(*self._place), *foreign)
        return [one._asdict() for one in damaged]

    def _colours(self, query: MultiDict) -> Any:
        return colour_scales()

    # Series

    def _rows(self, series: Series) -> Rows:
        """Return the rows of a series, from memory unless there are new ones."""
        return self._cache.get(
            ("rows", *self._version(series)),
            lambda: readings.read_rows(*self._place, series),
            lambda rows: rows.nbytes,
        )

    def _version(self, series: Series) -> tuple[Any, ...]:
        """Return what changes when a series gets new rows."""
        return self._place[-1], *series.key, series.latest, series.written

    def _parts(self, series: Series) -> list[Rows]:
        return [self._rows(part) for part in parts_of(series, self._records.series)]

    def _findings(self, series: Series) -> list[Finding]:
        return self._cache.get(
            ("findings", *self._version(series)),
            lambda: readings.findings_of(series, *self._parts(series)),
        )

    def _series(self, query: MultiDict) -> tuple[Series, Training]:
        key = tuple(query.get(name, "") for name in ("run", "kind", "name"))
        for training in self._records.trainings:
            for series in training.series:
                if series.key == key:
                    return series, training
        raise KeyError(f"series {'/'.join(filter(None, key))}")

    def _table(self, query: MultiDict) -> Any:
        series, training = self._series(query)
        parts, is_matrix = self._parts(series), series.kind == "error_matrix"
        if is_matrix:
            full = readings.error_matrix(parts[0], query.get("step", np.inf, float))
        else:
            full = _statistic(series, parts, query)
        if not full.values.size:
            raise KeyError("value in it")
        shown = readings.thinned(full, self._max_rows, self._max_columns)
        return {
            "steps": shown.steps.tolist(),
            "epoch_of_steps": as_json.epochs(training, series, shown.steps),
            "columns": shown.columns,
            "columns_recorded": len(full.columns),
            "values": base64.b64encode(shown.values.astype("<f4").tobytes()).decode(),
            "recorded": len(parts[0].steps),
            "missing": readings.missing(parts[0]),
            "epochs": parts[0].steps.tolist() if is_matrix else None,
            "findings": [as_json.of_finding(finding) for finding in self._findings(series)],
        }

    def _course(self, query: MultiDict) -> Any:
        series, training = self._series(query)
        course = self._course_of(series, self._max_rows)
        return {
            "steps": course.steps.tolist(),
            "epochs": as_json.epochs(training, series, course.steps),
            "lines": {name: as_json.of_numbers(line) for name, line in course.lines.items()},
        }

    def _course_of(self, series: Series, limit: int) -> summaries.Course:
        return self._cache.get(
            ("course", limit, *self._version(series)),
            lambda: summaries.course_of(series, self._parts(series), limit),
            lambda course: 100 * limit,
        )

    # Trainings

    def _training(self, name: str) -> Training:
        for training in self._records.trainings:
            if training.name == name:
                return training
        raise KeyError(f"run {name}")

    def _summaries(self, query: MultiDict) -> Any:
        trainings = [self._training(name) for name in query.getlist("run")]
        runs = [run for training in trainings for run in training.validation_runs]
        every_series = [series for training in trainings for series in training.series]
        with ThreadPoolExecutor(THREADS) as pool:  # most of the time is spent on reading
            findings = pool.map(self._findings_if_whole, every_series)
            best = best_figures(*self._place, runs) if runs else {}
            by_series = dict(zip([s.key for s in every_series], findings, strict=True))
        return [self._summary(training, by_series, best) for training in trainings]

    def _summary(self, training: Training, findings: Mapping[Key, Any], best: Mapping) -> Any:
        finding = summaries.headline((s, findings[s.key]) for s in training.series)
        figure = next((best[run] for run in training.validation_runs if run in best), None)
        return {
            "run": training.name,
            "latest": training.latest,
            "finding": None if finding is None else as_json.of_finding(finding),
            "best": None if figure is None else figure._asdict(),
            "first_to_last": self._small_curve(training, finding),
        }

    def _findings_if_whole(self, series: Series) -> list[Finding]:
        """Return the findings of a series; none if it is damaged, which its table says."""
        try:
            return self._findings(series)
        except Exception:
            return []

    def _small_curve(self, training: Training, finding: Finding | None) -> Any:
        """Return first-to-last of the layer that a training is named by, else of the first."""
        flows = [s for s in training.series if s.kind == "error_flow" and not s.joined]
        flows.sort(key=lambda series: finding is None or series.name != finding.layer)
        if not flows:
            return None
        try:
            course = self._course_of(flows[0], summaries.POINTS)
        except Exception:  # the record is damaged
            return None
        line = as_json.of_numbers(course.lines["first_to_last"])
        return {"steps": course.steps.tolist(), "values": line}

    # The doctor

    def _doctor(self, query: MultiDict) -> Any:
        run = self._training(query.get("run", "")).name
        folder = doctors.existing_folder(run, self._log_dir)
        return doctors.described(folder, doctors.trials_of(run, self._records.trainings))

    def doctors_picture(self, run: str) -> bytes:
        """Return the PNG image that the doctor drew for a training.

        Raises:
            KeyError: there is none.
        """
        folder = doctors.existing_folder(self._training(run).name, self._log_dir)
        return doctors.read_picture(folder)

    # Media

    def _media(self, query: MultiDict) -> Any:
        run, tag = query.get("run", ""), query.get("tag", "")
        training = next((t for t in self._records.trainings if run in t.runs), None)
        found = [] if training is None else training.media
        medium = next((m for m in found if (m.run, m.tag) == (run, tag)), None)
        if training is None or medium is None or medium.type != query.get("type", medium.type):
            raise KeyError(f"image or text {'/'.join(filter(None, (run, tag)))}")
        if medium.type == "text":
            texts = media.read_texts(*self._place, run, tag)
            return [as_json.of_text(training, medium, *text) for text in texts]
        images = media.read_images(*self._place, run, tag)
        return [as_json.of_image(image, self._image_url(image.key)) for image in images]

    def image(self, key: str) -> bytes:
        """Return a PNG image by TensorBoard's key; see `media.read_png`."""
        return media.read_png(self._place[0], self._place[1], key)

    def _data_url(self, key: str) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.image(key)).decode()}"


def _statistic(series: Series, parts: list[Rows], query: MultiDict) -> readings.Table:
    statistic = query.get("statistic", "")
    if statistic not in series.statistics:
        raise KeyError(f"statistic {statistic!r} in it, only {', '.join(series.statistics)}")
    align = query.get("align", "end")
    return readings.table(series, *parts, statistic=statistic, align=align)
