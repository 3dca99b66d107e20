"""The charts of the Error Flow tab, in a browser, without TensorBoard."""

import base64
import csv
import io
import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from chart_page import COLOURS, Page, curves, heat_map, serve
from PIL import Image
from selenium.webdriver.common.keys import Keys
from tab import HOSTILE, until, with_browser

pytestmark = with_browser
SPECIAL = np.array([[0.1, np.nan, 3.3333333e-5], [np.inf, 0, 1e-45]], np.float32)


@pytest.fixture(scope="module")
def address():
    with serve() as one:
        yield one


@pytest.fixture
def page(browser, address):
    browser.get_log("browser")
    page = Page(browser, address)
    yield page
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    page.emulate("clearDeviceMetricsOverride")


def float32(text):
    return np.float32(text.replace("Infinity", "inf"))


def sorted_steps(rows=60):
    return (np.cumsum(np.random.default_rng(1).integers(1, 40, rows)) + 3).tolist()


def smooth(rows, columns):
    down, across = np.mgrid[:rows, :columns]
    return np.exp(-(columns - across) / (3 + down)).astype(np.float32)


def test_the_pointer_reads_the_recorded_values(page):
    page.make("HeatMap", heat_map(SPECIAL))
    for row, column in np.ndindex(2, 3):
        point = page.hover((column + 0.5) / 3, (row + 0.5) / 2)
        assert (point["step"], point["column"]) == (row + 1, column + 1)
        np.testing.assert_array_equal(float32(point["value"]), SPECIAL[row, column])
        np.testing.assert_array_equal(float32(page.tip()), SPECIAL[row, column])
    readings = [page.hover((column + 0.5) / 3, 0.25)["text"] for column in range(3)]
    assert readings == [
        "training step 1, time step 1: 0.1",
        "training step 1, time step 2: none",
        "training step 1, time step 3: 3.333e-5",
    ]


def test_a_map_has_the_colours_of_its_values(page):
    page.make("HeatMap", heat_map(SPECIAL))
    pixels = page.run(
        """const canvas = document.querySelector(".chart canvas"), pen = canvas.getContext("2d");
        return [0, 1].map((row) => [0, 1, 2].map((column) => [...pen.getImageData(
          canvas.width * (column + 0.5) / 3, canvas.height * (row + 0.5) / 2, 1, 1).data]
            .slice(0, 3)))"""
    )
    assert pixels[0][0] == COLOURS["errors"][round(255 * 7 / 8)]  # 0.1, of 1e-8 to 1
    assert pixels[1][1] == pixels[1][2] == COLOURS["errors"][0]
    red, green, blue = pixels[1][0]
    assert f"#{red:02x}{green:02x}{blue:02x}" == COLOURS["notFinite"]
    assert pixels[0][1] == [0xE8, 0xE8, 0xE8]  # --no-value
    assert page.texts(".bar .other") == ["∞", "none"]
    assert page.texts(".bar .tick text")[0] == "≤1e-8"


def test_rows_stand_at_their_training_steps(page):
    steps = sorted_steps()
    page.make("HeatMap", heat_map(smooth(60, 30), steps))
    height = page.run("return document.querySelector('.pointer').height.baseVal.value")
    first = steps[0] - (steps[1] - steps[0]) / 2  # a row reaches half way to its neighbours
    last = steps[-1] + (steps[-1] - steps[-2]) / 2
    ticks = page.run(
        """return [...document.querySelectorAll(".left.axis .tick")].map((tick) => [
          tick.textContent, tick.transform.baseVal[0].matrix.f])"""
    )
    assert len(ticks) > 3
    for text, y in ticks:
        step = int(text.replace(",", ""))
        assert step % 50 == 0
        assert y == pytest.approx(height * (step - first) / (last - first), abs=1)
        away = abs(page.hover(0.5, y / height)["step"] - step)
        assert away <= min(abs(np.array(steps) - step)) + 2 * (last - first) / height  # 2 pixels


def test_the_keyboard_reads_and_picks(page):
    values = smooth(5, 7)
    svg = page.make("HeatMap", heat_map(values, epochs=[0.2, 0.4, 0.6, 0.8, 1.0]))
    svg.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_UP)  # the first key shows the cursor
    assert page.texts(".chart [aria-live]") == [
        f"training step 4 (epoch 0.8), time step 6: {values[3, 5]:.4g}"
    ]
    assert float32(page.tip()) == values[3, 5]
    svg.send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    (picked,) = page.run("return picked")
    assert (picked["step"], picked["column"]) == (5, 1)
    svg.send_keys(Keys.END)
    assert page.run("return hovered.at(-1).column") == 7
    svg.send_keys(Keys.ESCAPE)
    assert page.run("return [hovered.at(-1), document.querySelector('.tip').hidden]") == [
        None,
        True,
    ]
    assert svg.get_attribute("aria-label").startswith("a chart: heat map of rms of δ_t. Rows:")
    keys = page.run("return document.getElementById(arguments[0]).textContent",
                    svg.get_attribute("aria-describedby"))  # fmt: skip
    assert keys.startswith("Arrow keys move the cursor")


