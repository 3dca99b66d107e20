"""Scenes of digits, and what can be said of them.

A scene is one or two groups of digits, each in a quadrant of its own; a group is one to three
digits of the same value and size. What is said of it is a sentence of this grammar, of 35 words:

    caption  = group where | "there" be group where | group be where | where be group
             | ("right of" | "below") group be group
    where    = "in the" place | ("left of" | "above") group
    group    = ("a" | "two" | "three") ("small" | "large") value
    value    = "zero" … "nine"; after "two" and "three": "zeros" … "nines"
    place    = ("top" | "bottom") ("left" | "right")
    be       = "is" | "are", as the group says that it belongs to: the one that is told to be there

One group is told with its place: "in the top left are two large sevens". Two are told with their
relation, in the order in which one reads: "a small three left of two large fives". Only after a
relation at the very beginning either may come first: "left of two large fives is a small three",
"right of a small three are two large fives". So it never takes the group itself to know which of
the two a caption begins with. Which row or column they share is not told.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

SIZES = ("small", "large")
PLACES = ("top left", "top right", "bottom left", "bottom right")
MOST = 3  # digits of a group

_COUNTS = ("a", "two", "three")
_ONE = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SEVERAL = tuple(f"{value}es" if value == "six" else f"{value}s" for value in _ONE)
_OPPOSITE = {"left of": "right of", "above": "below"}
_GROUP = re.compile(rf"\b({'|'.join(_COUNTS)}) ({'|'.join(SIZES)}) ([a-z]+)\b")
_TOGETHER = ((0, 1), (2, 3), (0, 2), (1, 3))  # the pairs of places in one row or column


class Group(NamedTuple):
    """So many digits of one value and size."""

    number: int
    size: str
    value: int


class Thing(NamedTuple):
    """A group in its quadrant."""

    group: Group
    place: str


Scene = tuple[Thing, ...]


class Facts(NamedTuple):
    """What a caption says.

    `where` is the place of a single group; of two it is what the first one is to the second, "left
    of" or "above".
    """

    groups: tuple[Group, ...]
    where: str


COMBINATIONS = tuple(
    Group(count, size, value)
    for count, size, value in itertools.product(range(1, MOST + 1), SIZES, range(10))
)
# Of every value one, five of two digits and five of three: never in training, where "sevens" comes
# with either size and with either count, but not with each pair of them.
HELD_OUT = frozenset(Group(2 + value % 2, SIZES[value // 2 % 2], value) for value in range(10))


def noun(value: int, count: int) -> str:
    """A digit in words: seven, sevens."""
    return (_ONE if count == 1 else _SEVERAL)[value]


def phrase(group: Group) -> str:
    """A group in words: two large sevens."""
    return f"{_COUNTS[group.number - 1]} {group.size} {noun(group.value, group.number)}"


def groups_in(text: str) -> Iterator[Group]:
    """The groups that a text names, in its order."""
    for count, size, digit in _GROUP.findall(text):
        number = _COUNTS.index(count) + 1
        for value in range(10):
            if noun(value, number) == digit:
                yield Group(number, size, value)


def wordings(facts: Facts) -> list[str]:
    """Every caption that says this and no more."""
    first, *others = facts.groups
    if not others:
        return _forms(first, f"in the {facts.where}")
    (second,) = others
    return [
        *_forms(first, f"{facts.where} {phrase(second)}"),
        _forms(second, f"{_OPPOSITE[facts.where]} {phrase(first)}")[-1],
    ]


def _forms(group: Group, where: str) -> list[str]:
    said, be = phrase(group), "is" if group.number == 1 else "are"
    return [
        f"{said} {where}",
        f"there {be} {said} {where}",
        f"{said} {be} {where}",
        f"{where} {be} {said}",
    ]


def facts(caption: str) -> Facts | None:
    """What a caption says; None if it is no sentence of the grammar."""
    groups = tuple(groups_in(caption))
    return next((found for found in _candidates(groups) if caption in wordings(found)), None)


def _candidates(groups: tuple[Group, ...]) -> Iterator[Facts]:
    """All that a caption which names these groups could say."""
    if len(groups) == 1:
        yield from (Facts(groups, place) for place in PLACES)
    elif len(groups) == 2:
        for order in (groups, groups[::-1]):
            yield from (Facts(order, relation) for relation in _OPPOSITE)


def facts_of(scene: Scene) -> Facts:
    """What the captions of a scene say: one group, or two in the same row or column."""
    things = sorted(scene, key=lambda thing: PLACES.index(thing.place))
    groups = tuple(thing.group for thing in things)
    if len(things) == 1:
        return Facts(groups, things[0].place)
    rows = {thing.place.split()[0] for thing in things}
    return Facts(groups, "left of" if len(rows) == 1 else "above")


def has_held_out_group(scene: Scene) -> bool:
    """Whether a group of the scene is of a held-out combination."""
    return any(thing.group in HELD_OUT for thing in scene)


def draw_scene(random: np.random.Generator, held_out: bool) -> Scene:
    """A scene of one group or of two different ones, equally often; held out or not as asked."""
    places = _places(random, alone=bool(random.integers(2)))
    while True:
        chosen = random.choice(len(COMBINATIONS), len(places), replace=False)
        groups = (COMBINATIONS[index] for index in chosen)
        scene = tuple(Thing(group, place) for group, place in zip(groups, places, strict=True))
        if has_held_out_group(scene) == held_out:
            return scene


def _places(random: np.random.Generator, alone: bool) -> Sequence[str]:
    """One place, or two in the same row or column."""
    if alone:
        return [PLACES[random.integers(len(PLACES))]]
    return [PLACES[index] for index in _TOGETHER[random.integers(len(_TOGETHER))]]
