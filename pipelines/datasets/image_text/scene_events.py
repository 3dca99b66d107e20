"""Stories: what happens from picture to picture of a scene, told and understood.

A story begins with what is there; then there is one event a picture. Its grammar, over that of
captions:

    story    = opening {" . " sentence}
    opening  = presence {" and " presence}
    presence = group ("is" | "are") "in the" place
    sentence = group ("arrives" | "arrive") "in the" place | subject verb
    subject  = "it" | "they" | "the" value
    verb     = "grows" | "shrinks" | "leaves" | "moves to the" place | "is joined by another"
             | "grow"  | "shrink"  | "leave"  | "move to the" place  | "are joined by another"

It is never in doubt what is meant. Things that are there together differ in value; "it" and "they"
are what the sentence before was about, where that was one thing and it is still there. "They", a
value's plural and a verb's go with a thing that has several digits before the event.

A plot is the order of the kinds of events, such as "joined moves grows leaves". About a fifth of
all plots (241 of 6⁴), by a hash of these words, is never in training: see `has_held_out_plot`.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from ..splits import hash_fraction
from .scenes import MOST, PLACES, SIZES, Group, Scene, Thing, groups_in, noun, phrase

EVENTS = 4  # of a story, which has one picture more
MOST_THINGS = 3  # at once, so that there is always a place to move to
SHARE = 0.2  # of the plots are held out
BETWEEN = " . "  # sentences

PRESENCE, ARRIVAL = "is", "arrives"
_VERBS = {  # with one digit and with several
    PRESENCE: ("is in the {}", "are in the {}"),
    ARRIVAL: ("arrives in the {}", "arrive in the {}"),
    "leaves": ("leaves", "leave"),
    "grows": ("grows", "grow"),
    "shrinks": ("shrinks", "shrink"),
    "moves": ("moves to the {}", "move to the {}"),
    "joined": ("is joined by another", "are joined by another"),
}
_AND = " and "
KINDS = tuple(kind for kind in _VERBS if kind != PRESENCE)

Option = TypeVar("Option")


class Event(NamedTuple):
    """What a sentence says of the thing of a value.

    `place` is where it is, arrives or moves to; `number` and `size` are told of what is there at
    first and of what arrives.
    """

    kind: str
    value: int
    place: str = ""
    number: int = 0
    size: str = ""

    @property
    def group(self) -> Group:
        return Group(self.number, self.size, self.value)


Story = list[Event]  # what is there at first, then EVENTS events
Things = dict[int, Thing]  # by value


def after(things: Things, event: Event) -> Things:
    """What is there once an event has happened."""
    if event.number:
        return things | {event.value: Thing(event.group, event.place)}
    group, place = things[event.value]
    match event.kind:
        case "leaves":
            return {value: thing for value, thing in things.items() if value != event.value}
        case "moves":
            place = event.place
        case "joined":
            group = group._replace(number=group.number + 1)
        case "grows" | "shrinks":
            group = group._replace(size="large" if event.kind == "grows" else "small")
    return things | {event.value: Thing(group, place)}


def scenes_of(story: Story) -> list[Scene]:
    """What is in each picture."""
    scenes = [tuple(things.values()) for things in itertools.accumulate(story, after, initial={})]
    return scenes[sum(event.kind == PRESENCE for event in story) :]


def has_held_out_plot(story: Story) -> bool:
    """Whether no story of this plot is in training."""
    return hash_fraction(" ".join(plot_of(story))) < SHARE


def plot_of(story: Story) -> tuple[str, ...]:
    """The kinds of events in their order."""
    return tuple(event.kind for event in story if event.kind != PRESENCE)


def tell(story: Story) -> str:
    """The story in words, with "it" and "they" where they can stand."""
    said: list[str] = []
    things: Things = {}
    it = None
    for event in story:
        said += [_AND if event.kind == PRESENCE else BETWEEN, _wordings(event, things, it)[0]]
        things = after(things, event)
        it = _meant(event, things)
    return "".join(said[1:])


def describe(scene: Scene) -> str:
    """What is in a picture, told without the others: as if a story opened with it."""
    things = sorted(scene, key=lambda thing: PLACES.index(thing.place))
    return tell([Event(PRESENCE, g.value, place, g.number, g.size) for g, place in things])


def events(story: str) -> Story | None:
    """What happens in a story; None if it is none of the grammar.

    It may say "the seven" where "it" could stand. Whether an event is possible is not asked.
    """
    opening, *sentences = story.split(BETWEEN)
    clauses = [(clause, (PRESENCE,)) for clause in opening.split(_AND)]
    found: Story = []
    things: Things = {}
    it = None
    for clause, kinds in clauses + [(sentence, KINDS) for sentence in sentences]:
        candidates = (event for event in _candidates(clause, things) if event.kind in kinds)
        event = next((e for e in candidates if clause in _wordings(e, things, it)), None)
        if event is None:
            return None
        found.append(event)
        things = after(things, event)
        it = _meant(event, things)
    return found


def _candidates(clause: str, things: Things) -> Iterator[Event]:
    """All that a clause could say, given the things that are there."""
    for count, size, value in groups_in(clause):
        if value not in things:
            for kind, place in itertools.product((PRESENCE, ARRIVAL), PLACES):
                yield Event(kind, value, place, count, size)
    for value in things:
        yield from (Event(kind, value) for kind in ("leaves", "grows", "shrinks", "joined"))
        yield from (Event("moves", value, place) for place in PLACES)


def _wordings(event: Event, things: Things, it: int | None) -> list[str]:
    """The ways to say what happens to the things, the one that we tell first."""
    count = event.number or things[event.value].group.number
    if event.number:
        subjects = [phrase(event.group)]
    else:
        subjects = [f"the {noun(event.value, count)}"]
        if event.value == it:
            subjects.insert(0, "it" if count == 1 else "they")
    verb = _VERBS[event.kind][count > 1].format(event.place)
    return [f"{subject} {verb}" for subject in subjects]


def _meant(last: Event, things: Things) -> int | None:
    """What "it" or "they" means after an event: the value of a thing, or nothing certain."""
    certain = last.kind != PRESENCE or len(things) == 1
    return last.value if certain and last.value in things else None


def draw_story(random: np.random.Generator, held_out: bool) -> Story:
    """One or two things, then four events; of a held-out plot or not, as asked.

    What is there at first is told in the order of places. A value is of one thing only; no picture
    is empty; all kinds of events that are possible are equally likely.
    """
    while True:
        values = iter(random.permutation(10).tolist())
        story: Story = []
        things: Things = {}
        for kind in [PRESENCE] * int(random.integers(1, 3)) + [None] * EVENTS:
            story.append(_draw_event(random, kind, things, values))
            things = after(things, story[-1])
        first = [event for event in story if event.kind == PRESENCE]
        story[: len(first)] = sorted(first, key=lambda event: PLACES.index(event.place))
        if has_held_out_plot(story) == held_out:
            return story


def _draw_event(
    random: np.random.Generator, kind: str | None, things: Things, values: Iterator[int]
) -> Event:
    """An event of a kind, or of any; `values` are those that no thing has had."""
    can = _possible(things)
    kind = kind or _one_of(random, sorted(can))
    free = [place for place in PLACES if place not in {thing.place for thing in things.values()}]
    if kind in (PRESENCE, ARRIVAL):
        count, size = int(random.integers(1, MOST + 1)), _one_of(random, SIZES)
        return Event(kind, next(values), _one_of(random, free), count, size)
    place = _one_of(random, free) if kind == "moves" else ""
    return Event(kind, _one_of(random, can[kind]), place)


def _possible(things: Things) -> dict[str, list[int]]:
    """The kinds of events that can happen, and to which things: of an arrival, to none of them."""
    groups = [thing.group for thing in things.values()]
    can = {
        "leaves": [*things] if len(things) > 1 else [],
        "grows": [group.value for group in groups if group.size == "small"],
        "shrinks": [group.value for group in groups if group.size == "large"],
        "moves": [*things],
        "joined": [group.value for group in groups if group.number < MOST],
    }
    possible = {kind: values for kind, values in can.items() if values}
    return possible | ({ARRIVAL: []} if len(things) < MOST_THINGS else {})


def _one_of(random: np.random.Generator, options: Sequence[Option]) -> Option:
    return options[int(random.integers(len(options)))]
