"""The notation of the sequences of long-lag problems on the command line.

adding        0.3 -0.5* 0.9 0.12*       numbers from -1 to 1, the two to add marked by *
order-6a, 6b  EabXcdaYcB                symbols without spaces
lag-2a, 2b    x a1 a2 a3                symbols separated by spaces
digits        0 0 5 13 9 1 0 …          64 pixels from 0 to 16
"""

import math

import numpy as np

from ...core.errors import UserError
from .problems import Problem


def format_sequence(problem: Problem, x: np.ndarray) -> str:
    """Return the notation of a sequence [W, D]."""
    if problem.symbols:
        names = [problem.symbols[row.argmax()] for row in x if row.any()]
        return ("" if problem.name.startswith("order") else " ").join(names)
    if problem.name == "digits":
        return " ".join(f"{16 * value:.0f}" for value in x[:, 0])
    return " ".join(f"{v:.2f}" + ("*" if mark > 0 else "") for v, mark in x if v or mark)


def parse_sequence(problem: Problem, text: str) -> np.ndarray:
    """Return the sequence [T, D] that a text denotes.

    Raises:
        UserError: a word is not part of the notation; the message says what is expected.
    """
    words = list(text.strip()) if problem.name.startswith("order") else text.split()
    if not words:
        raise UserError("an empty sequence has no answer: leave it out")
    if problem.symbols:
        return np.stack([_symbol(problem, word) for word in words]).astype(np.float32)
    if problem.name == "digits":
        return _pixels(words)
    example = "0.3 -0.5* 0.9 0.12*"
    numbers = np.array([[_number(w.rstrip("*"), example), float(w.endswith("*"))] for w in words])
    ends = numbers[[0, -1], 1]
    numbers[[0, -1], 1] = np.where(ends > 0, ends, -1)
    return numbers.astype(np.float32)


def _symbol(problem: Problem, word: str) -> np.ndarray:
    if word not in problem.symbols:
        examples = " ".join([*problem.symbols[:4], "…", *problem.symbols[-4:]])
        raise UserError(f"{word!r} is not a symbol of {problem.name}; there are: {examples}")
    return np.eye(len(problem.symbols))[problem.symbols.index(word)]


def _pixels(words: list[str]) -> np.ndarray:
    pixels = np.array([[_number(word, "0 0 5 13 9 1 0 …")] for word in words], np.float32)
    low, high = pixels.min(), pixels.max()
    if len(words) != 64 or low < 0 or high > 16:
        raise UserError(
            f"a digit is 64 numbers from 0 to 16, got {len(words)} from {low:g} to {high:g}"
        )
    return pixels / 16


def _number(word: str, example: str) -> float:
    """Return a word as a number; the error message for any other word shows an example."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{word!r} is not a number; a sequence looks like {example}")
    return number
