"""The Error Flow tab: a real TensorBoard with both of its loaders, and a real browser."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import event_files
import keras
import numpy as np
import pytest
from errorflow.callbacks import ErrorFlow, ErrorMatrix, Gates, Horizon, LayerGradients
from errorflow.layers import LSTM, SimpleRNN
from PIL import Image

STEPS = 12
BOTH = "<img src=x onerror=top.hacked=1>"  # the name of a pair of layers: text, no markup
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
with_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(A folder with runs, what their callbacks recorded)"""
    folder, recorded = tmp_path_factory.mktemp("runs"), {}
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, STEPS, 3)), random.normal(size=(64, 1))
    for name, layer in (("simple", SimpleRNN), ("lstm", LSTM)):
        model = keras.Sequential(
            [keras.Input((STEPS, 3)), layer(5, name="rnn"), keras.layers.Dense(1, name="head")]
        )
        model.compile("adam", "mse")
        logs = folder / name / "logs"
        callbacks = [ErrorFlow(logs), LayerGradients(logs)]
        if layer is LSTM:
            callbacks += [Gates(x, logs), Horizon(x[:4], logs)]
        model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
        recorded[name] = [one.history for one in callbacks]
    each = keras.Sequential([keras.Input((STEPS, 3)), SimpleRNN(5, return_sequences=True)])
    each.compile("adam", "mse")
    matrix = ErrorMatrix(x[:4], x[:4, :, :1], folder / "each")
    each.fit(x, x[:, :, :1], epochs=2, verbose=0, callbacks=[matrix])
    recorded["each"] = [matrix.history]
    source, target = keras.Input((STEPS, 3)), keras.Input((4, 3))
    _, state = SimpleRNN(5, return_state=True, name="encoder")(source)
    answers = SimpleRNN(5, return_sequences=True, name="decoder")(target, initial_state=[state])
    pair = keras.Model([source, target], answers)
    pair.compile("adam", "mse")
    flow = ErrorFlow(folder / "pair", joined={BOTH: ("encoder", "decoder")})
    pair.fit([x, x[:, :4]], x[:, :4, :1], batch_size=8, verbose=0, callbacks=[flow])
    recorded["pair"] = [flow.history, flow.findings()]
    event_files.write(folder / "damaged", "errorflow", **{BOTH: (b"[]", np.ones(3))})
    event_files.write(folder / "garbage", "errorflow")
    (folder / "garbage" / "events.out.tfevents.1").write_bytes(b"\0" * 99)
    return folder, recorded


@pytest.fixture(scope="module", params=["true", "false"], ids=lambda fast: f"load_fast={fast}")
def server(request, trained):
    """The address of a TensorBoard that shows these runs."""
    with tensorboard(trained[0], f"--load_fast={request.param}") as address:
        yield address


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


def decoded(table):
    values = np.frombuffer(base64.b64decode(table["values"]), "<f4")
    return values.reshape(len(table["steps"]), len(table["columns"]))


def test_the_loader_imports_nothing_that_could_stop_tensorboard():
    script = (
        "import sys, errorflow.pipelines.inspector.loader; print(*(name for name in sys.modules if"
        " name.split('.')[0] in ('tensorflow', 'keras') or name.startswith('errorflow.')))"
    )
    imported = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    package = "errorflow.pipelines"
    assert imported == [package, f"{package}.inspector", f"{package}.inspector.loader"]


def test_the_server_runs_without_tensorflow():
    script = "import sys, errorflow.pipelines.inspector.plugin; print('tensorflow' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert process.stdout.split() == [b"False"]


