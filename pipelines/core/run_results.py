"""The form of results.json: the keys that are read, and the types of their values.

A disk may have cut the file, a person edited it, or another tool written it: whoever reads a key
can rely on its type. Unknown keys are kept.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

STATUSES = ("running", "finished", "interrupted", "failed")
MOST = 2**63  # of a whole number

_Check = Callable[[Any], bool]


def problem_of(results: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the content of results.json; None: nothing."""
    if "status" not in results:
        return "no status: errorflow has not written it"
    for key, (expected, is_valid) in _FORMS.items():
        if key in results and not is_valid(results[key]):
            return f"{key} is not {expected}"
    if len(results.get("findings", ())) > len(results.get("verdict", ())):
        return "verdict has fewer sentences than there are findings"
    return None


def figure_in_words(value: float | None) -> str:
    """Return a figure of a split; JSON holds null for one that is not a finite number."""
    return "not finite" if value is None else f"{value:.4f}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < MOST


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < math.inf


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _or_null(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _list(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _mapping(check: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _record(**checks: _Check) -> _Check:
    """Return a check for a mapping that has at least these keys."""
    return lambda value: (
        isinstance(value, dict)
        and all(key in value and check(value[key]) for key, check in checks.items())
    )


def _is_finding(value: Any) -> bool:
    has_keys = _record(layer=_is_text, kind=_is_text)(value)
    return (
        has_keys
        and _mapping(_is_figure)(value.get("evidence", {}))
        and _or_null(_is_number)(value.get("confidence"))
    )


def _is_figure(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or _is_number(value)


_FORMS: Mapping[str, tuple[str, _Check]] = {
    "status": (f"one of {', '.join(STATUSES)}", lambda value: value in STATUSES),
    **dict.fromkeys(("task", "name", "started", "ending", "monitor"), ("text", _is_text)),
    **dict.fromkeys(("parameters", "epochs", "best_epoch"), ("a whole number", _is_count)),
    "sequences": ("a whole number", _is_count),
    "solved": ("true or false", _is_flag),
    **dict.fromkeys(("seconds", "pretraining_seconds", "padding"), ("a number", _is_time)),
    "compile_seconds": ("a number or null", _or_null(_is_time)),
    **dict.fromkeys(
        ("train", "validation", "test"), ("figures by name", _mapping(_or_null(_is_number)))
    ),
    "data": ("a source, a hash and counts", _record(source=_is_text, content_hash=_is_text)),
    "verdict": ("a list of sentences", _list(_is_text)),
    "findings": ("a list of findings", _list(_is_finding)),
    "warnings": ("a list of warnings", _list(_record(layer=_is_text, kind=_is_text))),
    "stopped": ("a status and a reason", _or_null(_record(status=_is_text, reason=_is_text))),
    "objective": ("a name and a direction", _record(name=_is_text, direction=_is_text)),
    "first_to_last": ("a list of shares", _list(_mapping(_or_null(_is_number)))),
}
