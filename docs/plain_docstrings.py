"""Sphinx extension: docstrings are plain text, in which a block of code or a table stands as it is.

    A formula, a table or an example is indented, after an empty line, as this line is.

    column   A table may also begin where the text does; its columns are
    another  apart by two spaces or more.

reStructuredText takes the first for a quotation and the second for text, and joins their lines.
Before Napoleon reads the sections ("Args:", "Raises:"), this extension marks the blocks outside of
them as literal.
"""

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Attributes|Call arguments|Raises|Returns|Warns|Yields):\s*$")
TABLE = re.compile(r"\S {2,}\S")


def with_literal_blocks(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a docstring, with "::" before each literal block outside of sections."""
    in_section = is_literal = is_table = False
    for number, line in enumerate(lines):
        begins = bool(line) and (number == 0 or not lines[number - 1])
        if line and not line.startswith(" "):
            in_section, is_table = bool(SECTION.match(line)), is_table and not begins
            is_table = is_table or (begins and bool(TABLE.search(line)))
            starts = is_table and begins
            is_literal = is_table
        else:
            starts = begins and not in_section and not is_literal
            is_literal = is_literal or starts
        yield from ("::", "") if starts else ()
        yield f"    {line}" if is_table and line else line


def _mark(app, what, name, obj, options, lines):
    lines[:] = with_literal_blocks(lines)
    if what in ("attribute", "property"):  # Napoleon takes words before a colon for a type, unless
        lines[:0] = ["..", ""]  # the first line has none; this is an empty comment


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _mark, priority=400)  # before Napoleon
    return {"parallel_read_safe": True}
