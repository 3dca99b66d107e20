"""`errorflow runs compare --group --json`: what is compared, as one JSON object."""

from collections.abc import Sequence
from typing import Any

from ...callbacks.findings.finding import for_json
from ..core.run_config import stored_settings
from ..core.run_group import RunGroup
from .group_tests import GroupTest, sentences_of, tests_of


def comparison(groups: Sequence[RunGroup]) -> dict[str, Any]:
    """Return what `--json` prints; docs/guides/pipelines.md explains the keys."""
    content = {
        "groups": [_group(group) for group in groups],
        "settings": _differing_settings(groups),
        "tests": [_test(test) for test in tests_of(groups)],
        "sentences": sentences_of(groups),
    }
    return for_json(content)


def _group(group: RunGroup) -> dict[str, Any]:
    left_out = [str(run.path) for run in group.others]
    return {"task": group.first.task, **group.as_json(), "left_out": left_out}


def _differing_settings(groups: Sequence[RunGroup]) -> dict[str, dict[str, Any]]:
    """Return {setting: {group: value}} of the settings in which groups differ."""
    settings = {group.name: stored_settings(group.first) for group in groups}
    keys = dict.fromkeys(key for values in settings.values() for key in values if key != "seed")
    rows = {key: {name: values.get(key) for name, values in settings.items()} for key in keys}
    return {key: row for key, row in rows.items() if len({*map(repr, row.values())}) > 1}


def _test(test: GroupTest) -> dict[str, Any]:
    difference = test.difference
    return {
        "figure": test.figure,
        "first": test.first,
        "second": test.second,
        "seeds": [*test.seeds],
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p": test.p,
        "better": test.better,
    }
