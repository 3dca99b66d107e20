"""Commands that can be pasted into a shell."""

import os
import shlex
from pathlib import Path

from ...callbacks.recording.printable import printable


def shell_word(text: str | Path) -> str:
    r"""Return a text as one word of a command line.

    What cannot be printed, such as control characters and bytes that are not UTF-8, is written in
    octal, $'\033'.
    """
    word = str(text)
    if word == printable(word):
        return shlex.quote(word)
    return f"$'{''.join(map(_octal, os.fsencode(word)))}'"


def shell_flag(flag: str, value: str | Path) -> str:
    """Return a flag with its value for a command line; a value may begin with a dash."""
    return f"{flag}{'=' if str(value).startswith('-') else ' '}{shell_word(value)}"


def _octal(byte: int) -> str:
    character = chr(byte)
    is_plain = 0x20 <= byte < 0x7F and character not in "'\\"
    return character if is_plain else f"\\{byte:03o}"
