"""Texts of data, files and models, made harmless for terminals, event files and figures."""

import html
import re
import unicodedata

_CONTROLS = "\x00-\x1f\x7f-\x9f\ud800-\udfff"
_DECEPTIVE = "\u2028-\u202e\u2066-\u2069"  # ends of lines, changes of the direction of text
CONTROL = re.compile(f"[{_CONTROLS}]")
_UNPRINTABLE = re.compile(f"[{_CONTROLS}{_DECEPTIVE}]")
# The signs of Markdown as HTML entities, which also table cells show as single characters.
_MARKDOWN = {ord(sign): f"&#{ord(sign)};" for sign in "\\`*_[]|~"} | {ord("\n"): "<br>"}


def printable(text: object) -> str:
    """Return a text in one line that any terminal and any UTF-8 file can hold.

    Control characters, line ends, bytes that are not UTF-8 and characters that turn the direction
    of text become U+FFFD; macOS' decomposed letters are composed (NFC).
    """
    composed = unicodedata.normalize("NFC", str(text))
    if composed.isprintable():  # much faster
        return composed
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", composed)


def literal(text: object) -> str:
    """Return a text as Markdown that shows it as it is, signs of Markdown and HTML included."""
    lines = "\n".join(map(printable, str(text).splitlines()))
    return html.escape(lines, quote=False).translate(_MARKDOWN)


def in_figure(text: object, longest: int = 60) -> str:
    """Return a text as Matplotlib shows it as it is: no formula, and cut if it is long."""
    line = printable(text)
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return line.replace("$", r"\$")


def escaped(text: str) -> str:
    r"""Return a text with \u escapes, as JSON reads them, for what `printable` replaces."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
