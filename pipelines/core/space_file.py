"""What a person may search: a task's space, narrowed by a YAML file."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .config import TrainingConfig, replace, setting_types
from .config_files import check_keys, strict
from .console import suggestion
from .errors import UserError
from .space import Choice, Range, Space, When, size

C = TypeVar("C", bound=TrainingConfig)
WORDS = ("low", "high", "step", "log")  # of a range


def narrowed(space: Space, given: Mapping[str, Any], where: str, config: C) -> tuple[Space, C]:
    """What a file leaves to search, and the config with what it fixes.

    `key: value` fixes a key, `key: [a, b]` chooses, `key: {low: 1, high: 9, step: 2, log: true}` is
    a range; a list or range of one value fixes too. A key that the space does not have is searched
    as well. Conditions stay. So a fixed key that counts only for some values of others is still in
    the space, with its one value; and a key whose conditions can never hold is not.

    Args:
        given: what stands in the file.
        where: its name.
        config: what is trained; better one that is not `resolved`, for a recipe hangs on keys that
            are searched.

    Raises:
        UserError: a key or a value that makes no sense, or nothing is left to search.
    """
    file, cls = f"space file {where}", type(config)
    check_keys(cls, given, file)
    kinds = setting_types(cls)
    asked = {key: _read(value, kinds[key], f"{file}, key {key}") for key, value in given.items()}
    left, fixed = _settled(space, asked, file)
    config = _checked(config, fixed, file)
    for key in (key for key in asked if key in left):
        for value in _tried(asked[key]):
            _checked(config, {key: value}, f"{file}, key {key}")
    if size(left) == 1:
        raise UserError(f"{file} leaves nothing to search: give some key a list or a range")
    return left, config


def _read(value: Any, kind: Any, place: str) -> Choice | Range:
    """What stands behind a key; `kind` is the type of its values."""
    try:
        if isinstance(value, Mapping):
            return _read_range(value, kind)
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError("an empty list leaves nothing to choose")
        return Choice(*dict.fromkeys(strict(one, kind) for one in values))
    except (TypeError, ValueError) as error:
        raise UserError(f"{place}: {error}") from None


def _read_range(words: Mapping[str, Any], kind: Any) -> Range:
    for word in words:
        if word not in WORDS:
            raise ValueError(f"a range has no {word!r}{suggestion(str(word), WORDS)}")
    if "low" not in words or "high" not in words:
        raise ValueError("a range needs low and high")
    low, high = (strict(words[end], kind) for end in ("low", "high"))
    if type(low) not in (int, float) or type(high) not in (int, float):
        raise TypeError(f"low and high must be numbers, got {low!r} and {high!r}: give a list")
    step = words.get("step")
    step = None if step is None else strict(step, type(low))
    return Range(low, high, step, strict(words.get("log", False), bool))


def _settled(space: Space, asked: Space, file: str) -> tuple[Space, dict[str, Any]]:
    """What is left to search when keys of a space are what was asked, and the values that stand."""
    left: dict[str, Choice | Range] = {}
    fixed: dict[str, Any] = {}
    for key in [*space, *(key for key in asked if key not in space)]:
        now = asked.get(key) or space[key]
        when = space[key].when if key in space else {}
        remaining = _remaining(when, left, fixed)
        if remaining is None:
            if key in asked:
                only = f"it is searched only where {_in_words(when)}"
                raise UserError(f"{file}, key {key}: {only}, which never is so here: leave it out")
        elif now.values is not None and len(now.values) == 1 and not remaining:
            fixed[key] = now.values[0]
        else:
            left[key] = now.under(remaining)
    return left, fixed


def _remaining(when: When, left: Space, fixed: Mapping[str, Any]) -> When | None:
    """The conditions that are still open; None if one of them can never hold."""
    remaining = {}
    for key, wanted in when.items():
        if key in fixed and fixed[key] in wanted:
            continue
        if key not in left or not any(left[key].holds(value) for value in wanted):
            return None
        values = left[key].values
        if left[key].when or values is None or not all(value in wanted for value in values):
            remaining[key] = wanted
    return remaining


def _in_words(when: When) -> str:
    return " and ".join(f"{key} is {' or '.join(map(str, when[key]))}" for key in when)


def _tried(given: Choice | Range) -> Sequence[Any]:
    return given.values if isinstance(given, Choice) else (given.low, given.high)


def _checked(config: C, values: Mapping[str, Any], place: str) -> C:
    """The config with other values, if they make sense."""
    changed = replace(config, **values)
    try:
        changed.resolved().check()
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    return changed
