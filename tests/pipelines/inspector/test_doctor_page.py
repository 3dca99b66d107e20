"""The view Doctor of the Error Flow tab in a real browser."""

import json
from pathlib import Path

import axe_core_python
import doctor_runs
import pytest
import report_runs
from tab import HOSTILE, Tab, tensorboard, with_browser

pytestmark = with_browser
AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
LSTM = "an LSTM in place of a SimpleRNN"
UNTREATED, TREATED = (f"names/a/doctor/{name}/seed-0" for name in ("untreated", "lstm"))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A TensorBoard that shows a run that was treated, and one that was not."""
    folder = tmp_path_factory.mktemp("runs")
    run = report_runs.run_folder(folder, "a", flow=report_runs.flow("rnn"))
    doctor_runs.treat(run, doctor_runs.answer(HOSTILE).as_json())
    report_runs.run_folder(folder, "b", flow=report_runs.flow("rnn"))
    with tensorboard(folder, "--reload_interval=120", fast=True) as running:
        yield running


def test_the_table_shows_what_each_remedy_did(address, browser):
    tab = Tab(browser, address, "doctor")
    assert tab.texts(".verdict") == [f"{doctor_runs.answer(HOSTILE).sentence}."]
    assert tab.texts(".treatments tbody th")[1].splitlines() == [
        LSTM,
        "Hochreiter & Schmidhuber 1997",
    ]
    results = tab.texts(".treatments .badge-text")
    assert results == ["cure", "finding stays", "not applicable"]
    assert HOSTILE in " ".join(tab.texts(".treatments p"))  # a text, no markup
    assert tab.run("return [...document.images].map((one) => one.naturalWidth)") == [4]


def test_trials_are_listed_when_they_are_asked_for(address, browser):
    tab = Tab(browser, address)
    assert sorted(tab.texts(".overview tbody th")) == ["names/a", "names/b"]
    tab.click("List 7 trials of the doctor")
    assert len(tab.texts(".overview tbody th")) == 2 + 7


def test_a_button_compares_the_untreated_and_the_treated_training(address, browser):
    tab = Tab(browser, address, "doctor")
    tab.click(f"Compare {LSTM} with the untreated training")
    assert tab.texts(".view[aria-current]") == ["Time"]
    assert tab.texts(".cards:last-child h3") == [f"{UNTREATED}\nrnn", f"{TREATED}\nrnn"]
    assert sorted(tab.texts("label:has(.of-run:checked)")) == sorted([UNTREATED, TREATED])
    tab.click("Doctor")
    assert tab.texts(".card h3") == ["names/a"]  # whose trials were compared


def test_everyone_can_read_and_operate_it(address, browser):
    tab = Tab(browser, address, "doctor")
    browser.execute_script(AXE)
    for theme in ("light", "dark"):
        tab.run(f"parent.document.body.classList.toggle('dark-mode', {int(theme == 'dark')})")
        tab.settle()
        assert tab.run("return document.documentElement.dataset.theme") == theme
        found = tab.run("return (await axe.run()).violations")
        problems = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert not problems, json.dumps(problems, indent=1)


@pytest.mark.parametrize("width", [360, 800])
def test_nothing_is_cut_off_in_a_narrow_window(address, browser, width):
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        tab = Tab(browser, address, "doctor")
        beyond = """
            const width = document.documentElement.clientWidth;
            return [...document.querySelectorAll("main *")].filter((one) =>
              one.getBoundingClientRect().right > width + 1 && !one.closest(".unseen"))
              .map((one) => one.outerHTML.slice(0, 80))"""
        assert tab.run("return document.documentElement.clientWidth") == width
        assert tab.run(beyond) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
