"""The server's side of the Error Flow tab: what there is, tables of numbers, findings, files."""

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

from ...callbacks.findings.finding import Finding
from ...callbacks.recording.blocks import PLUGIN
from ...callbacks.recording.rows import Rows
from . import readings

STATIC = Path(__file__).parent / "static"
ROWS, COLUMNS = 240, 1_024  # of a table, at most: as many as a screen can show
KEPT = 16  # series whose rows stay in memory
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Inspector(base_plugin.TBPlugin):
    """Serves the tab's page and its data.

    series   all series as JSON
    table    ?run= &kind= &name= &statistic= &align=start|end: numbers, and the findings on them;
             of an error matrix &step= in place of the last two
    colours  those of errors and of shares, from the smallest to the largest, as in all pictures
    """

    plugin_name = PLUGIN

    def __init__(self, context: base_plugin.TBContext):
        super().__init__(context)
        self._provider: Any = context.data_provider
        self._kept: dict[Any, Rows] = {}  # what was asked for last comes last

    def is_active(self) -> bool:
        return False  # TensorBoard looks for data of this plugin's name before it asks

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Error Flow")

    def get_plugin_apps(self) -> dict[str, Callable]:
        return {
            "/index.js": functools.partial(_static, "index.js"),
            "/static/*": _static_route,
            "/series": self._answering(self._all_series),
            "/table": self._answering(self._table),
            "/colours": Request.application(lambda request: _json(_colours())),
        }

    def _answering(self, answer: Callable[[Request, list[readings.Series]], Any]) -> Callable:
        """A WSGI application that answers in JSON; what a person asked wrongly is a 400."""

        @Request.application
        def application(request: Request) -> Response:
            context = plugin_util.context(request.environ)
            experiment = plugin_util.experiment_id(request.environ)
            found = readings.find_series(self._provider, context, experiment)
            try:
                return _json(answer(request, found))
            except KeyError as error:
                return _json({"error": f"there is no {error.args[0]}"}, status=400)

        return application

    def _all_series(self, request: Request, found: list[readings.Series]) -> Any:
        return [
            {
                "run": one.run,
                "kind": one.kind,
                "name": one.name,
                "statistics": [name for name in one.statistics if name != "valid"],
                "latest": one.latest,
                "joined": bool(one.joined),
            }
            for one in found
        ]

    def _table(self, request: Request, found: list[readings.Series]) -> Any:
        asked = request.args
        key = asked.get("run", ""), asked.get("kind", ""), asked.get("name", "")
        series = next((one for one in found if one.key == key), None)
        if series is None:
            raise KeyError(f"series {'/'.join(filter(None, key))}")
        several = [self._rows(request, part) for part in readings.parts_of(series, found)]
        rows = several[0]
        if series.kind == "error_matrix":
            full = readings.matrix(rows, asked.get("step", np.inf, float))
        else:
            statistic = asked.get("statistic", "")
            if statistic not in series.statistics:
                raise KeyError(f"statistic {statistic!r} in it, but {', '.join(series.statistics)}")
            full = readings.table(
                series, *several, statistic=statistic, align=asked.get("align", "end")
            )
        shown = readings.thinned(full, ROWS, COLUMNS)
        return {
            "steps": shown.steps.tolist(),
            "columns": shown.columns,
            "values": base64.b64encode(shown.values.astype("<f4").tobytes()).decode(),
            "recorded": len(rows.steps),
            "missing": readings.missing(rows),
            "looks": rows.steps.tolist() if series.kind == "error_matrix" else None,
            "findings": [_in_json(one) for one in readings.findings_on(series, *several)],
        }

    def _rows(self, request: Request, series: readings.Series) -> Rows:
        """From memory, unless there are new ones."""
        context = plugin_util.context(request.environ)
        experiment = plugin_util.experiment_id(request.environ)
        key = (experiment, *series.key, series.latest)
        rows = self._kept.pop(key, None)
        if rows is None:
            rows = readings.read_rows(self._provider, context, experiment, series)
        self._kept[key] = rows
        for old in [*self._kept][:-KEPT]:
            self._kept.pop(old, None)  # several requests are answered at once
        return rows


def _in_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "text": finding.sentence,
        "evidence": {name: _number(value) for name, value in finding.evidence.items()},
        "confidence": _number(finding.confidence),
        "remedies": list(finding.remedies),
    }


def _number(value: Any) -> Any:
    """JSON has no infinity."""
    return value if isinstance(value, str) or np.isfinite(value) else str(value)


@functools.cache
def _colours() -> dict[str, Any]:
    from matplotlib import colormaps

    from ...callbacks.drawing.heat_maps import BROKEN, COLOURS, DECADES, NOTHING, OPENNESS

    def scale(name: str) -> list[list[int]]:
        return np.round(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).astype(int).tolist()

    return {
        "errors": scale(COLOURS),
        "shares": scale(OPENNESS),
        "broken": BROKEN,
        "nothing": NOTHING,
        "decades": DECADES,
    }


def _json(answer: Any, status: int = 200) -> Response:
    text = json.dumps(answer, allow_nan=False)
    return Response(text, status, _HEADERS, mimetype="application/json")


def _static(name: str, environ: dict, start_response: Callable) -> Any:
    """A file of the page; a name that leads out of its folder is refused."""
    path = safe_join(str(STATIC), name)
    if path is None or not Path(path).is_file():
        return Response("no such file", 404)(environ, start_response)
    # Some systems take .js for text/plain, which a browser refuses to run.
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    answer = Response(Path(path).read_bytes(), headers=_HEADERS, mimetype=kind)
    return answer(environ, start_response)


def _static_route(environ: dict, start_response: Callable) -> Any:
    name = environ["PATH_INFO"].rpartition("/static/")[2]
    return _static(name, environ, start_response)
