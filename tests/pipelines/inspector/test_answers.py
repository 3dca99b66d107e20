"""What the server answers about whole trainings, of older layouts as well, with both loaders."""

import io
import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from errorflow.callbacks.recording.event_log import EventLog
from errorflow.callbacks.text_samples import markdown_table
from PIL import Image
from tab import HOSTILE, ask, tensorboard, until

FIRST_EDITION = Path(__file__).parents[2] / "data" / "first_edition" / "runs"
TASKS = ("captions", "images", "names", "pronounce", "tags")
TRAININGS = {f"{task}/finished" for task in TASKS} | {"names/interrupted", f"new/{HOSTILE}"}


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "slow"])
def address(request, tmp_path_factory):
    """A TensorBoard that shows runs of an older version, and one with the texts of today's."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(FIRST_EDITION, folder, dirs_exist_ok=True)
    log = EventLog(folder / "new" / HOSTILE / "logs" / "validation")
    log.step = 3
    log.text("samples", markdown_table([{"text": HOSTILE, "label": "|"}]))
    log.close()
    with tensorboard(folder, fast=request.param) as running:
        until(lambda: {one["run"] for one in ask(running, "runs")} == TRAININGS)
        until(lambda: summary(running, "images/finished")["best"])
        yield running


def summary(address, run):
    (answer,) = ask(address, "summaries", run=run)
    return answer


def training(address, run):
    return next(one for one in ask(address, "runs") if one["run"] == run)


def test_each_training_is_listed_once_the_newest_first(address):
    listed = ask(address, "runs")
    assert {one["run"] for one in listed} == TRAININGS
    begun = [one["begun"] for one in listed]
    assert begun == sorted(begun, reverse=True)
    names = training(address, "names/finished")
    assert {one["kind"] for one in names["series"]} == {"error_flow", "gates", "layer_gradients"}
    assert [(one["kind"], one["type"]) for one in names["media"]] == [
        ("gates", "image"),
        ("samples", "text"),
    ]
    assert names["latest"] == 8  # the training step


def test_colours_are_those_of_tensorboards_list_of_runs(address):
    with urllib.request.urlopen(f"{address}/data/runs") as answer:
        order = json.load(answer)
    palette = ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"]
    for one in ask(address, "runs"):
        own = [run for run in order if run.startswith(f"{one['run']}/")]
        main = next((run for run in own if run.endswith("/train")), own[0])
        assert one["colours"]["light"] == palette[order.index(main) % 7]


def test_a_summary_says_what_the_training_found(address):
    answer = summary(address, "names/interrupted")
    assert answer["best"] == {
        "name": "accuracy",
        "value": pytest.approx(1 / 9),
        "epoch": 1,
        "higher_is_better": True,
    }
    query = {"run": "names/interrupted/logs/error_flow", "kind": "error_flow", "name": "rnn_1"}
    table = ask(address, "table", **query, statistic="hidden")
    assert answer["finding"] == table["findings"][0]
    course = ask(address, "course", **query)
    assert answer["first_to_last"]["steps"] == course["steps"] == table["steps"]
    assert answer["first_to_last"]["values"] == course["lines"]["first_to_last"]
    assert summary(address, "tags/finished")["first_to_last"] is None


def test_samples_are_plain_text(address):
    run = f"new/{HOSTILE}"
    (medium,) = training(address, run)["media"]
    assert (medium["kind"], medium["latest"]) == ("samples", 3)
    (sample,) = ask(address, "media", run=medium["run"], tag=medium["tag"], type="text")
    assert sample["table"] == [["text", "label"], [HOSTILE, "|"]]
    assert (sample["step"], sample["epoch"]) == (3, 3)


@pytest.mark.parametrize(
    "task, kind", [("pronounce", "attention"), ("captions", "captioned_images")]
)
def test_images_are_served_as_png(address, task, kind):
    (medium,) = (m for m in training(address, f"{task}/finished")["media"] if m["kind"] == kind)
    shown = ask(address, "media", run=medium["run"], tag=medium["tag"], type="image")
    assert [one["epoch"] for one in shown] == [0, 1, 2]
    url = urllib.parse.urljoin(f"{address}/data/plugin/errorflow/", shown[-1]["image"])
    with urllib.request.urlopen(url) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        image = Image.open(io.BytesIO(answer.read()))
    assert image.size == (shown[-1]["width"], shown[-1]["height"])


@pytest.mark.parametrize(
    "route, query, message",
    [
        ("image", {"key": "none"}, "there is no image none"),
        ("summaries", {"run": "none"}, "there is no run none"),
        ("media", {"run": "none", "tag": "samples"}, "there is no image or text none/samples"),
        ("course", {"run": "none"}, "there is no series none"),
    ],
)
def test_what_does_not_exist_is_an_error_message(address, route, query, message):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(address, route, **query)
    assert caught.value.code == 400
    assert json.load(caught.value)["error"] == message
