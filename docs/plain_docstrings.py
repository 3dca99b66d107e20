"""Sphinx extension: docstrings are plain text, in which an indented block stands as it is.

    A formula, a table or an example is indented, after an empty line, as this line is.

reStructuredText takes such a block for a quotation and joins its lines. Before Napoleon reads the
sections ("Args:", "Raises:"), this extension marks the blocks outside of them as literal.
"""

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Attributes|Call arguments|Raises|Returns|Yields):\s*$")


def with_literal_blocks(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a docstring, with "::" before the indented blocks outside of sections."""
    in_section = is_literal = False
    for number, line in enumerate(lines):
        indented = line.startswith(" ")
        if line and not indented:
            in_section, is_literal = bool(SECTION.match(line)), False
        elif indented and not in_section and not is_literal and not lines[number - 1]:
            is_literal = True
            yield "::"
            yield ""
        yield line


def _mark(app, what, name, obj, options, lines):
    lines[:] = with_literal_blocks(lines)
    if what in ("attribute", "property"):  # Napoleon takes words before a colon for a type, unless
        lines[:0] = ["..", ""]  # the first line has none; this is an empty comment


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _mark, priority=400)  # before Napoleon
    return {"parallel_read_safe": True}