@pytest.mark.parametrize("kind", ["HeatMap", "Curves"])
def test_wheel_drag_keys_and_double_click(page, kind):
    steps = 40
    data = heat_map(smooth(steps, steps)) if kind == "HeatMap" else curves(smooth(1, steps)[0])
    svg = page.make(kind, data)
    page.reduce_motion()
    columns = lambda: tuple(column for _, column in page.corners())  # noqa: E731
    everything = columns()
    assert everything == (1, 40)
    page.wheel(0.5, 0.5, -400)
    until(lambda: columns() != everything)
    first, last = columns()
    assert 1 < first < last < 40
    page.drag((0.5, 0.5), (-60, 0))
    until(lambda: columns()[0] > first)
    assert columns()[1] > last
    page.double_click(0.5, 0.5)
    until(lambda: columns() == everything)

    page.hover(0.5, 0.5)
    svg.send_keys("+", "+")  # without motion it is done at once
    first, last = columns()
    assert 1 < first < last < 40
    svg.send_keys(Keys.SHIFT + Keys.ARROW_RIGHT)
    assert columns()[1] > last
    svg.send_keys(Keys.NULL, "-", "-")
    assert columns() == everything
    svg.send_keys("+", "0")
    assert columns() == everything


def test_the_wheel_scrolls_the_page_unless_it_begins_on_the_chart(page):
    page.make("HeatMap", heat_map(smooth(40, 40)))
    scrolled = lambda: page.run("return scrollY")  # noqa: E731
    everything = page.corners()
    page.wheel(0.5, 0.5, 300)  # there is nothing to zoom out of
    until(lambda: scrolled() > 100)
    page.run("scrollTo(0, 0)")
    page.wheel(0.3, 0.5, -300)  # elsewhere, so it is another gesture
    until(lambda: page.corners() != everything)
    assert scrolled() == 0

    page.run("chart.resetZoom()")
    until(lambda: page.corners() == everything)
    page.run(
        """window.refused = [];
        const turn = (target) => {
          const at = {deltaY: -100, clientX: 300, clientY: 300, bubbles: true, cancelable: true};
          const event = new WheelEvent("wheel", at);
          target.dispatchEvent(event);
          refused.push(event.defaultPrevented); };
        turn(document.body); turn(document.querySelector(".pointer"));"""
    )
    assert page.run("return refused") == [False, False]
    assert page.corners() == everything


@pytest.mark.parametrize("is_reduced", [False, True])
def test_zoom_moves_in_steps_unless_the_reader_prefers_none(page, is_reduced):
    svg = page.make("HeatMap", heat_map(smooth(40, 40)))
    page.reduce_motion(is_reduced)
    is_zoomed = "document.querySelector('.chart-area').classList.contains('zoomed')"
    at_once = page.run(
        f"""const key = new KeyboardEvent("keydown", {{ key: "+", bubbles: true }});
        document.querySelector(".chart > svg").dispatchEvent(key);
        return {is_zoomed};"""
    )
    assert at_once == is_reduced
    until(lambda: page.corners()[0][1] > 1)
    svg.send_keys("0")
    until(lambda: not page.run(f"return {is_zoomed}"))
    until(lambda: page.corners() == [(1, 1), (40, 40)])


def test_curves_have_the_recorded_values(page):
    ys = smooth(3, 12)
    svg = page.make("Curves", curves(*ys))
    svg.send_keys(Keys.ARROW_LEFT, Keys.HOME)
    for row in range(3):
        read = []
        for _ in range(12):
            read.append(float32(page.tip()))
            svg.send_keys(Keys.ARROW_RIGHT)
        np.testing.assert_array_equal(read, ys[row])
        svg.send_keys(Keys.ARROW_DOWN, Keys.HOME)
    assert page.texts(".chart [aria-live]") == [f"curve 2, time step 1: {ys[2, 0]:.4g}"]
    point = page.hover(0.5 / 11, 0.01)
    assert point["name"] == "curve 2"  # the uppermost
    lines = page.texts(".tip p")
    assert lines[0] == "time step 1"
    assert lines[2].split("   ") == [f"{ys[1, 0]:.4g}", HOSTILE]