def test_tables_are_what_the_callbacks_recorded(server, trained):
    for run in ("simple", "lstm"):
        flow, gradients, *_ = trained[1][run]
        query = {"run": f"{run}/logs/error_flow", "kind": "error_flow", "name": "rnn"}
        for statistic in ("hidden", "carried"):
            table = ask(server, "table", **query, statistic=statistic, align="start")
            assert table["steps"] == [*range(1, 25)]
            assert table["columns"] == [*range(1, STEPS + 1)]
            np.testing.assert_array_equal(decoded(table), flow["rnn"][statistic])
        table = ask(server, "table", **query, statistic="hidden", align="end")
        assert table["columns"] == [*range(STEPS)][::-1]
        np.testing.assert_array_equal(decoded(table), flow["rnn"]["hidden"])
        assert "the last 20% of 24 recorded training steps" in table["findings"][0]["text"]

        query = {"run": f"{run}/logs/layer_gradients", "kind": "layer_gradients"}
        table = ask(server, "table", **query, statistic="ratio")
        assert table["columns"] == gradients["layers"] == ["rnn", "head"]
        np.testing.assert_array_equal(decoded(table), gradients["ratio"])


def test_an_encoder_and_its_decoder_share_a_time_axis(server, trained):
    history, findings = trained[1]["pair"]
    (name,) = [one["name"] for one in ask(server, "series") if one["joined"]]
    assert name == BOTH
    query = {"run": "pair/error_flow", "kind": "error_flow", "name": name}
    table = ask(server, "table", **query, statistic="hidden")
    assert table["columns"] == [*range(1 - STEPS, 5)]
    np.testing.assert_array_equal(decoded(table), history[BOTH]["hidden"])
    (finding,) = table["findings"]
    assert finding["text"] == findings[-1].sentence
    assert finding["evidence"] == pytest.approx(findings[-1].evidence)


@pytest.mark.parametrize(
    "query, message",
    [
        ({"run": "none"}, "there is no series none"),
        (
            {"run": "lstm/logs/error_flow", "kind": "error_flow", "name": "rnn", "statistic": "x"},
            "there is no statistic 'x' in it, only hidden, hidden_max, carried, valid, cell",
        ),
    ],
)
def test_an_invalid_request_gets_an_error_message(server, query, message):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(server, "table", **query)
    assert caught.value.code == 400
    assert json.load(caught.value)["error"].startswith(message)


