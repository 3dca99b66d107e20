"""Command lines of random flags and values: each is refused in one line, or does what it says."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
from chaos import hostile, invariant
from errorflow.pipelines.core.config import Section, section_types
from errorflow.pipelines.registry import TASKS, load_task
from errorflow.pipelines.search import plan, seeds
from errorflow.pipelines.search import tune as search
from errorflow.pipelines.search.config import tune_config
from errorflow.pipelines.training import verbs
from errorflow.pipelines.training.task import RunVerbConfig
from hypothesis import strategies as st

EXAMPLES = 3_000
Command = tuple[str, ...]


def flags_of(cls: type[Section]) -> dict[str, str]:
    """The flags of a config class, with their defaults."""
    sections = (cls, *section_types(cls).values())
    return {
        f"--{field.name.replace('_', '-')}": str(field.default)
        for section in sections
        for field in dataclasses.fields(section)
        if field.name not in section_types(cls)
    }


def commands() -> Iterator[tuple[Command, dict[str, str]]]:
    """Every command that a task's training, search or trained run has, with its flags."""
    for name in TASKS:
        task = load_task(name)
        yield (name, "train"), flags_of(task.config)
        yield (name, "tune"), flags_of(tune_config(task.config))
        for verb in verbs.verbs_of(task).values():
            if issubclass(verb.config, RunVerbConfig):
                flags = flags_of(verb.config) | {"--run-dir": "empty"}  # nothing to use
                yield (name, verb.name, "--run-dir", "empty"), flags
    yield ("runs", "--run-dir", "empty"), {"--run-dir": "empty", "--task": "names", "--help": ""}
    yield ("runs", "compare", "--run-dir", "empty"), {"--run-dir": "empty", "--group": ""}
    yield ("report", "--run-dir", "empty"), {"--to": "page.html", "--run-dir": "empty"}
    yield ("zoo",), {"--help": ""}
    yield (), {"--help": "", "--version": ""}


COMMANDS: Mapping[Command, dict[str, str]] = dict(commands())


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    words = draw(st.sampled_from([*COMMANDS]))
    line = [*words]
    for _ in range(draw(st.integers(1, 4))):
        flag = draw(st.sampled_from([*COMMANDS[words]]))
        value = draw(st.one_of(st.just(COMMANDS[words][flag]), hostile.argument))
        form = draw(st.sampled_from(("two",) * 5 + ("one", "flag", "no", "value", "cut")))
        line += {
            "two": [flag, value],
            "one": [f"{flag}={value}"],
            "flag": [flag],
            "no": [f"--no-{flag[2:]}"],
            "value": [value],
            "cut": [flag[:-1], value],
        }[form]
    return line


@pytest.fixture
def nothing_starts(monkeypatch):
    """Trainings end after their settings are read, searches after their plan is."""
    monkeypatch.setattr(verbs, "train", lambda *_: None)
    monkeypatch.setattr(seeds, "train_seeds", lambda *_: None)
    monkeypatch.setattr(search, "tune", plan.read_plan)


def test_random_flags_are_used_or_refused(earlier_runs: Path, nothing_starts, summary):
    hostile.write(earlier_runs, hostile.ODD_PLACES)
    before, codes = invariant.digests(earlier_runs), []

    @hostile.fuzzed(EXAMPLES)
    @hypothesis.given(command_lines())
    def fuzz(line: list[str]):
        ended = invariant.run(*line)
        invariant.check(ended)
        codes.append(ended.code)

    fuzz()
    assert invariant.digests(earlier_runs) == before
    summary(f"flags: {len(codes):,} command lines, {codes.count(2):,} of them refused in one line")
