"""The page of the Error Flow tab in a real browser."""

import numpy as np
import pytest
from PIL import Image
from tab import HOSTILE, Tab, until, with_browser


@with_browser
@pytest.mark.parametrize("server", ["true"], indirect=True)  # both loaders serve the same tables
def test_plots_values_and_selections(server, trained, browser, tmp_path):
    browser.get_log("browser")
    tab = Tab(browser, f"{server}/#errorflow")
    pair = [f"pair · {name}" for name in (HOSTILE, "decoder", "encoder")]
    assert tab.texts("h2") == ["lstm · rnn", *pair, "simple · rnn"]
    labels = ["‖dE/dh‖, rms over the batch", "‖dE/dh‖, largest in the batch"]
    assert tab.texts("#statistic option")[:2] == labels
    assert tab.texts("#damaged li") == [
        f"damaged · {HOSTILE} cannot be shown: its description is not a JSON object",
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
    assert table.name == "lstm-logs-train-rnn-hidden.csv"
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
