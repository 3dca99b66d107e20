"""The report in a real browser: it opens from a file, shows what was recorded, and runs no data."""

import csv
import json
import re

import event_files
import numpy as np
import pytest
import report_runs
from axe_core_python.selenium import Axe
from errorflow.pipelines.commands.report.page import page
from tab import HOSTILE, until, with_browser

LAYER = f"rnn {HOSTILE}"
STEPS, WIDTH = 20, 12


@pytest.fixture(scope="module")
def recorded():
    """{TensorBoard's name of a run: what it recorded of its layer}"""
    return {
        f"names/{name}/logs/train": report_runs.flow(LAYER, STEPS, WIDTH, seed)[1][:, 1:]
        for seed, name in enumerate(("a", f"b {HOSTILE}"))
    }


@pytest.fixture(scope="module")
def file(recorded, tmp_path_factory):
    """The report of two runs, as a file."""
    folder, runs = tmp_path_factory.mktemp("report"), []
    for seed, run in enumerate(recorded):
        records = {
            "flow": report_runs.flow(LAYER, STEPS, WIDTH, seed),
            "gradients": report_runs.gradients(["first", HOSTILE]),
            "gates": report_runs.gates(LAYER),
            **{f"gates/{n}": report_runs.gates(f"lstm_{n}") for n in range(4)},
            HOSTILE: (b"[]", np.ones(3, np.float32)),
        }
        runs.append(report_runs.run_folder(folder, run.split("/")[1], **records))
        (runs[-1].plots / f"{HOSTILE}.png").write_bytes(report_runs.picture())
        texts = {"warnings": (b"", np.array("warning, step 20: " + "one line " * 40))}
        event_files.write(runs[-1].logs / "validation", "text", **texts)
    path = folder / "report.html"
    path.write_text(page(runs), encoding="utf-8")
    return path


@pytest.fixture
def opened(file, browser):
    """The browser with the report, whose charts are drawn; the logs begin with it."""
    browser.switch_to.default_content()
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(file.as_uri())
    until(
        lambda: browser.execute_script(
            "return [...document.querySelectorAll('figure[data-card]:not(.beyond)')]"
            ".every((figure) => figure.querySelector('.chart svg[aria-label]'))"
        )
    )
    return browser


def charts(browser, view, script):
    """Return what a function of a chart returns, for the charts of each card of a view."""
    return dict(
        browser.execute_script(
            f"""const ofChart = {script};
            return [...document.querySelectorAll("#{view} figure > .card")].map((element) =>
              [element.parentElement.dataset.card,
                element.card.charts.map(({{ chart }}) => ofChart(chart))])"""
        )
    )


@with_browser
def test_charts_have_the_recorded_values(opened, recorded):
    tables = charts(opened, "time", "(chart) => chart.csv()")
    for run, values in recorded.items():
        table, _ = tables[json.dumps([run, LAYER], separators=(",", ":"))]
        header, *rows = csv.reader(table.splitlines())
        assert (header[0], header[-1]) == ("training step", "last time step")
        shown = np.array(rows, np.float64)
        np.testing.assert_array_equal(shown[:, 0], np.arange(1, STEPS + 1))
        np.testing.assert_array_equal(shown[:, 1:].astype(np.float32), values[:, 0])


@with_browser
def test_each_card_is_in_a_figure_with_a_caption(opened):
    cards = opened.find_elements("css selector", ".card")
    captioned = opened.find_elements("css selector", "figure:has(> figcaption) > .card")
    assert len(cards) == len(captioned) == len(opened.find_elements("css selector", "[data-card]"))


@with_browser
def test_nothing_of_the_data_runs_and_nothing_is_loaded(opened, file):
    hacked = "return [window.hacked ?? 0, document.querySelectorAll('img[src=x]').length]"
    assert opened.execute_script(hacked) == [0, 0]
    names = [one.text for one in opened.find_elements("css selector", "#summary h3")]
    assert HOSTILE in names[1]
    assert not [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"]
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if not re.match("data:|blob:", url)] == [file.as_uri()]


@with_browser
def test_the_slider_selects_the_training_step_of_a_section(opened, recorded):
    opened.find_element("css selector", "#time input[type=range]").send_keys("\ue011")  # Home
    assert opened.find_element("css selector", "#time output").text == "1"
    first = next(iter(recorded.values()))[0, 0]  # of the layer at training step 1

    def drawn():
        _, *lines = csv.reader(
            charts(opened, "time", "(chart) => chart.csv()")["curves"][0].splitlines()
        )
        return np.float32([cell for line in lines for cell in line[1:]])

    until(lambda: np.isin(first, drawn()).all())


@with_browser
def test_many_figures_are_shown_when_they_are_asked_for(opened):
    figures = opened.find_elements("css selector", "#gates figure")
    assert [figure.is_displayed() for figure in figures] == [True] * 8 + [False] * 3
    opened.find_element("xpath", "//button[.='Show 3 more figures']").click()
    assert all(figure.is_displayed() for figure in figures)
    until(lambda: all(map(all, charts(opened, "gates", "(chart) => chart.width").values())))


# The themes differ in nothing but colours.
ONLY_COLOURS = {"runOnly": ["color-contrast"]}


@with_browser
@pytest.mark.parametrize(("theme", "rules"), [("light", None), ("dark", ONLY_COLOURS)])
def test_the_page_is_accessible(opened, theme, rules):
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    try:
        until(
            lambda: opened.execute_script("return document.documentElement.dataset.theme") == theme
        )
        # In the middle of a transition, colours are neither those of one theme nor of the other.
        until(lambda: not opened.execute_script("return document.getAnimations().length"))
        violations = Axe().run(opened, options=rules)["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations] == []
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@with_browser
def test_a_narrow_window_has_no_horizontal_scroll_bar(opened):
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        until(lambda: opened.execute_script("return innerWidth") == 360)
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@with_browser
def test_without_javascript_the_findings_are_there(file, browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(file.as_uri())
        (note,) = browser.find_elements("css selector", "noscript .note")
        captions = [one.text for one in browser.find_elements("css selector", "#time figcaption")]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert note.text.startswith("The charts of this report need JavaScript.")
    assert sum(f"{LAYER}: vanishing" in caption for caption in captions) == 2


@with_browser
def test_on_paper_are_all_charts_and_no_controls(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    try:
        widths = charts(opened, "time", "(chart) => chart.width")
        assert all(300 < of_card[0] <= 672 for of_card in widths.values())
        controls = opened.find_elements("css selector", "input, select, .tools button")
        assert controls
        assert not [control for control in controls if control.is_displayed()]
    finally:
        opened.execute_script("dispatchEvent(new Event('afterprint'))")
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert "printing" not in opened.execute_script("return document.body.className")
