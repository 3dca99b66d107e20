"""A page with a chart of the Error Flow tab in a real browser, without TensorBoard."""

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from errorflow.pipelines.inspector import plugin
from errorflow.pipelines.inspector.colours import colour_scales
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from tab import HOSTILE, until

COLOURS = colour_scales()
PAGE = """<!doctype html><html lang="en"><title>charts</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css"><link rel="stylesheet" href="chart.css">
<style>body { display: block; height: auto; margin: 0; padding: 200px 0 2000px }</style>
<main id="host"></main>
<script type="module">
  import { HeatMap } from "./heat_map.js";
  import { Curves } from "./curves.js";
  window.kinds = { HeatMap, Curves };
  window.table = ({ steps, columns, values, epochs }) =>
    ({ steps, columns, epochs, values: Float32Array.from(values.flat(), (value) => value ?? NaN) });
</script></html>"""
SCALE = {"low": -8, "high": 0}


class Handler(SimpleHTTPRequestHandler):
    """Serves the page and the static files."""

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format, *args):
        pass


@contextlib.contextmanager
def serve():
    """The address of the page."""
    handler = functools.partial(Handler, directory=str(plugin.STATIC))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Page:
    """A page with one chart, `chart`, whose picked and hovered points are recorded."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.switch_to.default_content()
        self.reduce_motion(False)
        self.resize(900)
        browser.get(address)
        until(lambda: self.run("return window.kinds"))

    def emulate(self, command, **settings):
        self.browser.execute_cdp_cmd(f"Emulation.{command}", settings)

    def resize(self, width, density=1):
        size = {"width": width, "height": 800, "deviceScaleFactor": density, "mobile": False}
        self.emulate("setDeviceMetricsOverride", **size)

    def reduce_motion(self, on=True):
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if on else ""}
        self.emulate("setEmulatedMedia", features=[motion])

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def make(self, kind, data, label="a chart"):
        self.run(
            """
            let [kind, label, data, colours] = arguments;
            window.chart?.remove();
            window.hovered = [], window.picked = [];
            const onHover = (point) => hovered.push(point), onPick = (point) => picked.push(point);
            const host = document.getElementById("host");
            window.chart = new kinds[kind](host, { label, onHover, onPick });
            const numbers = (values) => values.map((value) => Number(value ?? NaN));
            if (data.table) data = { ...data, colours, table: table(data.table) };
            else data.curves = data.curves.map((curve) => ({ ...curve, ys: numbers(curve.ys) }));
            if (data.name) data.x.name = (column) => `${data.name} ${column}`;
            chart.show(data)""",
            *(kind, label, data, COLOURS),
        )
        return self.browser.find_element("css selector", ".chart > svg")

    def place(self, across, down):
        """The pixels of a place in the chart's area, both from 0 to 1."""
        return self.run(
            """const box = document.querySelector(".pointer").getBoundingClientRect();
            return [box.x + box.width * arguments[0], box.y + box.height * arguments[1]]""",
            *(across, down),
        )

    def hover(self, across, down):
        """Move the pointer over the chart and return the point that is reported."""
        self.run(
            """const [clientX, clientY] = arguments;
            document.querySelector(".pointer").dispatchEvent(
              new PointerEvent("pointermove", { clientX, clientY, bubbles: true }))""",
            *self.place(across, down),
        )
        return self.run("const p = hovered.at(-1); return p && {...p, value: String(p.value)}")

    def wheel(self, across, down, turn):
        x, y = (round(pixel) for pixel in self.place(across, down))
        origin = ScrollOrigin.from_viewport(x, y)
        ActionChains(self.browser).scroll_from_origin(origin, 0, turn).perform()

    def drag(self, start, by):
        x, y = (round(pixel) for pixel in self.place(*start))
        actions = ActionChains(self.browser, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(x, y).pointer_down()
        actions.w3c_actions.pointer_action.move_to_location(x + by[0], y + by[1]).pointer_up()
        actions.perform()

    def double_click(self, across, down):
        x, y = (round(pixel) for pixel in self.place(across, down))
        actions = ActionChains(self.browser, duration=0)
        pointer = actions.w3c_actions.pointer_action.move_to_location(x, y)
        for _ in range(2):
            pointer.pointer_down().pointer_up()
        actions.perform()

    def texts(self, selector):
        found = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        return self.run(found, selector)

    def ticks(self, side):
        return [text for text in self.texts(f".{side}.axis .tick text") if text]

    def tip(self):
        return self.run("return document.querySelector('.tip').dataset.value")

    def corners(self):
        """The (step, column) at the first and at the last pixel of the view."""
        return [(p["step"], p["column"]) for p in (self.hover(0, 0), self.hover(0.999, 0.999))]


def heat_map(values, steps=None, columns=None, **more):
    rows, across = np.shape(values)
    table = {
        "steps": steps or [*range(1, rows + 1)],
        "columns": columns or [*range(1, across + 1)],
        "values": [[in_json(value) for value in row] for row in values],
    }
    titles = {"x": {"title": "time step"}, "y": {"title": "training step"}, "name": "time step"}
    return {"table": table | more, "scale": SCALE, "value": {"title": "rms of δ_t"}, **titles}


def curves(*ys, xs=None, log=True, **x):
    names = ["first", HOSTILE, *(f"curve {n}" for n in range(2, len(ys)))]
    every = [
        {"name": name, "colour": "#12b5cb", "ys": [in_json(y) for y in one]}
        | {"xs": xs or [*range(1, len(one) + 1)]}
        for name, one in zip(names, ys, strict=False)
    ]
    axes = {"x": {"title": "time step", **x}, "y": {"title": "rms of δ_t", "log": log}}
    return {"curves": every, **axes, "along": "column"}


def in_json(value):
    return float(value) if np.isfinite(value) else None if np.isnan(value) else "Infinity"
