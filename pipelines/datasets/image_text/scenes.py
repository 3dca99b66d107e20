"""Scenes of digits and their captions.

A scene is one or two groups of digits, each in a quadrant of its own; a group is one to three
digits of the same value and size. A caption is a sentence of this grammar, which has 35 words:

    caption  = group where | "there" be group where | group be where | where be group
             | ("right of" | "below") group be group
    where    = "in the" place | ("left of" | "above") group
    group    = ("a" | "two" | "three") ("small" | "large") value
    value    = "zero" … "nine"; after "two" and "three": "zeros" … "nines"
    place    = ("top" | "bottom") ("left" | "right")
    be       = "is" | "are", in agreement with the group that is its subject

The caption of one group states its place: "in the top left are two large sevens". The caption of
two groups states their relation, in reading order: "a small three left of two large fives". Only
after a relation at the beginning may either group come first: "left of two large fives is a small
three", "right of a small three are two large fives". So the form of a caption alone determines
which group it begins with. The row or column that two groups share is not stated.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

SIZES = ("small", "large")
PLACES = ("top left", "top right", "bottom left", "bottom right")
MOST = 3  # the largest number of digits in a group

_COUNTS = ("a", "two", "three")
_ONE = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SEVERAL = tuple(f"{value}es" if value == "six" else f"{value}s" for value in _ONE)
_OPPOSITE = {"left of": "right of", "above": "below"}
_GROUP = re.compile(rf"\b({'|'.join(_COUNTS)}) ({'|'.join(SIZES)}) ([a-z]+)\b")
_TOGETHER = ((0, 1), (2, 3), (0, 2), (1, 3))  # the pairs of places in one row or column


class Group(NamedTuple):
    """A number of digits of the same value and size."""

    number: int
    size: str
    value: int


class Thing(NamedTuple):
    """A group in its quadrant."""

    group: Group
    place: str


Scene = tuple[Thing, ...]


class Facts(NamedTuple):
    """The facts that a caption states.

    `where` is the place of a single group, or the relation of the first of two groups to the
    second: "left of" or "above".
    """

    groups: tuple[Group, ...]
    where: str


COMBINATIONS = tuple(
    Group(count, size, value)
    for count, size, value in itertools.product(range(1, MOST + 1), SIZES, range(10))
)
# One combination of every value, five of two digits and five of three, is never in training. There,
# "sevens" occurs with both sizes and with both counts, but not with every pair of them.
HELD_OUT = frozenset(Group(2 + value % 2, SIZES[value // 2 % 2], value) for value in range(10))


def noun(value: int, count: int) -> str:
    """Return a digit in words: seven, sevens."""
    return (_ONE if count == 1 else _SEVERAL)[value]


def phrase(group: Group) -> str:
    """Return a group in words: two large sevens."""
    return f"{_COUNTS[group.number - 1]} {group.size} {noun(group.value, group.number)}"


def groups_in(text: str) -> Iterator[Group]:
    """Yield the groups that a text names, in its order."""
    for count, size, digit in _GROUP.findall(text):
        number = _COUNTS.index(count) + 1
        for value in range(10):
            if noun(value, number) == digit:
                yield Group(number, size, value)


def wordings(facts: Facts) -> list[str]:
    """Return every caption that states exactly these facts."""
    first, *others = facts.groups
    if not others:
        return _forms(first, f"in the {facts.where}")
    (second,) = others
    return [
        *_forms(first, f"{facts.where} {phrase(second)}"),
        _forms(second, f"{_OPPOSITE[facts.where]} {phrase(first)}")[-1],
    ]


def _forms(group: Group, where: str) -> list[str]:
    subject, be = phrase(group), "is" if group.number == 1 else "are"
    return [
        f"{subject} {where}",
        f"there {be} {subject} {where}",
        f"{subject} {be} {where}",
        f"{where} {be} {subject}",
    ]


def parse_caption(caption: str) -> Facts | None:
    """Return the facts that a caption states; None if it is not a sentence of the grammar."""
    groups = tuple(groups_in(caption))
    return next((facts for facts in _candidates(groups) if caption in wordings(facts)), None)


def _candidates(groups: tuple[Group, ...]) -> Iterator[Facts]:
    """Yield the facts that a caption with these groups could state."""
    if len(groups) == 1:
        yield from (Facts(groups, place) for place in PLACES)
    elif len(groups) == 2:
        for order in (groups, groups[::-1]):
            yield from (Facts(order, relation) for relation in _OPPOSITE)


def facts_of(scene: Scene) -> Facts:
    """Return the facts of a scene of one group, or of two in the same row or column."""
    things = sorted(scene, key=lambda thing: PLACES.index(thing.place))
    groups = tuple(thing.group for thing in things)
    if len(things) == 1:
        return Facts(groups, things[0].place)
    rows = {thing.place.split()[0] for thing in things}
    return Facts(groups, "left of" if len(rows) == 1 else "above")


def has_held_out_group(scene: Scene) -> bool:
    """Return whether a group of the scene is a held-out combination."""
    return any(thing.group in HELD_OUT for thing in scene)


def draw_scene(random: np.random.Generator, held_out: bool) -> Scene:
    """Draw a scene of one group or of two different groups, equally often.

    Args:
        random: the generator.
        held_out: whether the scene has a held-out combination.
    """
    places = _places(random, alone=bool(random.integers(2)))
    while True:
        indices = random.choice(len(COMBINATIONS), len(places), replace=False)
        groups = (COMBINATIONS[index] for index in indices)
        scene = tuple(Thing(group, place) for group, place in zip(groups, places, strict=True))
        if has_held_out_group(scene) == held_out:
            return scene


def _places(random: np.random.Generator, alone: bool) -> Sequence[str]:
    """Draw one place, or two in the same row or column."""
    if alone:
        return [PLACES[random.integers(len(PLACES))]]
    return [PLACES[index] for index in _TOGETHER[random.integers(len(_TOGETHER))]]
