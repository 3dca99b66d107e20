"""How the tab groups runs by training, and which figures stand for a training."""

import threading
from types import SimpleNamespace

import pytest
from errorflow.callbacks.recording.printable import literal
from errorflow.callbacks.text_samples import markdown_table
from errorflow.pipelines.inspector.best import Best, best_of
from errorflow.pipelines.inspector.cache import Cache
from errorflow.pipelines.inspector.media import plain, table_of
from errorflow.pipelines.inspector.trainings import training_of


@pytest.mark.parametrize(
    "run, training",
    [
        ("names/lstm/logs/train", "names/lstm"),
        ("names/lstm/logs/validation", "names/lstm"),
        ("names/lstm/logs/error_flow", "names/lstm"),  # of older versions
        ("names/lstm/logs/gates-2", "names/lstm"),
        ("2/train", "2"),
        ("train", "folder"),
        ("logs/samples", "folder"),
        (".", "folder"),
        ("names/restrain", "names/restrain"),
        ("names/lstm/logs/own", "names/lstm"),  # an image or text of this tag
    ],
)
def test_runs_of_one_training_have_its_name(run, training):
    assert training_of(run, "/some/folder", titles=["own"]) == training


def scalars(**figures):
    data = {
        name: [SimpleNamespace(step=step, value=value) for step, value in enumerate(values)]
        for name, values in figures.items()
    }
    return {f"epoch_{name}": of_name for name, of_name in data.items()}


@pytest.mark.parametrize(
    "figures, best",
    [
        ({"loss": [3, 1, 2], "macro_f1": [0.1, 0.2, 0.4]}, Best("macro_f1", 0.4, 3, True)),
        ({"loss": [3, 1, 2], "wer": [0.9, 0.5, 0.7]}, Best("wer", 0.5, 2, False)),
        ({"loss": [3, 1, 2], "words_loss": [3, 2, 1]}, Best("words_loss", 1, 3, False)),
        ({"loss": [3, float("nan"), 2]}, Best("loss", 2, 3, False)),
        ({"loss": [3, 1], "of_unknown_direction": [1, 2]}, Best("loss", 1, 2, False)),
        ({"accuracy": [float("nan")]}, None),
        ({}, None),
    ],
)
def test_the_best_validation_figure(figures, best):
    assert best_of(scalars(**figures)) == best


def test_samples_are_read_back_as_they_were():
    """TextSamples escapes them as Markdown; the tab shows them as plain text."""
    hostile = "<img src=x onerror=top.hacked=1> | `a` *b* &amp; [c](d) \\ ~"
    rows = [{"text": hostile, "label": ""}, {"text": "", "label": hostile}]
    assert table_of(markdown_table(rows)) == [["text", "label"], [hostile, ""], ["", hostile]]
    ((head,), (cell,)) = table_of(markdown_table([{"a": "x" * 70, "b": 1}]))
    assert (head, cell) == ("b · a", "b: 1\n" + "x" * 70)
    assert table_of("no table") is None
    assert plain(literal(hostile)) == hostile


def test_the_cache_is_bounded_by_bytes():
    cache, made = Cache(limit=10), []

    def get(key):
        return cache.get(key, lambda: made.append(key) or key, size=lambda value: 4)

    for key in ("a", "b", "a", "c", "a", "b"):
        assert get(key) == key
    assert made == ["a", "b", "c", "b"]  # of three values the least recently used one is dropped
    cache.get("huge", lambda: made.append("huge"), size=lambda value: 11)
    assert get("a") == "a"
    assert made == ["a", "b", "c", "b", "huge"]


def test_what_several_threads_want_is_made_once():
    cache, made, begun, go_on = Cache(limit=10_000), [], threading.Event(), threading.Event()

    def make():
        begun.set()
        go_on.wait(60)
        made.append(1)
        return "value"

    got = []
    threads = [threading.Thread(target=lambda: got.append(cache.get(1, make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert got == ["value"] * 4
    assert made == [1]


def test_an_error_is_not_kept():
    cache = Cache(limit=10_000)
    with pytest.raises(ZeroDivisionError):
        cache.get(1, lambda: 1 // 0)
    assert cache.get(1, lambda: "value") == "value"
