"""A task's search space, narrowed by a user's YAML file and by flags."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from .config import TrainingConfig, flat, replace, setting_types
from .config_files import check_keys, strict
from .console import suggestion
from .errors import UserError, brief
from .space import Choice, Range, Space, When, size

C = TypeVar("C", bound=TrainingConfig)
RANGE_KEYS = ("low", "high", "step", "log")


def narrow(
    space: Space, content: Mapping[str, Any], path: str, config: C, flags: Collection[str] = ()
) -> tuple[Space, C]:
    """Return the space that remains to be searched, and the config with the fixed settings.

    `key: value` fixes a key, `key: [a, b]` is a choice, `key: {low: 1, high: 9, step: 2, log:
    true}` is a range; a list or range of one value fixes too. A key that the space does not have is
    searched as well. Conditions stay: a fixed key that matters only for some values of others
    remains in the space, with its one value; a key whose conditions can never hold is left out.

    Args:
        content: content of the file.
        path: name of the file, for messages.
        config: settings of the trials, not yet `resolved`, which may depend on searched keys.
        flags: settings that keep their value in the config, as if the file fixed them; but without
            effect if the space does not have them, or if their conditions can never hold.

    Raises:
        UserError: a key or value is not valid, a flag gives a key of the file, too, or nothing is
            left to search.
    """
    file, cls = f"space file {path}", type(config)
    check_keys(cls, content, file)
    kinds = setting_types(cls)
    domains = {
        key: _read_domain(value, kinds[key], f"{file}, key {key}") for key, value in content.items()
    }
    for key in (key for key in domains if key in flags):
        flag = f"--{key.replace('_', '-')}"
        raise UserError(f"{file}, key {key}: {flag} gives this setting, too; leave one of them out")
    own = {key: Choice(value) for key, value in flat(config).items() if key in flags}
    remaining, fixed = _apply(space, domains, {k: v for k, v in own.items() if k in space}, file)
    config = _replaced(config, fixed, file)
    for key in (key for key in domains if key in remaining):
        for value in _extremes(domains[key]):
            _replaced(config, {key: value}, f"{file}, key {key}")
    if size(remaining) == 1 and not content:
        raise UserError("the flags leave nothing to search: leave one of them out")
    if size(remaining) == 1:
        raise UserError(f"{file} leaves nothing to search: give some key a list or a range")
    return remaining, config


def _read_domain(value: Any, kind: Any, place: str) -> Choice | Range:
    """Return the domain of a key; `kind` is the type of its values."""
    try:
        if isinstance(value, Mapping):
            return _read_range(value, kind)
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError("an empty list leaves nothing to choose")
        return Choice(*dict.fromkeys(strict(v, kind) for v in values))
    except (TypeError, ValueError) as error:
        raise UserError(f"{place}: {error}") from None


def _read_range(settings: Mapping[str, Any], kind: Any) -> Range:
    for key in settings:
        if key not in RANGE_KEYS:
            raise ValueError(f"a range has no {brief(key)}{suggestion(str(key), RANGE_KEYS)}")
    if "low" not in settings or "high" not in settings:
        raise ValueError("a range needs low and high")
    low, high = (strict(settings[end], kind) for end in ("low", "high"))
    if type(low) not in (int, float) or type(high) not in (int, float):
        raise TypeError(f"low and high must be numbers, got {low!r} and {high!r}: give a list")
    step = settings.get("step")
    step = None if step is None else strict(step, type(low))
    return Range(low, high, step, strict(settings.get("log", False), bool))


def _apply(space: Space, domains: Space, flags: Space, file: str) -> tuple[Space, dict[str, Any]]:
    """Return the space with new domains for some keys, and the values of the fixed keys."""
    searched: dict[str, Choice | Range] = {}
    fixed: dict[str, Any] = {}
    for key in [*space, *(key for key in domains if key not in space)]:
        domain = domains.get(key) or flags.get(key) or space[key]
        when = space[key].when if key in space else {}
        conditions = _open_conditions(when, searched, fixed)
        if conditions is None:
            if key in domains:
                only = f"it is searched only where {_in_words(when)}"
                raise UserError(f"{file}, key {key}: {only}, which never is so here: leave it out")
        elif domain.values is not None and len(domain.values) == 1 and not conditions:
            fixed[key] = domain.values[0]
        else:
            searched[key] = domain.under(conditions)
    return searched, fixed


def _open_conditions(when: When, searched: Space, fixed: Mapping[str, Any]) -> When | None:
    """Return the conditions that do not always hold; None if one of them can never hold."""
    conditions = {}
    for key, wanted in when.items():
        if key in fixed and fixed[key] in wanted:
            continue
        if key not in searched or not any(searched[key].holds(value) for value in wanted):
            return None
        values = searched[key].values
        if searched[key].when or values is None or not all(value in wanted for value in values):
            conditions[key] = wanted
    return conditions


def _in_words(when: When) -> str:
    return " and ".join(f"{key} is {' or '.join(map(str, when[key]))}" for key in when)


def _extremes(domain: Choice | Range) -> Sequence[Any]:
    """Return the values to check; if they are valid, the whole domain is."""
    return domain.values if isinstance(domain, Choice) else (domain.low, domain.high)


def _replaced(config: C, values: Mapping[str, Any], place: str) -> C:
    """Return the config with new values; raise `UserError` if they are not valid."""
    changed = replace(config, **values)
    try:
        changed.resolved().check()
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    return changed
