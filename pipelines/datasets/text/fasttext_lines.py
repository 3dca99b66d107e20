"""Lines as fastText reads them: `__label__positive a good film`."""

import re
from collections.abc import Iterable, Iterator

_LABELS = re.compile(r"\s*((?:__label__\S+\s*)+)(.*)")
_PREFIX = "__label__"
_SAMPLE = 20  # lines by which a file is recognised


def is_fasttext(text: str) -> bool:
    """Whether each of the first lines of a text begins with a label."""
    head = [line for line in text.split("\n", _SAMPLE)[:_SAMPLE] if line.strip()]
    return bool(head) and all(line.lstrip().startswith(_PREFIX) for line in head)


def labelled_lines(lines: Iterable[str]) -> Iterator[tuple[int, list[str], str]]:
    """Yield the number, the labels and the text of each line that is not empty."""
    for number, line in enumerate(lines, start=1):
        if match := _LABELS.fullmatch(line):
            labels = [label.removeprefix(_PREFIX) for label in match[1].split()]
            yield number, labels, match[2]
        elif line.strip():
            yield number, [], line