def test_the_legend_hides_curves(page):
    page.make("Curves", curves(*smooth(3, 12)))
    buttons = page.browser.find_elements("css selector", ".legend button")
    assert [button.text for button in buttons] == ["first", HOSTILE, "curve 2"]
    buttons[1].click()
    buttons[2].send_keys(Keys.ENTER)
    pressed = [button.get_attribute("aria-pressed") for button in buttons]
    assert pressed == ["true", "false", "false"]
    assert len(page.texts("g.curve")) == 1
    assert page.run("return chart.csv()").splitlines()[0] == "time step,first"
    buttons[1].click()
    assert page.run("return chart.csv()").splitlines()[0] == f"time step,first,{HOSTILE}"


def test_logarithmic_axes_have_decades_and_minor_ticks(page):
    page.make("Curves", curves(np.geomspace(3e-6, 0.2, 20)))
    assert page.ticks("left") == ["1e-5", "1e-4", "1e-3", "0.01", "0.1"]
    assert len(page.texts(".minor.axis .tick")) > 40
    page.make("Curves", curves(np.linspace(0.011, 0.029, 20)))
    assert {"0.015", "0.02", "0.025"} <= set(page.ticks("left"))
    page.make("Curves", curves(np.geomspace(1e-40, 1, 20)))
    ticks = page.ticks("left")
    assert 4 < len(ticks) < 12
    assert len({int(tick[2:]) % 5 for tick in ticks if tick.startswith("1e")}) <= 5
    page.make("Curves", curves(np.linspace(0, 7.3, 20), log=False))
    assert page.ticks("left")[0] == "0"
    assert all(float(tick).is_integer() for tick in page.ticks("left"))


def test_no_value_zero_and_infinity(page):
    page.make("Curves", curves([np.nan, 0.1, np.nan, np.inf, 0, 0.2, 0.3]))
    (line,) = page.run(
        "return [...document.querySelectorAll('.line')].map((one) => one.getAttribute('d'))"
    )
    assert line.count("M") == 2  # a single point, and two in a row
    beyond = page.run("return document.querySelector('.beyond').getAttribute('d')")
    assert beyond.count("M") == 2
    assert page.run("return chart.description()").endswith(
        "first: 0.1 at time step 2, 0.3 at time step 7."
    )
    for values in ([[np.nan]], [[np.nan] * 3] * 2, [[np.inf]], [[0]], [[1e-45]]):
        page.make("HeatMap", heat_map(values))
        page.make("Curves", curves(values[0]))
        text = page.run("return chart.description()")
        assert text.startswith("a chart: a curve of rms of δ_t, along time step. first: ")
    page.make("HeatMap", heat_map([[np.nan]]))
    assert page.run("return chart.description()").endswith("There are no finite values.")
    assert page.hover(0.5, 0.5)["text"] == "training step 1, time step 1: none"


@pytest.mark.parametrize("width", [360, 900])
@pytest.mark.parametrize("layers", [3, 53])
def test_names_of_layers_never_overlap_and_fit(page, width, layers):
    page.resize(width, density=2)
    names = [f"conv{n}_block_{n}/with_a_long_name_{n}" for n in range(layers - 1)] + [HOSTILE]
    page.make("HeatMap", heat_map(smooth(4, layers), columns=names))
    boxes = page.run(
        """return [...document.querySelectorAll(".below.axis .tick text")].map((text) => {
          const box = text.getBoundingClientRect();
          const turned = Boolean(text.getAttribute("transform"));
          return [box.left, box.right, turned, text.querySelector("title").textContent]; })"""
    )
    assert {name for *_, name in boxes} <= set(names)
    assert len(boxes) >= min(layers, 8)
    for (_, right, turned, _), (left, end, *_) in itertools.pairwise(boxes):
        assert end - right > 13 if turned else left > right  # turned by 45 degrees: 9 pixels apart
    assert page.run("return top.hacked") is None
    inside = page.run(
        """const page = document.documentElement;
        const outer = document.querySelector(".chart").getBoundingClientRect();
        return [page.scrollWidth <= page.clientWidth, [...document.querySelectorAll(".chart text")]
          .every((text) => { const box = text.getBoundingClientRect();
            return box.left >= outer.left - 1 && box.right <= outer.right + 1; })]"""
    )
    assert inside == [True, True]


def test_linked_charts_show_the_same_place(page):
    values = smooth(5, 7)
    page.make("HeatMap", heat_map(values, steps=[10, 20, 30, 40, 50]))
    page.run("chart.highlight({ step: 31, column: 4 })")
    assert float32(page.tip()) == values[2, 3]
    page.run("chart.highlight({ step: 500, column: 4 })")
    assert page.run("return document.querySelector('.tip').hidden")
    page.run("chart.select(40)")
    mark, height = page.run(
        """return [".selected", ".pointer"].map((name) => document.querySelector(name).getBBox())
          .map((box) => box.y || box.height)"""
    )
    assert mark / height == pytest.approx(3.5 / 5, abs=0.03)
    page.make("Curves", curves(*values))
    page.run("chart.highlight({ step: 31, column: 4, name: 'curve 2' })")
    assert float32(page.tip()) == values[2, 3]
    assert page.run("return hovered") == []  # a linked cursor is not reported again


