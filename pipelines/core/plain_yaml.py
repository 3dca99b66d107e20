"""YAML 1.2's plain values for PyYAML, where `1e-3` is a number and `on` is a word."""

import re
from collections.abc import Sequence
from typing import Any

from ...callbacks.recording.printable import printable

NUMBER = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
PLAIN = (
    ("null", r"~|null||None"),
    ("bool", r"true|false|True|False"),
    ("int", r"[-+]?[0-9]+"),
    ("float", NUMBER),
)
PREFIX = "tag:yaml.org,2002:"
DEEPEST = 20  # levels of lists and mappings
MOST_VALUES = 10_000  # in a file; each alias counts as all that its anchor stands for
UNREADABLE = (ValueError, LookupError, ArithmeticError, AttributeError, TypeError)  # of PyYAML


def plain_loader() -> type:
    """Return a safe loader that refuses what YAML readers read differently, naming the line.

    These are a key that comes twice and a number with leading zeros (octal in YAML 1.1). It also
    refuses what would take all memory or stack: anchors that stand for very many values, and deep
    nesting.
    """
    import yaml

    class PlainLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - hides PyYAML's default resolvers

        def __init__(self, stream: str):
            super().__init__(stream)
            self.depth = 0
            self.sizes: dict[Any, int] = {}  # node → the number of values that it stands for

        def compose_node(self, parent: Any, index: Any) -> Any:
            event, is_alias = self.peek_event(), self.check_event(yaml.AliasEvent)
            self.depth += 1
            if self.depth > DEEPEST:
                raise _error(event, "lists or mappings are nested too deeply")
            node: Any = super().compose_node(parent, index)
            self.depth -= 1
            if not is_alias:
                self.sizes[node] = 1 + sum(self.sizes[part] for part in _parts(node))
            elif node not in self.sizes:
                raise _error(event, f"anchor {event.anchor[:20]!r} contains itself")
            if self.sizes[node] > MOST_VALUES:
                raise _error(event, f"more than {MOST_VALUES:,} values")
            return node

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except UNREADABLE:
                kind = node.tag.removeprefix(PREFIX)
                raise _error(node, f"{str(node.value)[:20]!r} cannot be read as {kind}") from None

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            seen = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise _error(key, f"key {key.value[:40]!r} comes twice")
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            return super().construct_mapping(node, deep)

    _add_resolvers(PlainLoader)
    PlainLoader.add_constructor(f"{PREFIX}int", _integer)
    return PlainLoader


def plain_dumper() -> type:
    """Return a safe dumper that quotes each text that `plain_loader` would read as a number."""
    import yaml

    class PlainDumper(yaml.SafeDumper):
        def analyze_scalar(self, scalar: str) -> Any:
            self.allow_unicode = scalar == printable(scalar)  # what it replaces, is escaped
            return super().analyze_scalar(scalar)

    _add_resolvers(PlainDumper)
    return PlainDumper


def _add_resolvers(cls: Any) -> None:
    for tag, pattern in PLAIN:
        cls.add_implicit_resolver(f"{PREFIX}{tag}", re.compile(rf"^(?:{pattern})$"), None)


def _parts(node: Any) -> Sequence[Any]:
    """Return the nodes in a list or mapping, keys included."""
    if isinstance(node.value, str):
        return ()
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        plain = text.startswith("-") * "-" + (text.lstrip("+-0") or "0")
        raise _error(node, f"{text[:20]} has leading zeros; write {plain[:20]}")
    return int(text)


def _error(node: Any, problem: str) -> Exception:
    import yaml

    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
