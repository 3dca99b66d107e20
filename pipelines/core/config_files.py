"""Configs as YAML files: one `key: value` line per setting, without sections."""

import dataclasses
import os
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from .config import RunSettings, TrainingConfig, flat, replace, setting_types
from .console import suggestion
from .errors import UserError, brief
from .paths import is_open_pipe, special_kind

C = TypeVar("C", bound=TrainingConfig)
TEXTS = tuple[str, ...]
LARGEST = 100_000  # bytes of a config file
CALL_FLAGS = frozenset(field.name for field in dataclasses.fields(RunSettings))


def load_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        UserError: the file cannot be read, is larger than any config, or is not such YAML.
    """
    import yaml

    from .plain_yaml import plain_loader

    try:
        if (kind := special_kind(path)) and not is_open_pipe(path):
            raise UserError(f"config file {path} is {kind}, not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"config file {path} has more than {LARGEST:,} bytes: it is no config")
        content = yaml.load(content.decode(), plain_loader())
    except OSError as error:
        raise UserError(f"cannot read config file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"config file {path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise UserError(f"config file {path}{_yaml_fault(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"config file {path} must hold `key: value` lines, one per setting")
    return content


def _yaml_fault(error: Any) -> str:
    """Return the line and what is wrong there, to follow the name of the file."""
    import yaml

    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    line = f", line {mark.line + 1}" if mark else ""
    if isinstance(error, yaml.reader.ReaderError):
        problem = f"character U+{error.character:04X} ({error.reason})"
    is_value = isinstance(error, yaml.constructor.ConstructorError)
    return f"{line}{'' if is_value else ' is not YAML'}: {(problem or 'cannot be read')[:200]}"


def load_config(cls: type[C], path: Path) -> C:
    """Read a YAML file strictly.

    Raises:
        UserError: an unknown key, a wrong type or a bad value; the message names file and key.
    """
    config = with_settings(cls(), load_yaml(path), f"config file {path}")  # pyright: ignore
    try:
        config.resolved().check()
    except UserError as error:
        raise UserError(f"config file {path}: {error}") from None
    return config


def with_settings(config: C, settings: Mapping[str, Any], source: str) -> C:
    """Return a copy of a config with new values for some settings; check names and types.

    Args:
        source: where the settings come from, for messages.

    Raises:
        UserError: an unknown name or a wrong type.
    """
    check_keys(type(config), settings, source)
    kinds, values = setting_types(type(config)), {}
    for key, value in settings.items():
        try:
            values[key] = strict(value, kinds[key])
        except TypeError as error:
            raise UserError(f"{source}: {error} at key {key}") from None
    return replace(config, **values)


def check_keys(cls: type[TrainingConfig], keys: Iterable[Any], source: str) -> None:
    """Raise `UserError` for a key that is not a setting of the config."""
    setting_names = setting_types(cls)
    for key in keys:
        if key in CALL_FLAGS - setting_names.keys():  # `workers` is a setting of a search
            flag = str(key).replace("_", "-")
            raise UserError(f"{source}: {brief(key)} is a flag (--{flag}), not a key")
        if key not in setting_names:
            raise UserError(
                f"{source}: unknown key {brief(key)}{suggestion(str(key), setting_names)}"
            )


def dump_config(config: TrainingConfig) -> str:
    """Return the complete configuration as YAML."""
    import yaml

    from .plain_yaml import plain_dumper

    settings, dumper = config_dict(config), plain_dumper()
    return yaml.dump(settings, Dumper=dumper, sort_keys=False, allow_unicode=True)


def config_dict(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings by name as plain values, as a YAML file holds them."""
    return {key: _plain(value) for key, value in flat(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [*value] if type(value) is tuple else value


def strict(value: Any, kind: Any) -> Any:
    """Return a value if it has the type `kind`: a plain type, a Literal, or a union of these.

    One text is also a tuple of texts, `TEXTS`.

    Raises:
        TypeError: the value has another type.
    """
    for arm in get_args(kind) if _is_union(kind) else (kind,):
        if get_origin(arm) is Literal:
            word = str(value).lower() if isinstance(value, bool) else value  # YAML's own true
            if isinstance(word, str) and word in get_args(arm):
                return word
        elif arm is Path and isinstance(value, str | Path):
            return Path(os.path.expanduser(value))  # noqa: PTH111 - leaves ~nobody as it is
        elif arm is str and isinstance(value, Path):  # as Python code may give `weights`
            return str(value)
        elif arm == TEXTS and isinstance(value, str | list | tuple):
            texts = (value,) if isinstance(value, str) else tuple(value)
            if all(type(text) is str for text in texts):
                return texts
        elif arm is float and type(value) is int and abs(value) < 10**308:
            return float(value)
        elif arm is int and type(value) is int and abs(value) >= 2**63:
            raise TypeError(f"expected a whole number below 2^63, got {brief(value)}")
        elif type(value) is arm:
            return value
    raise TypeError(f"expected {_in_words(kind)}, got {brief(value)}")


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _in_words(kind: Any) -> str:
    if _is_union(kind):
        return " or ".join(_in_words(arm) for arm in get_args(kind))
    if get_origin(kind) is Literal:
        return " or ".join(str(value) for value in get_args(kind))
    words = {int: "a whole number", float: "a number", Path: "a path", str: "text"}
    return (words | {bool: "true or false", type(None): "null", TEXTS: "a list of texts"})[kind]
