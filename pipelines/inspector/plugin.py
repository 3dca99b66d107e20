"""The server of the Error Flow tab: its data as JSON, images, and the files of the page."""

import functools
import json
import mimetypes
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response
from werkzeug.utils import safe_join

from ...callbacks.recording.blocks import PLUGIN
from . import readings
from .answers import CACHED, ROUTES, Answers
from .cache import Cache

STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'",
}


class Inspector(base_plugin.TBPlugin):
    """Serves the tab's page and its data; `answers.Answers` describes the routes.

    image          ?key=: a PNG image, by the key in an answer of the route `media`
    doctor_image   ?run=: the PNG image of the doctor's answer about a training
    """

    plugin_name = PLUGIN

    def __init__(self, context: base_plugin.TBContext):
        super().__init__(context)
        self._provider: Any = context.data_provider
        self._log_dir = context.logdir or ""
        self._cache = Cache(CACHED)  # of all requests, which are answered in parallel

    def is_active(self) -> bool:
        return False  # TensorBoard searches for data with the plugin's name before it asks

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Error Flow")

    def get_plugin_apps(self) -> dict[str, Callable]:
        return {
            "/index.js": functools.partial(_static, "index.js"),
            "/static/*": _static_route,
            "/image": self._route(self._image),
            "/doctor_image": self._route(self._doctor_image),
            **{f"/{name}": self._route(functools.partial(self._answer, name)) for name in ROUTES},
        }

    def _route(self, answer: Callable[[Request], Response]) -> Callable:
        """Return a WSGI application.

        An invalid request is a 400, and a record that cannot be shown a 500: it may be damaged in
        any way, and must not keep the page from the others.
        """

        @Request.application
        def application(request: Request) -> Response:
            try:
                return answer(request)
            except Exception as error:
                status = 400 if isinstance(error, KeyError) else 500
                return _json({"error": readings.reason_of(error)}, status)

        return application

    def _answers(self, request: Request) -> Answers:
        context = plugin_util.context(request.environ)
        experiment = plugin_util.experiment_id(request.environ)
        place = self._provider, context, experiment, self._log_dir
        return Answers(*place, self._cache, image_url=_image_url)

    def _answer(self, route: str, request: Request) -> Response:
        return _json(self._answers(request).answer(route, request.args))

    def _image(self, request: Request) -> Response:
        return _png(self._answers(request).image(request.args.get("key", "")))

    def _doctor_image(self, request: Request) -> Response:
        return _png(self._answers(request).doctors_picture(request.args.get("run", "")))


def _png(content: bytes) -> Response:
    return Response(content, headers=_HEADERS, mimetype="image/png")


def _image_url(key: str) -> str:
    return f"./image?{urllib.parse.urlencode({'key': key})}"


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
