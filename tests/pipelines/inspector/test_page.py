"""The page of the Error Flow tab in a real browser."""

import json
import shutil
from pathlib import Path

import axe_core_python
import event_files
import pytest
from tab import HOSTILE, Tab, ask, tensorboard, until, with_browser

pytestmark = with_browser
RUNS = ["lstm", "simple", "pair", "each", HOSTILE]
VIEWS = {
    "overview": "Overview",
    "time": "Time",
    "depth": "Depth",
    "depth_error": "Error over depth",
    "gates": "Gates",
    "matrix": "Error matrix",
    "horizon": "Horizon",
    "attention": "Attention",
    "samples": "Samples",
}
AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def quiet(browser):
    """No test leaves an error in the browser's console or a request of another host."""
    browser.get_log("browser")
    yield
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not Tab.leaves_the_host(browser)


def names(tab):
    return tab.texts(".overview tbody th")


def test_the_overview_says_what_the_findings_say(server, browser):
    tab = Tab(browser, server)
    summaries = ask(server, "summaries", run=RUNS)
    assert sorted(names(tab)) == sorted(RUNS)
    badges = dict(zip(names(tab), tab.texts(".overview td.finding"), strict=True))
    for summary in summaries:
        finding = summary["finding"]
        assert badges[summary["run"]].endswith(finding["headline"] if finding else "none")
    curves = tab.run("return [...document.querySelectorAll('.sparkline')].map((c) => c.ariaLabel)")
    assert len(curves) == sum(bool(summary["first_to_last"]) for summary in summaries) > 2
    assert tab.texts(".damaged li") == [
        f"damaged · {HOSTILE} cannot be shown: its description is not a JSON object",
        "garbage · events.out.tfevents.1 cannot be shown: it is no event file",
    ]


def test_the_seeds_of_a_group_are_side_by_side(trained, tmp_path, browser):
    runs = ["a-seed1", "a-seed10", "a-seed2", "b"]
    for name in runs:
        shutil.copytree(trained[0] / "each", tmp_path / name)
    with tensorboard(tmp_path, "--reload_interval=120", fast=True) as address:
        until(lambda: len(ask(address, "runs")) == len(runs))
        tab = Tab(browser, address, view="matrix")
        assert tab.texts(".run-list label") == ["a-seed1", "a-seed2", "a-seed10", "b"]
        tab = Tab(browser, address, sort="run", ascending=True)
        assert names(tab) == ["a-seed1", "a-seed2", "a-seed10", "b"]


def test_rows_are_sorted_filtered_and_chosen(fast, browser):
    tab = Tab(browser, fast, runs=[])
    begun = {one["run"]: one["begun"] for one in ask(fast, "runs")}
    assert [begun[name] for name in names(tab)] == sorted(begun.values(), reverse=True)
    tab.click("Run")
    assert names(tab) == sorted(RUNS)
    assert tab.texts("[aria-sort='ascending']") == ["Run"]
    tab.click("Run")
    assert names(tab) == sorted(RUNS, reverse=True)

    tab.type("^S|l.tm$")
    assert names(tab) == ["simple", "lstm"]
    tab.click("Show all runs")
    tab.type("(")
    assert len(names(tab)) == len(RUNS)
    assert "not a regular expression" in tab.texts("main .run-filter .problem")[0]
    tab.type("")
    assert tab.texts(".pinned th") == ["simple", "lstm"]  # above the others
    tab.click("Show none of the runs")
    assert not tab.texts(".pinned th")
    assert len(names(tab)) == len(RUNS)


def test_a_link_shows_the_same(fast, browser):
    tab = Tab(browser, fast)
    tab.click("lstm")  # the button of its row opens its charts
    assert tab.texts("h3")[-1] == "lstm\nrnn"
    tab.click("from the first step")
    until(lambda: "align" in browser.execute_script("return parent.location.hash"))
    shown = tab.hover(0.99, 0.99)
    assert shown[0].startswith("training step 24 (epoch 3), time step 12: ")
    browser.switch_to.default_content()
    tab.open(browser.current_url)
    assert tab.texts(".view[aria-current]") == ["Time"]
    assert tab.texts("h3")[-1] == "lstm\nrnn"
    assert tab.hover(0.99, 0.99) == shown


