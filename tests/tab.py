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


@contextlib.contextmanager
def tensorboard(folder, *flags):
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", *flags], stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            pytest.fail("TensorBoard ended before it said where it is")
        until(lambda: ask(found[0], "series"))  # it reads the files in the background
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
        time.sleep(0.1)
    pytest.fail(f"nothing came in {seconds} seconds")


def ask(address, route, **query):
    url = f"{address}/data/plugin/errorflow/{route}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


class Tab:
    """The tab in a browser."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.get("about:blank")  # else a new fragment alone would load nothing
        browser.get(address)
        frame = until(lambda: browser.find_elements("css selector", "iframe"))[0]
        browser.switch_to.frame(frame)
        until(
            lambda: self.run(
                "return [...document.querySelectorAll('canvas')].every(c => c.ariaLabel)"
                " && document.querySelectorAll('article').length > 0"
            )
        )

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def texts(self, selector):
        return [one.text for one in self.browser.find_elements("css selector", selector)]

    def click(self, text):
        """Click on the choice of this name."""
        xpath = f"//label[normalize-space()='{text}']"
        self.browser.find_element("xpath", xpath).click()

    def hover(self, row, column):
        """Return the tooltip over a cell of the first map, and the number behind it."""
        return self.run(
            """
            const [row, column] = arguments, canvas = document.querySelector("canvas");
            const box = canvas.getBoundingClientRect();
            const x = 78 + (box.width - 78 - 62) * column, y = 12 + 220 * row;
            canvas.dispatchEvent(new PointerEvent("pointermove",
              {clientX: box.x + x, clientY: box.y + y}));
            const tip = document.querySelector(".tip");
            return [tip.textContent, Number(tip.dataset.value)]""",
            row,
            column,
        )

    def leaves_the_host(self):
        """Return the addresses of other hosts that the page requested."""
        events = [json.loads(entry["message"]) for entry in self.browser.get_log("performance")]
        requested = [
            event["message"]["params"]["request"]["url"]
            for event in events
            if event["message"]["method"] == "Network.requestWillBeSent"
        ]
        plugin = [url for url in requested if "errorflow" in url]
        assert plugin
        return [
            url
            for url in requested
            if not re.match(r"(http://127\.0\.0\.1:|data:|blob:|about:)", url)
        ]