def test_a_wider_host_is_filled(page):
    page.make("HeatMap", heat_map(smooth(5, 7)))
    page.run("document.getElementById('host').style.width = '500px'")
    until(
        lambda: (
            page.run("return document.querySelector('.chart > svg').viewBox.baseVal.width") == 500
        )
    )
    right = "return document.querySelector('.chart canvas').getBoundingClientRect().right"
    assert page.run(right) < 440


def test_epochs_stand_opposite_to_training_steps_if_there_is_room(page):
    steps = [*range(50, 501, 50)]
    epochs = [step / 100 for step in steps]
    page.make("HeatMap", heat_map(smooth(10, 7), steps, epochs=epochs))
    assert page.ticks("right") == ["1", "2", "3", "4", "5"]
    places = page.run(
        """return [["left", "200"], ["right", "2"]].map(([side, text]) =>
          [...document.querySelectorAll(`.${side}.axis .tick`)].find((one) =>
            one.textContent === text).getBoundingClientRect().y)"""
    )
    assert places[0] == pytest.approx(places[1], abs=1)
    page.run("document.getElementById('host').style.width = '360px'")
    until(lambda: not page.ticks("right"))
    assert "epoch" not in page.texts(".titles text")
    assert "(epoch 2.5)" in page.hover(0.5, 0.45)["text"]
    data = curves(epochs, np.square(epochs), xs=steps)
    for curve in data["curves"]:
        curve["epochs"] = epochs
    page.make("Curves", data | {"along": "step"})
    assert page.ticks("above")[:2] == ["1", "2"]
    assert page.hover(0, 0.99)["text"] == f"{HOSTILE}, time step 50 (epoch 0.5): 0.25"


def test_csv_has_the_exact_values(page):
    page.make("HeatMap", heat_map(SPECIAL, columns=["a,b", 'c"d', "e"]))
    header, *rows = csv.reader(io.StringIO(page.run("return chart.csv()")))
    assert header == ["training step", "time step a,b", 'time step c"d', "time step e"]
    read = np.array([[float32(cell) for cell in row[1:]] for row in rows])
    np.testing.assert_array_equal(read, SPECIAL)
    page.make("Curves", curves([1 / 3, 0.1], SPECIAL[0], xs=None))
    rows = [*csv.reader(io.StringIO(page.run("return chart.csv()")))]
    assert rows[0] == ["time step", "first", HOSTILE]
    assert [float(cell) for cell in (rows[1][1], rows[2][1])] == [1 / 3, 0.1]
    assert rows[3][1] == ""
    assert [row[2] for row in rows[1:]] == ["0.1", "NaN", "0.000033333334"]


def test_svg_needs_no_other_file(page):
    names = ["input", HOSTILE, "output"]
    page.make("HeatMap", heat_map(SPECIAL, columns=names), label=f"training {HOSTILE}")
    space = "{http://www.w3.org/2000/svg}"
    text = page.run("return chart.svg()")
    root = ElementTree.fromstring(text)
    texts = [one.text for one in root.iter(f"{space}text")]
    assert texts[0] == f"training {HOSTILE}"
    assert {*names, "training step", "time step", "rms of δ_t"} <= set(texts)
    assert "var(" not in text
    assert not [one for one in root.iter() if {"class", "style"} & set(one.attrib)]
    (image,) = root.iter(f"{space}image")
    kind, _, picture = image.get("href", "").partition(",")
    assert kind == "data:image/png;base64"
    assert len(Image.open(io.BytesIO(base64.b64decode(picture))).getcolors() or ()) == 5
    page.make("Curves", curves(*smooth(2, 9)))
    root = ElementTree.fromstring(page.run("return chart.svg()"))
    assert [one.text for one in root.iter(f"{space}text")][-2:] == ["first", HOSTILE]
    lines = [one for one in root.iter(f"{space}path") if one.get("stroke") == "rgb(18, 181, 203)"]
    assert len([one for one in lines if one.get("fill") == "none"]) == 2


def test_png_has_twice_the_size(page):
    page.make("HeatMap", heat_map(smooth(5, 7)))
    url = page.browser.execute_async_script(
        """const done = arguments[0], reader = new FileReader();
        reader.onload = () => done(reader.result);
        chart.png().then((blob) => reader.readAsDataURL(blob))"""
    )
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert picture.width == 2 * page.run("return document.querySelector('.chart').clientWidth")
    assert len(picture.getcolors(maxcolors=2**20) or ()) > 20
