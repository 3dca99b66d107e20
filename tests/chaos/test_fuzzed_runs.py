"""Run folders whose records hold anything, and inputs of `predict` that are anything."""

import copy
import json
import tempfile
from pathlib import Path

import hypothesis
import pytest
from chaos import hostile, invariant
from chaos.samples import FORMATS, image
from errorflow.pipelines.training import verbs
from hypothesis import strategies as st

EXAMPLES = 800
CALLS, INPUTS = 6, 40  # of each task: calls of `predict`, and inputs of each call
RECORDS = ("results.json", "history.csv", "config.yaml", "environment.json")
COMMANDS = (
    ("runs",),
    ("runs", "compare", "finished", "interrupted"),
    ("runs", "compare", "--group", "finished", "interrupted"),
    ("names", "train", "--resume", "--name", "finished", "--epochs", "9"),
    ("names", "train", "--resume"),
    ("names", "evaluate", "--name", "nowhere"),
)
# What a number, text, list or mapping in a JSON file may have become.
FOREIGN = (
    *(None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x" * 5000, "\x1b[31m"),
    *([], {}, [[]], {"": None}, [None], ["a", 1], "[red]x[/red]", "\ud800", "a\nb", "../.."),
)


@st.composite
def foreign_json(draw: st.DrawFn, content: bytes) -> bytes:
    """JSON in which one to three values, at any depth, are others."""
    tree = json.loads(content)
    for _ in range(draw(st.integers(1, 3))):
        node = tree
        while isinstance(node, dict | list) and node:
            keys = sorted(node) if isinstance(node, dict) else range(len(node))
            key = draw(st.sampled_from(keys))
            if not isinstance(node[key], dict | list) or draw(st.booleans()):
                node[key] = copy.deepcopy(draw(st.sampled_from(FOREIGN)))
                break
            node = node[key]
    return json.dumps(tree).encode()


def test_random_records_of_a_run_hide_no_other(earlier_runs: Path, monkeypatch, summary):
    monkeypatch.setattr(verbs, "train", lambda *_: None)
    run, codes = earlier_runs / "runs/names/finished", []
    contents = {name: (run / name).read_bytes() for name in RECORDS}
    before = invariant.digests(earlier_runs)

    @hostile.fuzzed(EXAMPLES)
    @hypothesis.given(st.data(), st.sampled_from(RECORDS), st.sampled_from(COMMANDS))
    def fuzz(data: st.DataObject, name: str, command: tuple[str, ...]):
        content = contents[name]
        kinds = [hostile.damaged(content)] + [foreign_json(content)] * name.endswith(".json")
        (run / name).write_bytes(data.draw(st.one_of(kinds)))
        try:
            ended = invariant.run(*command)
        finally:
            (run / name).write_bytes(content)
        invariant.check(ended, (0,) if command == ("runs",) else (0, 2))
        assert command != ("runs",) or "names/interrupted" in ended.out
        codes.append(ended.code)

    fuzz()
    assert invariant.digests(earlier_runs) == before
    summary(f"records of runs: {len(codes)}, {codes.count(2)} commands refused in one line")


@pytest.mark.parametrize("task", ["names", "tags", "pronounce"])
def test_random_texts_are_predicted_or_named(task: str, earlier_runs: Path, summary):
    before, codes = invariant.digests(earlier_runs), []
    lines = st.one_of(st.binary(max_size=40), st.sampled_from(hostile.CHUNKS))

    @hostile.fuzzed(CALLS)
    @hypothesis.given(st.lists(lines, min_size=INPUTS, max_size=INPUTS))
    def fuzz(inputs: list[bytes]):
        ended = invariant.run(
            task, "predict", "--name", "finished", stdin=b"\n".join([*inputs, b"abba"])
        )
        invariant.check(ended, (0, 2, 3))
        codes.append(ended.code)

    fuzz()
    assert invariant.digests(earlier_runs) == before
    summary(f"{task}: {len(codes) * INPUTS} random texts, exit codes {sorted({*codes})}")


@pytest.mark.parametrize("task", ["images", "captions"])
def test_damaged_images_are_predicted_or_named(task: str, earlier_runs: Path, summary):
    before, codes = invariant.digests(earlier_runs), []
    usual = {suffix: image(0, kind) for suffix, kind in FORMATS.items()}

    @hostile.fuzzed(CALLS)
    @hypothesis.given(st.data())
    def fuzz(data: st.DataObject):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number in range(INPUTS):
                suffix = data.draw(st.sampled_from(sorted(usual)))
                paths.append(Path(folder) / f"{number}.{suffix}")
                paths[-1].write_bytes(data.draw(hostile.damaged(usual[suffix])))
            ended = invariant.run(task, "predict", "--name", "finished", *map(str, paths))
            invariant.check(ended, (0, 2, 3))
            codes.append(ended.code)

    fuzz()
    lost = before.items() - invariant.digests(earlier_runs).items()
    assert not lost
    summary(f"{task}: {len(codes) * INPUTS} damaged images, exit codes {sorted({*codes})}")
