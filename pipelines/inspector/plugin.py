"""The server of the Error Flow tab: lists of series, tables of numbers, findings, static files."""

import base64
import functools
import json
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response
from werkzeug.utils import safe_join

from ...callbacks.drawing.labels import label
from ...callbacks.findings.finding import Finding
from ...callbacks.recording.blocks import PLUGIN
from ...callbacks.recording.rows import Rows
from . import readings
from .series import Series, find_damaged, find_foreign_files, find_series, parts_of

STATIC = Path(__file__).parent / "static"
MAX_ROWS, MAX_COLUMNS = 240, 1_024  # size of the largest table that a screen can show
CACHED = 16  # series whose rows are kept in memory
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Inspector(base_plugin.TBPlugin):
    """Serves the tab's page and its data as JSON.

    series   all series
    damaged  the records that cannot be shown, and why
    table    ?run= &kind= &name= &statistic= &align=start|end: one table of numbers and its
             findings; for an error matrix, &step= replaces the last two
    colours  the colour scales of errors and shares, from small to large, as in all figures
    """

    plugin_name = PLUGIN

    def __init__(self, context: base_plugin.TBContext):
        super().__init__(context)
        self._provider: Any = context.data_provider
        self._logs = context.logdir
        self._cache: dict[Any, Rows] = {}  # the most recently used last

    def is_active(self) -> bool:
        return False  # TensorBoard searches for data with the plugin's name before it asks

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Error Flow")

    def get_plugin_apps(self) -> dict[str, Callable]:
        return {
            "/index.js": functools.partial(_static, "index.js"),
            "/static/*": _static_route,
            "/series": self._json_route(self._list_series),
            "/damaged": self._json_route(self._list_damaged),
            "/table": self._json_route(self._table),
            "/colours": Request.application(lambda request: _json(_colours())),
        }

    def _json_route(self, answer: Callable[[Request], Any]) -> Callable:
        """Return a WSGI application that answers in JSON.

        An invalid request is a 400, and a record that cannot be shown a 500: it may be damaged in
        any way, and must not keep the page from the others.
        """

        @Request.application
        def application(request: Request) -> Response:
            try:
                return _json(answer(request))
            except Exception as error:
                status = 400 if isinstance(error, KeyError) else 500
                return _json({"error": readings.reason_of(error)}, status)

        return application

    def _place(self, request: Request) -> tuple[Any, Any, str]:
        """Return the first arguments of `find_series`."""
        context = plugin_util.context(request.environ)
        return self._provider, context, plugin_util.experiment_id(request.environ)

    def _list_series(self, request: Request) -> Any:
        return [_series_in_json(series) for series in find_series(*self._place(request))]

    def _list_damaged(self, request: Request) -> Any:
        foreign = find_foreign_files(Path(self._logs)) if self._logs else []
        return [one._asdict() for one in (*find_damaged(*self._place(request)), *foreign)]

    def _table(self, request: Request) -> Any:
        arguments, every_series = request.args, find_series(*self._place(request))
        key = tuple(arguments.get(name, "") for name in ("run", "kind", "name"))
        series = next((series for series in every_series if series.key == key), None)
        if series is None:
            raise KeyError(f"series {'/'.join(filter(None, key))}")
        parts = [self._rows(request, part) for part in parts_of(series, every_series)]
        rows, is_matrix = parts[0], series.kind == "error_matrix"
        if is_matrix:
            full = readings.error_matrix(rows, arguments.get("step", np.inf, float))
        else:
            full = _statistic(series, parts, arguments)
        if not full.values.size:
            raise KeyError("value in it")
        shown = readings.thinned(full, MAX_ROWS, MAX_COLUMNS)
        return {
            "steps": shown.steps.tolist(),
            "columns": shown.columns,
            "values": base64.b64encode(shown.values.astype("<f4").tobytes()).decode(),
            "recorded": len(rows.steps),
            "missing": readings.missing(rows),
            "epochs": rows.steps.tolist() if is_matrix else None,
            "findings": [_in_json(finding) for finding in readings.findings_of(series, *parts)],
        }

    def _rows(self, request: Request, series: Series) -> Rows:
        """Return the rows of a series, from memory unless there are new ones."""
        place = self._place(request)
        key = (place[-1], *series.key, series.latest)
        rows = self._cache.pop(key, None)
        if rows is None:
            rows = readings.read_rows(*place, series)
        self._cache[key] = rows
        for old in [*self._cache][:-CACHED]:
            self._cache.pop(old, None)  # requests are answered in parallel
        return rows


def _series_in_json(series: Series) -> dict[str, Any]:
    return {
        "run": series.run,
        "kind": series.kind,
        "name": series.name,
        "statistics": [name for name in series.statistics if name != "valid"],
        "labels": {name: label(series.kind, name) for name in series.statistics},
        "latest": series.latest,
        "joined": bool(series.joined),
    }


def _statistic(series: Series, parts: list[Rows], arguments: Any) -> readings.Table:
    statistic = arguments.get("statistic", "")
    if statistic not in series.statistics:
        raise KeyError(f"statistic {statistic!r} in it, only {', '.join(series.statistics)}")
    align = arguments.get("align", "end")
    return readings.table(series, *parts, statistic=statistic, align=align)


def _in_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "text": finding.sentence,
        "evidence": {name: _number(value) for name, value in finding.evidence.items()},
        "confidence": _number(finding.confidence),
        "remedies": list(finding.remedies),
    }


def _number(value: Any) -> Any:
    """Return a value for JSON, which has no infinity and no NaN: they become strings."""
    return value if isinstance(value, str) or np.isfinite(value) else str(value)


@functools.cache
def _colours() -> dict[str, Any]:
    from matplotlib import colormaps

    from ...callbacks.drawing.gate_maps import OPENNESS
    from ...callbacks.drawing.heat_maps import COLOURS, DECADES, NOT_FINITE

    def scale(name: str) -> list[list[int]]:
        return np.round(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).astype(int).tolist()

    return {
        "errors": scale(COLOURS),
        "shares": scale(OPENNESS),
        "notFinite": NOT_FINITE,
        "decades": DECADES,
    }


def _json(answer: Any, status: int = 200) -> Response:
    text = json.dumps(answer, allow_nan=False)
    return Response(text, status, _HEADERS, mimetype="application/json")


def _static(name: str, environ: dict, start_response: Callable) -> Any:
    """Serve a file of the page; names that lead out of its folder are refused."""
    path = safe_join(str(STATIC), name)
    if path is None or not Path(path).is_file():
        return Response("no such file", 404)(environ, start_response)
    # Some systems map .js to text/plain, which browsers refuse to run.
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    answer = Response(Path(path).read_bytes(), headers=_HEADERS, mimetype=kind)
    return answer(environ, start_response)


def _static_route(environ: dict, start_response: Callable) -> Any:
    name = environ["PATH_INFO"].rpartition("/static/")[2]
    return _static(name, environ, start_response)
