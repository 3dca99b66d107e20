"""Config files and space files of random content: each is read, or refused in one line."""

import itertools
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from chaos import hostile, invariant
from errorflow.pipelines.core.config import flat, setting_types
from errorflow.pipelines.core.config_files import dump_config
from errorflow.pipelines.registry import TASKS, load_task
from errorflow.pipelines.search import plan
from errorflow.pipelines.search import tune as search
from hypothesis import strategies as st

EXAMPLES = 1_000  # of each kind
TASK_NAMES = st.sampled_from(sorted(TASKS))
LEVELS = "abcdefghijklmnop"
BOMB = "[&a [x, x, x, x, x, x, x, x, x], " + ", ".join(
    f"&{this} [{', '.join([f'*{last}'] * 9)}]" for last, this in itertools.pairwise(LEVELS)
)
VALUES = (
    *hostile.NUMBERS,
    *("[1, 2]", "[]", "[[1]]", "{}", "{low: 1, high: 9}", "{low: 1e-3, high: 1, log: true}"),
    *("{low: 9, high: 1}", "{low: 0, high: 1e30, step: 1e-30}", "{low: 1, high: 2, step: 0}"),
    *("{low: nan, high: inf}", "{low: a, high: b}", "{low: 1}", "{when: 1}", "{? [a] : b}"),
    *(
        "[" * 3000,
        "[" * 3000 + "]" * 3000,
        "{a: " * 2000,
        BOMB + "]",
        "&a [*a]",
        "&a {b: *a}",
        "*a",
    ),
    *("!!int abc", "!!bool maybe", "!!timestamp foo", "!!float x", "!!binary ===", "!!null x"),
    *("!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!python/object/apply:os.getcwd []"),
    *("!x y", "2001-01-01", "2001-99-99", "1:30:00", "0o17", "0b1", "yes", "off", ".inf", "-.nan"),
    *("|\n  a\n  b", ">\n a", "'a", '"\\x1b[31m"', '"\\ud800"', "? a", "- a", "a: b: c", "%YAML 9"),
    *(
        "<<: {units: 3}",
        "é",
        "\u2028",
        "\x85",
        "\ufeff",
        "# nothing",
        "a\tb",
        "@",
        "`",
        "---",
        "...",
    ),
    *("x" * 100_000, "[" + "1, " * 3_000 + "]", "null", "~", "'1'", "1.0", "lstm", "adam"),
)


@st.composite
def yaml_files(draw: st.DrawFn, name: str, usual: Callable[[str], str]) -> bytes:
    """Lines of `key: value`, some of them hostile, as bytes that may be damaged."""
    keys, valid = sorted(setting_types(load_task(name).config)), usual(name).splitlines()
    values = st.one_of(st.sampled_from(VALUES), hostile.argument)
    lines = [*draw(st.sets(st.sampled_from(valid)))]
    for _ in range(draw(st.integers(0, 2))):
        lines.append(f"{draw(st.sampled_from(keys))}: {draw(values)}")
    lines.append(draw(st.sampled_from(("",) * 9 + ("name: x", "run: 1", "? a", "- 1", "- "))))
    text = "\n".join([*draw(st.permutations(lines)), ""])
    content = text.encode(draw(st.sampled_from(("utf-8",) * 9 + ("utf-16",))), "surrogatepass")
    return draw(st.one_of(st.just(content), hostile.damaged(content)))


def usual_config(name: str) -> str:
    return dump_config(load_task(name).config())


def usual_space(name: str) -> str:
    """Two values for each number that the task searches."""
    task = load_task(name)
    values = flat(task.config().resolved())
    numbers = {key: v for key, v in values.items() if key in task.space and type(v) in (int, float)}
    return "\n".join(f"{key}: [{value}, {2 * value}]" for key, value in numbers.items())


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_random_configs_are_used_or_refused(verb: str, earlier_runs: Path, summary):
    def command(name: str) -> list[str]:
        return [name, verb, "--config", "fuzzed.yaml", "--print-config"]

    codes = _exit_codes(command, usual_config, earlier_runs)
    summary(f"config files of {verb}: {in_words(codes)}")
    assert {*codes} == {0, 2}  # some are used, others refused


def test_random_spaces_are_used_or_refused(earlier_runs: Path, monkeypatch, summary):
    monkeypatch.setattr(search, "tune", plan.read_plan)

    def command(name: str) -> list[str]:
        return [name, "tune", "--space", "fuzzed.yaml"]

    codes = _exit_codes(command, usual_space, earlier_runs)
    summary(f"space files: {in_words(codes)}")
    assert {*codes} == {0, 2}


def in_words(codes: list[int]) -> str:
    return f"{len(codes):,}, {codes.count(2):,} of them refused in one line"


def _exit_codes(command, usual, folder: Path) -> list[int]:
    """Return how a command ended with each file; assert that it did so as every command must."""
    before, codes = invariant.digests(folder), []

    @hostile.fuzzed(EXAMPLES)
    @hypothesis.given(st.data(), TASK_NAMES)
    def fuzz(data: st.DataObject, name: str):
        content = data.draw(yaml_files(name, usual))
        (folder / "fuzzed.yaml").write_bytes(content)
        ended = invariant.run(*command(name))
        invariant.check(ended)
        codes.append(ended.code)

    fuzz()
    (folder / "fuzzed.yaml").unlink()
    assert invariant.digests(folder) == before
    return codes
