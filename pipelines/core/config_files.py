"""Reads a config dataclass from defaults, then a file, then the command line; writes it as YAML."""

import contextlib
import difflib
import io
import re
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from . import run_folder as runs
from .config import CALL_FLAGS, CommonConfig, UserError

T = TypeVar("T")
C = TypeVar("C", bound=CommonConfig)


# Files


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _plain_loader())
    except OSError as error:
        raise UserError(f"cannot read config file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"config file {path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise UserError(f"config file {path}{line} is not YAML: {problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"config file {path} must hold `key: value` lines, one per setting")
    return content


def _plain_loader() -> type:
    """A safe loader with YAML 1.2's plain values, where `1e-3` is a number and `on` is a word."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - PyYAML's own way to start afresh

    number = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
    for tag, pattern in (
        ("null", r"~|null||None"),
        ("bool", r"true|false|True|False"),
        ("int", r"[-+]?[0-9]+"),
        ("float", number),
    ):
        resolver = re.compile(rf"^(?:{pattern})$")
        PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", resolver, None)
    return PlainLoader


def load_config(cls: type[C], path: Path) -> C:
    """Reads a YAML file strictly: an unknown key or a wrong type names the file and the key."""
    import cattrs

    content = load_yaml(path)
    check_keys(cls, content, f"config file {path}")
    try:
        config = _converter().structure(content, cls)
    except cattrs.BaseValidationError as error:
        problem = cattrs.transform_error(error, format_exception=lambda e, _: str(e))[0]
        raise UserError(f"config file {path}: {problem.replace(' @ $.', ' at key ')}") from None
    try:
        config.resolved().check()
    except UserError as error:
        raise UserError(f"config file {path}: {error}") from None
    return config


def check_keys(cls: type[CommonConfig], keys: Iterable[Any], where: str) -> None:
    """Raises `UserError` where a file has a key that is none of the config's."""
    known = cls.file_keys()
    for key in keys:
        if key in CALL_FLAGS:
            flag = str(key).replace("_", "-")
            raise UserError(f"{where}: {key!r} is a flag (--{flag}), not a key")
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}{closest(str(key), known)}")


def dump_config(config: CommonConfig) -> str:
    """The complete configuration as YAML, in the order of the fields."""
    import yaml

    return yaml.safe_dump(config_dict(config), sort_keys=False, allow_unicode=True)


def config_dict(config: CommonConfig) -> dict[str, Any]:
    """The configuration as plain values, without the flags of the call."""
    plain = _converter().unstructure(config)
    return {key: plain[key] for key in config.file_keys()}


def _converter() -> Any:
    """A cattrs converter that converts nothing: `epochs: "3"` and `epochs: 2.5` are errors."""
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (int, float, str, bool, Path):
        converter.register_structure_hook(kind, strict)
    converter.register_structure_hook_func(
        lambda kind: _is_union(kind) or get_origin(kind) is Literal, strict
    )
    return converter


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def strict(value: Any, kind: Any) -> Any:
    """`value` if it is of `kind`: a plain type, a Literal, or a union of these.

    Raises:
        TypeError: it is not.
    """
    for arm in get_args(kind) if _is_union(kind) else (kind,):
        if get_origin(arm) is Literal:
            word = str(value).lower() if isinstance(value, bool) else value  # YAML's own true
            if isinstance(word, str) and word in get_args(arm):
                return word
        elif arm is Path and isinstance(value, str):
            return Path(value)
        elif arm is float and type(value) is int:
            return float(value)
        elif type(value) is arm:
            return value
    raise TypeError(f"expected {_in_words(kind)}, got {value!r}")


def _in_words(kind: Any) -> str:
    if _is_union(kind):
        return " or ".join(_in_words(arm) for arm in get_args(kind))
    if get_origin(kind) is Literal:
        return " or ".join(str(value) for value in get_args(kind))
    words = {int: "a whole number", float: "a number", Path: "a path", str: "text"}
    return (words | {bool: "true or false", type(None): "null"})[kind]


def closest(word: str, known: Sequence[str]) -> str:
    """What to say behind an unknown word."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


# Flags


def parse_flags(
    cls: type[T],
    flags: Sequence[str],
    prog: str,
    default: T | None = None,
    describe: str | None = None,
) -> T:
    """Fills a dataclass from the command line; `UserError` in one line for a bad flag."""
    import tyro

    errors, start = io.StringIO(), tyro.MISSING_NONPROP if default is None else default
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(cls, args=flags, prog=prog, default=start, description=describe)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{_in_one_line(errors.getvalue())}; see {prog} --help") from None


def _in_one_line(box: str) -> str:
    """The message in tyro's framed text, which has a title, and the flags it suggests."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)  # colours, on a terminal
    lines = [line.strip("│╰╯ ") for line in plain.splitlines()[1:]]
    lines = lines[1:] if _is_rule(lines[0]) else lines
    rule = next((i for i, line in enumerate(lines) if _is_rule(line)), len(lines))
    message = " ".join(lines[:rule]).split(" Got errors:")[0].strip(" .")
    flags = [line for line in lines[rule:] if re.match(r"--\w", line)]
    if message.startswith("Error parsing ") and flags:
        values = re.findall(r"'(.*?)'", message)
        return f"{flags[0].replace(' ', ' takes ', 1)}, not {' '.join(values[-1:])!r}"
    names = sorted({flag.split()[0] for flag in flags})
    return message + (f"; did you mean {' or '.join(names)}?" if names else "")


def _is_rule(line: str) -> bool:
    return len(line) > 3 and set(line) <= {"─", "-"}


def read_config(
    cls: type[C], flags: Sequence[str], prog: str, task: str, describe: str | None = None
) -> C:
    """Default < file < flags; with `--resume` the file is the run's own unless one is given."""
    config = parse_flags(cls, flags, prog, describe=describe)
    config.resolved().check()
    if config.config is not None:
        saved = config.config
    elif config.resume:
        saved = runs.to_resume(config.run_dir, task, config.name).config_file
    else:
        return config.resolved()
    config = parse_flags(cls, flags, prog, load_config(cls, saved)).resolved()
    config.check()
    return config
