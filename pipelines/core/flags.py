"""Read a config from the command line, by tyro.

tyro receives a copy of the config's class in which each field carries its help text: one
paragraph, wrapped at the width of the terminal, with the default once.
"""

import contextlib
import dataclasses
import functools
import inspect
import io
import itertools
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from .config import Section, section_types
from .errors import UserError
from .paths import with_usable_paths

S = TypeVar("S", bound=Section)


def parse_flags(
    cls: type[S],
    flags: Sequence[str],
    prog: str,
    default: S | None = None,
    describe: str | None = None,
) -> S:
    """Fill a config class from the command line.

    Args:
        flags: the arguments after the words of `prog`.
        default: the values of absent flags; None: the defaults of the class.
        describe: the text above the flags in `--help`; None: the docstring of the class.

    Raises:
        UserError: a bad flag or value, in one line.
        SystemExit: after `--help`.
    """
    import tyro

    _check_no_path_is_empty(cls, flags)
    form = _form(cls)
    start, errors = _to_form(form, default or cls()), io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            filled = tyro.cli(
                form,
                args=flags,
                prog=prog,
                default=start,
                description=describe or inspect.getdoc(cls),
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{_in_one_line(errors.getvalue())}; see {prog} --help") from None
    return with_usable_paths(_from_form(cls, filled))


def _check_no_path_is_empty(cls: type[Section], flags: Sequence[str]) -> None:
    """Raise `UserError` for a path like "$UNSET", which would mean the current folder."""
    paths = {
        f"--{_flag_name(section, name).replace('_', '-')}"
        for section in (cls, *section_types(cls).values())
        for name, hint in typing.get_type_hints(section).items()
        if Path in (hint, *get_args(hint))
    }
    words = [part for flag in flags for part in flag.split("=", 1)]
    for flag, value in itertools.pairwise(words):
        if flag in paths and not value.strip():
            raise UserError(f"{flag}: an empty path; give one, or leave it out")


def settings_in(cls: type[Section], flags: Sequence[str]) -> frozenset[str]:
    """Return the names of the settings that flags give a value, in the sections of a config."""
    words = {flag.partition("=")[0].removeprefix("--") for flag in flags if flag.startswith("--")}
    written = {word.replace("-", "_") for word in words}
    return frozenset(
        field.name
        for section in section_types(cls).values()
        for field in dataclasses.fields(section)
        if written & {name := _flag_name(section, field.name).replace("-", "_"), f"no_{name}"}
    )


def _flag_name(section: type, field: str) -> str:
    """Return the name of a field's flag, which its annotation may choose."""
    hint = typing.get_type_hints(section, include_extras=True)[field]
    chosen = (getattr(mark, "name", None) for mark in getattr(hint, "__metadata__", ()))
    return next(filter(None, chosen), field)


@functools.cache
def _form(cls: type[Section]) -> Any:
    """Return a copy of the class with a help text in the annotation of each field and section."""
    texts, hints = _help_texts(cls), typing.get_type_hints(cls, include_extras=True)
    last = sorted(dataclasses.fields(cls), key=lambda field: field.name == "run")
    fields = [
        (field.name, _annotated(hints[field.name], texts.get(field.name, "")), field)
        for field in last
    ]
    copies = [
        (name, hint, dataclasses.field(default=_default_of(field))) for name, hint, field in fields
    ]
    return dataclasses.make_dataclass(cls.__name__, copies, frozen=True, kw_only=True)


def _default_of(field: dataclasses.Field) -> Any:
    return (
        _to_form(_form(type(field.default)), field.default) if _is_section(field) else field.default
    )


def _is_section(field: dataclasses.Field) -> bool:
    return isinstance(field.default, Section)


def _annotated(hint: Any, text: str) -> Any:
    import tyro

    if isinstance(hint, type) and issubclass(hint, Section):
        return Annotated[_form(hint), tyro.conf.arg(help=text)]
    has_default = "(default:" in text
    if isinstance(hint, types.UnionType):
        hint = Union[get_args(hint)]  # noqa: UP007 - of `A | B` tyro imports a slow type checker
    return Annotated[
        hint,
        tyro.conf.arg(
            help=text,
            help_behavior_hint=lambda shown: (
                "" if has_default or shown == "None" else f"(default: {shown})"
            ),
            metavar=_metavar(hint),
        ),
    ]


def _metavar(hint: Any) -> str | None:
    """Return the type of an optional value without {None}; None: keep tyro's text."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) not in (Union, types.UnionType):
        return None
    arms = [arm for arm in get_args(hint) if arm is not type(None)]
    if len(arms) == len(get_args(hint)):
        return None
    return "|".join(
        "{" + ",".join(map(str, get_args(arm))) + "}"
        if get_origin(arm) is Literal
        else arm.__name__.upper()
        for arm in arms
    )


def _help_texts(cls: type) -> dict[str, str]:
    """Return the help text of each field; that of a subclass replaces that of its bases."""
    owners = [owner for owner in reversed(cls.__mro__) if "__annotations__" in vars(owner)]
    return {name: text for owner in owners for name, text in _own_help_texts(owner).items()}


@functools.cache
def _own_help_texts(owner: type) -> dict[str, str]:
    """Return the docstring of each field that a class defines itself, as one paragraph."""
    import docstring_parser

    try:
        docstrings = docstring_parser.parse_from_object(owner).params
    except OSError:  # a class that was created at run time has no source
        return {}
    return {d.arg_name: " ".join((d.description or "").split()) for d in docstrings}


def _to_form(form: Any, config: Any) -> Any:
    """Return a config as an instance of the form's class."""
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return form(
        **{
            name: _to_form(_form(type(value)), value) if isinstance(value, Section) else value
            for name, value in values.items()
        }
    )


def _from_form(cls: type[S], filled: Any) -> S:
    hints = typing.get_type_hints(cls)
    values = {f.name: getattr(filled, f.name) for f in dataclasses.fields(filled)}
    return cls(
        **{
            name: _from_form(hints[name], value) if dataclasses.is_dataclass(value) else value
            for name, value in values.items()
        }
    )


def _in_one_line(box: str) -> str:
    """Return tyro's framed error text as one line: the message and the suggested flags."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)  # colours, on a terminal
    lines = [line.strip("│╰╯ ") for line in plain.splitlines()[1:]]
    lines = lines[1:] if _is_rule(lines[0]) else lines
    rule = next((i for i, line in enumerate(lines) if _is_rule(line)), len(lines))
    message = _sorted_choices(" ".join(lines[:rule]).split(" Got errors:")[0].strip(" ."))
    flags = [line for line in lines[rule:] if re.match(r"--\w", line)]
    if message.startswith("Error parsing ") and flags:
        value, takes = re.search(r"""(['"]).*\1""", message), flags[0].replace(" ", " takes ", 1)
        return (
            f"{takes}, not {value[0][:60]}" if value else f"{takes}: {message.split(': ', 1)[-1]}"
        )
    names = sorted({re.split("[, ]", flag)[0] for flag in flags})
    return message + (f"; did you mean {' or '.join(names)}?" if names else "")


def _sorted_choices(message: str) -> str:
    """Return a message whose choices are sorted, without the None of a setting that is absent.

    tyro writes a set, in any order.
    """
    choices = re.search(r"Expected one of \((.*)\)", message)
    if choices is None:
        return message
    names = sorted({*re.findall(r"'([^']*)'", choices[1])} - {"None"})
    return message.replace(choices[0], f"Expected one of {', '.join(names)}")


def _is_rule(line: str) -> bool:
    return len(line) > 3 and set(line) <= {"─", "-"}
