"""A real TensorBoard with the Error Flow tab, and the tab in a real browser."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

STEPS = 12  # of each sequence
HOSTILE = "<img src=x onerror=top.hacked=1>"  # the name of a pair of layers: text, no markup
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
with_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver"
)


# As in an environment without TensorFlow, which takes seconds to import.
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorboard.compat.notf"] = sys
from tensorboard.main import run_main
run_main()
"""


@contextlib.contextmanager
def tensorboard(folder, *flags, fast):
    """The address of a TensorBoard; its fast loader, a program, leaves TensorFlow nothing to do."""
    python = ["-c", WITHOUT_TENSORFLOW] if fast else ["-m", "tensorboard.main"]
    where = ["--logdir", folder, "--host", "127.0.0.1", "--port", "0"]
    loader = f"--load_fast={str(fast).lower()}"
    process = subprocess.Popen(
        [sys.executable, *python, *where, loader, *flags], stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            pytest.fail("TensorBoard ended before it said where it is")
        until(lambda: ask(found[0], "runs"))  # it reads the files in the background
        yield found[0]
    finally:
        process.kill()
        process.communicate()


def until(true, seconds=60):
    """Return the first true result of `true`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := true():
            return answer
        time.sleep(0.05)
    pytest.fail(f"nothing came in {seconds} seconds")


def ask(address, route, **query):
    url = f"{address}/data/plugin/errorflow/{route}?{urllib.parse.urlencode(query, doseq=True)}"
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


class Tab:
    """The tab in a browser, at a view and with further choices of its address."""

    def __init__(self, browser, address, view="overview", **choices):
        self.browser = browser
        chosen = {"view": view, **choices}
        parts = [f"p.errorflow.{name}={quoted(value)}" for name, value in chosen.items()]
        self.open("&".join([f"{address}/#errorflow", *parts]))

    def open(self, address):
        self.browser.switch_to.default_content()
        self.browser.get("about:blank")  # else a new fragment alone would load nothing
        self.browser.get(address)
        frame = until(lambda: self.browser.find_elements("css selector", "iframe"))[0]
        self.browser.switch_to.frame(frame)
        until(lambda: self.run("return document.querySelector('.view') !== null"))
        self.settle()

    def settle(self):
        """Wait until all that is visible is drawn."""
        until(
            lambda: self.run(
                """
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
                const drawn = "article :is(.chart svg[aria-label], img, table, pre, .problem)";
                const texts = [...document.querySelectorAll(".overview .finding")];
                return !document.querySelector("[aria-busy]")
                  && texts.every((cell) => !["", "…"].includes(cell.textContent))
                  && (!document.querySelector("article") || document.querySelector(drawn) !== null)
                """
            )
        )

    def run(self, script, *arguments):
        return self.browser.execute_script(f"return (async () => {{{script}}})()", *arguments)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def texts(self, selector):
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)",
            selector,
        )

    def click(self, name):
        """Click on the visible control of this name or label."""
        controls = "self::button[normalize-space()=$name or @aria-label=$name]"
        xpath = f"//*[{controls} or self::label[normalize-space()=$name]]"
        found = self.browser.find_elements("xpath", xpath.replace("$name", f"'{name}'"))
        next(one for one in found if one.is_displayed()).click()
        self.settle()

    def type(self, text):
        """Replace the filter of the runs."""
        self.run(
            """
            const input = document.querySelector("main .run-filter input");
            input.value = arguments[0];
            input.dispatchEvent(new Event("input"))""",
            text,
        )
        self.settle()

    def hover(self, row, column, card=".cards:last-child article"):
        """Return the readout over a place of a card's first chart, and the number behind it."""
        return self.run(
            """
            const [row, column, card] = arguments;
            const chart = document.querySelector(`${card} .chart svg`).closest(".chart");
            const area = chart.querySelector(".pointer"), box = area.getBoundingClientRect();
            area.dispatchEvent(new PointerEvent("pointermove", {bubbles: true,
              clientX: box.x + column * box.width, clientY: box.y + row * box.height}));
            const tip = chart.querySelector(".tip");
            return [tip.innerText, Number(tip.dataset.value)]""",
            row,
            column,
            card,
        )

    @staticmethod
    def leaves_the_host(browser):
        """Return the addresses of other hosts that the page requested."""
        events = [json.loads(entry["message"]) for entry in browser.get_log("performance")]
        requested = [
            event["message"]["params"]["request"]["url"]
            for event in events
            if event["message"]["method"] == "Network.requestWillBeSent"
        ]
        assert any("errorflow" in url for url in requested)
        ours = r"(http://127\.0\.0\.1:|data:|blob:|about:)"
        return [url for url in requested if not re.match(ours, url)]


def quoted(value):
    return urllib.parse.quote(json.dumps(value), safe="")
