"""Checks for the JSON objects of runs and searches: which types the values of their keys have.

A disk may have cut such a file, a person edited it, or another tool written it: whoever reads a key
can rely on its type. Unknown keys are not checked.
"""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

MOST = 2**63  # of a whole number

Check = Callable[[Any], bool]
Forms = Mapping[str, tuple[str, Check]]  # for each key, what its value is and the check


def problem_of(
    content: Mapping[str, Any], forms: Forms, required: Collection[str] = ("status",)
) -> str | None:
    """Return what is wrong with an object; None: nothing."""
    for key in required:
        if key not in content:
            return f"no {key}: errorflow has not written it"
    for key, (expected, is_valid) in forms.items():
        if key in content and not is_valid(content[key]):
            return f"{key} is not {expected}"
    return None


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, float) or is_whole(value)


def is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < MOST


def is_count(value: Any) -> bool:
    return is_whole(value) and value >= 0


def is_duration(value: Any) -> bool:
    return is_finite(value) and value >= 0


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def mapping_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def record(**checks: Check) -> Check:
    """Return the check for a mapping that has at least these keys."""
    return lambda value: (
        isinstance(value, dict)
        and all(key in value and check(value[key]) for key, check in checks.items())
    )