def test_lyapunov_exponents_are_lines_below_zero(fast, browser):
    tab = Tab(browser, fast, "horizon", runs=["lstm"])
    tab.settle()
    (chart,) = tab.run(
        "return [...document.querySelectorAll('svg')].filter((one) => "
        "one.querySelector('path.zero')).map((one) => one.ariaLabel)"
    )
    assert "2 curves of Lyapunov exponent per time step, along epoch" in chart


def test_every_view_shows_what_was_recorded(fast, trained, browser):
    flow, gradients, gates, horizon, depth = trained[1]["lstm"]
    matrices = trained[1]["each"][0]["matrix"]
    expected = {
        "time": (
            "training step 24 (epoch 3), 11 time steps before the last: ",
            flow["rnn"]["hidden"][-1, 0],
        ),
        "depth": ("training step 24 (epoch 3), rnn: ", gradients["norm"][-1, 0]),
        "depth_error": ("training step 24 (epoch 3), rnn: ", depth["rms"][-1, 0]),
        "gates": ("epoch 3, time step 1: ", gates["rnn"]["forget"][3, 0]),
        "horizon": ("epoch 3, 11 time steps before the last: ", horizon["rnn"]["hidden"][3, 0]),
        "matrix": ("loss step i 12, time step 1: ", matrices[-1, -1, 0]),
    }
    for view, (text, value) in expected.items():
        tab = Tab(browser, fast, view, runs=["each" if view == "matrix" else "lstm"])
        assert tab.texts(".view[aria-current]") == [VIEWS[view]]
        readout, number = tab.hover(0.99, 0.01)
        assert readout.startswith(text)
        assert number == value
    tab.find(".step").send_keys("\ue011")  # Home: the first epoch
    until(lambda: tab.hover(0.99, 0.01)[1] == matrices[0, -1, 0])


def test_the_slider_moves_all_charts(fast, trained, browser):
    tab = Tab(browser, fast, "time", runs=["lstm"])
    hidden = trained[1]["lstm"][0]["rnn"]["hidden"]
    tab.find(".step").send_keys("\ue011", "\ue014")  # Home, right: the second training step
    assert tab.texts(".at") == ["2 (epoch 0.3)"]
    curve = ".cards.compared article"
    until(lambda: tab.hover(0.5, 0, curve)[1] == hidden[1, 0])
    shown = tab.texts(".cards:last-child .tip")  # the other charts mark the same time step
    assert ["11 time steps before the last" in text for text in shown] == [True, True]
    tab.run("document.dispatchEvent(new Event('visibilitychange'))")  # loads again
    tab.settle()
    assert tab.run("return document.activeElement.className") == "step"
    assert tab.texts(".at") == ["2 (epoch 0.3)"]


def test_a_view_offers_runs_that_have_data_for_it(fast, browser):
    assert Tab(browser, fast, "samples").texts("h3") == ["lstm"]  # not among the latest runs
    tab = Tab(browser, fast, "samples", runs=["each"])
    assert not tab.texts("article")
    tab.click("Show lstm")
    assert tab.texts("h3") == ["lstm"]
    assert sorted(tab.texts("label:has(.of-run:checked)")) == ["each", "lstm"]


def test_texts_from_data_are_not_markup(fast, browser):
    tab = Tab(browser, fast, "time", runs=["pair"])
    assert HOSTILE in " ".join(tab.texts("h3"))
    for view, where in (("matrix", "h3"), ("samples", ".media td"), ("overview", "th button")):
        tab = Tab(browser, fast, view, runs=[HOSTILE, "lstm"])
        assert HOSTILE in tab.texts(where)
    images = "[...document.images].filter((image) => image.getAttribute('src') === 'x').length"
    assert tab.run(f"return [top.hacked ?? 0, window.hacked ?? 0, {images}]") == [0, 0, 0]