@pytest.mark.parametrize(
    "path", ["../plugin.py", "..%2fplugin.py", "%2e%2e/plugin.py", "/etc/passwd", ".", "none.js"]
)
def test_no_path_leads_out_of_the_static_folder(server, path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server}/data/plugin/errorflow/static/{path}")
    assert caught.value.code == 404


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.add_argument("--window-size=1500,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


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


@with_browser
@pytest.mark.parametrize("server", ["true"], indirect=True)  # both loaders serve the same tables
def test_plots_values_and_selections(server, trained, browser, tmp_path):
    browser.get_log("browser")
    tab = Tab(browser, f"{server}/#errorflow")
    pair = [f"pair · {name}" for name in (BOTH, "decoder", "encoder")]
    assert tab.texts("h2") == ["lstm · rnn", *pair, "simple · rnn"]
    labels = ["‖dE/dh‖, rms over the batch", "‖dE/dh‖, largest in the batch"]
    assert tab.texts("#statistic option")[:2] == labels
    assert tab.texts("#damaged li") == [
        f"damaged · {BOTH} cannot be shown: its description is not a JSON object",
        "garbage · events.out.tfevents.1 cannot be shown: it is no event file",
    ]
    assert tab.run("return [top.hacked ?? 0, window.hacked ?? 0, document.images.length]") == [
        *(0, 0, 0)
    ]
    tab.click("pair")  # off
    until(lambda: tab.texts("h2") == ["lstm · rnn", "simple · rnn"])
    assert all("training steps" in text for text in tab.texts(".findings"))

    text, value = tab.hover(0.99, 0.01)  # the last training step, the first time step
    recorded = trained[1]["lstm"][0]["rnn"]["hidden"]
    assert text.startswith("training step 24, 11 time steps before the last: ")
    assert value == recorded[-1, 0]

    tab.click("lstm")  # off
    until(lambda: tab.texts("h2") == ["simple · rnn"])
    tab.click("steps from the first")
    until(lambda: tab.hover(0.01, 0.99)[0].startswith("training step 1, time step 12: "))
    assert tab.hover(0.01, 0.99)[1] == trained[1]["simple"][0]["rnn"]["hidden"][0, -1]

    browser.switch_to.default_content()
    again = Tab(browser, browser.current_url)  # the link shows the same
    assert again.texts("h2") == ["simple · rnn"]
    until(lambda: again.hover(0.01, 0.99)[0].startswith("training step 1, time step 12: "))

    again.click("Gradient over depth")
    until(lambda: again.hover(0.01, 0.99)[0].startswith("training step 1, head: "))
    norms = trained[1]["simple"][1]["norm"]
    assert again.hover(0.01, 0.99)[1] == norms[0, -1]

    again.click("Gates over time")
    until(lambda: again.hover(0.99, 0.01)[0].startswith("epoch 3, time step 1: "))
    assert again.hover(0.99, 0.01)[1] == trained[1]["lstm"][2]["rnn"]["input"][3, 0]

    again.click("Horizon")
    until(lambda: again.hover(0.99, 0.01)[0].startswith("epoch 3, 11 time steps before the last: "))
    assert again.hover(0.99, 0.01)[1] == trained[1]["lstm"][3]["rnn"]["hidden"][3, 0]

    again.click("Error matrix")
    until(lambda: again.hover(0.99, 0.01)[0].startswith("loss step i 12, time step 1: "))
    matrices = trained[1]["each"][0]["matrix"]
    assert again.hover(0.99, 0.01)[1] == matrices[2, -1, 0]
    again.run("const s = document.getElementById('step'); s.value = 0; s.oninput({target: s})")
    until(lambda: again.hover(0.99, 0.01)[1] == matrices[0, -1, 0])
    assert again.hover(0.01, 0.99)[0].endswith(": none")  # no error flows forward

    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
    assert not again.leaves_the_host()


@with_browser
def test_the_keyboard_reads_and_selects(server, trained, browser):
    tab = Tab(browser, f"{server}/#errorflow")
    canvas = browser.find_element("css selector", "canvas")
    canvas.send_keys("\ue012", "\ue012", "\ue013", "\ue007")  # left twice, up, enter
    recorded = trained[1]["lstm"][0]["rnn"]["hidden"]
    (tip, *_) = tab.texts(".tip")
    assert tip.startswith("training step 23, 1 time step before the last: ")
    assert (
        tab.run("return Number(document.querySelector('.tip').dataset.value)") == recorded[-2, -2]
    )
    assert tab.texts("#at") == ["23"]
    tab.run("document.getElementById('reload').onclick()")
    until(lambda: tab.texts("#at") == ["23"])
    assert tab.run("return document.activeElement.tagName") == "CANVAS"  # it keeps the focus


@with_browser
def test_csv_and_png_downloads(server, trained, browser, tmp_path):
    tab = Tab(browser, f"{server}/#errorflow")
    allow = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
    for kind in ("csv", "png"):
        browser.find_element("css selector", f"button.{kind}").click()
    table = until(lambda: [*tmp_path.glob("*.csv")])[0]
    assert table.name == "lstm-logs-error_flow-rnn-hidden.csv"
    header, *lines = table.read_text().splitlines()
    names = header.split(",")
    assert names[:2] == ["training step", "11 time steps before the last"]
    assert names[-1] == "last time step"
    rows = np.array([line.split(",") for line in lines], np.float64)
    np.testing.assert_array_equal(rows[:, 0], np.arange(1, 25))
    recorded = trained[1]["lstm"][0]["rnn"]["hidden"]
    np.testing.assert_array_equal(rows[:, 1:].astype(np.float32), recorded)
    picture = Image.open(until(lambda: [*tmp_path.glob("*.png")])[0])
    width = tab.run("return document.querySelector('canvas').width")
    assert picture.size[0] == width
    assert len(picture.getcolors(maxcolors=2**20)) > 50  # it is not empty
