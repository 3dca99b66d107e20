"""YAML 1.2's plain values for PyYAML, where `1e-3` is a number and `on` is a word."""

import re
from typing import Any

NUMBER = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
PLAIN = (
    ("null", r"~|null||None"),
    ("bool", r"true|false|True|False"),
    ("int", r"[-+]?[0-9]+"),
    ("float", NUMBER),
)
PREFIX = "tag:yaml.org,2002:"


def plain_loader() -> type:
    """Return a safe loader that refuses what YAML readers read differently, naming the line.

    These are a key that comes twice and a number with leading zeros (octal in YAML 1.1).
    """
    import yaml

    class PlainLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - hides PyYAML's default resolvers

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, KeyError, AttributeError, TypeError):
                kind = node.tag.removeprefix(PREFIX)
                raise _error(node, f"{str(node.value)[:20]!r} cannot be read as {kind}") from None

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            seen = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise _error(key, f"key {key.value!r} comes twice")
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            return super().construct_mapping(node, deep)

    _add_resolvers(PlainLoader)
    PlainLoader.add_constructor(f"{PREFIX}int", _integer)
    return PlainLoader


def plain_dumper() -> type:
    """Return a safe dumper that quotes each text that `plain_loader` would read as a number."""
    import yaml

    class PlainDumper(yaml.SafeDumper):
        pass

    _add_resolvers(PlainDumper)
    return PlainDumper


def _add_resolvers(cls: Any) -> None:
    for tag, pattern in PLAIN:
        cls.add_implicit_resolver(f"{PREFIX}{tag}", re.compile(rf"^(?:{pattern})$"), None)


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        plain = text.startswith("-") * "-" + (text.lstrip("+-0") or "0")
        raise _error(node, f"{text[:20]} has leading zeros; write {plain[:20]}")
    return int(text)


def _error(node: Any, problem: str) -> Exception:
    import yaml

    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