def test_every_download_has_a_name_of_its_own(fast, browser, tmp_path):
    tab = Tab(browser, fast, "time", runs=["lstm"])
    buttons = tab.run(
        "return [...document.querySelectorAll('.menu-list button')].map((b) => b.ariaLabel)"
    )
    assert "Download error over time of lstm · rnn as SVG" in buttons
    assert len(set(buttons)) == len(buttons) == 3 * (3 + 2)
    allow = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
    tab.run("for (const b of document.querySelectorAll('.cards:last-child .csv')) b.onclick()")
    tables = until(lambda: len(found := [*tmp_path.glob("*.csv")]) == 2 and found)
    assert min(table.name for table in tables) == "lstm-rnn-Curve-of-the-selected-row.csv"


@pytest.fixture
def sixty(trained, tmp_path):
    """(A folder of sixty runs, the first name being the newest one; the events of each)"""
    (file,) = (trained[0] / "simple").rglob("train/events*")
    events = event_files.events(file)
    for number in range(60):
        place = tmp_path / f"run-{number:02}" / "train" / file.name
        event_files.append(place, events[: len(events) // 2], later=-1000.0 * number)
    return tmp_path, events, file.name


@pytest.mark.slow
def test_of_sixty_runs_the_latest_are_shown_and_new_ones_appear(sixty, browser):
    folder, events, name = sixty
    flags = "--reload_interval=1", "--reload_multifile=true"
    with tensorboard(folder, *flags, fast=True) as address:
        until(lambda: len(ask(address, "runs")) == 60)
        tab = Tab(browser, address, "time")
        on = "label:has(.of-run:checked)"
        assert tab.texts(on) == ["run-00", "run-01", "run-02", "run-03"]
        last = tab.texts(".at")
        event_files.append(folder / "run-00" / "train" / name, events[len(events) // 2 :])
        event_files.append(folder / "a-new-one" / "train" / name, events, later=50.0)
        until(lambda: tab.texts(on)[0] == "a-new-one")  # without a click
        tab.settle()
        assert len(tab.texts(on)) == 4
        assert tab.texts(".at") != last
        assert tab.hover(0.99, 0.5, ".cards:last-child article:nth-child(2)")[0].startswith(
            "training step 24"
        )


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_cut_off_in_a_narrow_window(fast, browser, view):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        tab = Tab(browser, fast, view)
        beyond = """
            const width = document.documentElement.clientWidth;
            return [...document.querySelectorAll("main *")].filter((one) =>
              one.getBoundingClientRect().right > width + 1 && !one.closest(".scrolled, .unseen"))
              .map((one) => one.outerHTML.slice(0, 80))"""
        assert tab.run("return document.documentElement.clientWidth") == 360
        assert tab.run(beyond) == []
        if view != "overview":
            assert not tab.find("aside").is_displayed()
            tab.click("Runs and layers")
            assert tab.find("aside").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Rules of axe-core by theme; the themes differ in nothing but colours.
THEMES = {"light": "", "dark": '{runOnly: ["color-contrast"]}'}


def test_everyone_can_read_and_operate_each_view(fast, browser):
    for view in VIEWS:
        tab = Tab(browser, fast, view)
        tab.settle()
        browser.execute_script(AXE)
        tab.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for theme, rules in THEMES.items():
            tab.run(f"parent.document.body.classList.toggle('dark-mode', {int(theme == 'dark')})")
            tab.settle()
            tab.run("await Promise.all(document.getAnimations().map((one) => one.finished))")
            assert tab.run("return document.documentElement.dataset.theme") == theme
            found = tab.run(f"return (await axe.run({rules})).violations")
            problems = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
            assert not problems, json.dumps(problems, indent=1)
