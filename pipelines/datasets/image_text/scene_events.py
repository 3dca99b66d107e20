"""Stories: the events from image to image of a scene, as text and parsed from it.

A story begins with the things in the first image; each further image shows one event. Its grammar
extends that of captions:

    story    = opening {" . " sentence}
    opening  = presence {" and " presence}
    presence = group ("is" | "are") "in the" place
    sentence = group ("arrives" | "arrive") "in the" place | subject verb
    subject  = "it" | "they" | "the" value
    verb     = "grows" | "shrinks" | "leaves" | "moves to the" place | "is joined by another"
             | "grow"  | "shrink"  | "leave"  | "move to the" place  | "are joined by another"

A story is unambiguous. Things in the same image differ in value; "it" and "they" refer to the
subject of the sentence before, if that was a single thing and is still there. "They", the plural of
a value and that of a verb belong to a thing that has several digits before the event.

A plot is the sequence of the kinds of events, such as "joined moves grows leaves". About a fifth of
all plots (241 of 6⁴), by a hash of these words, is never in training: see `has_held_out_plot`.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from ..splits import hash_fraction
from .scenes import MOST, PLACES, SIZES, Group, Scene, Thing, groups_in, noun, phrase

EVENTS = 4  # of a story, which has one image more
MOST_THINGS = 3  # at once: one place is always free
SHARE = 0.2  # of the plots is held out
BETWEEN = " . "  # separates sentences

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
    """The content of a sentence about the thing of a value.

    `place` is where the thing is, arrives or moves to. `number` and `size` are set for things that
    are there at first or arrive.
    """

    kind: str
    value: int
    place: str = ""
    number: int = 0
    size: str = ""

    @property
    def group(self) -> Group:
        return Group(self.number, self.size, self.value)


Story = list[Event]  # an event per thing of the first image, then EVENTS events
Things = dict[int, Thing]  # by value


def after(things: Things, event: Event) -> Things:
    """Return the things after an event."""
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
    """Return the scene of each image."""
    scenes = [tuple(things.values()) for things in itertools.accumulate(story, after, initial={})]
    return scenes[sum(event.kind == PRESENCE for event in story) :]


def has_held_out_plot(story: Story) -> bool:
    """Return whether the plot of a story is never in training."""
    return hash_fraction(" ".join(plot_of(story))) < SHARE


def plot_of(story: Story) -> tuple[str, ...]:
    """Return the kinds of the events in their order."""
    return tuple(event.kind for event in story if event.kind != PRESENCE)


def story_text(story: Story) -> str:
    """Return the text of a story, with "it" and "they" wherever possible."""
    parts: list[str] = []
    things: Things = {}
    pronoun = None
    for event in story:
        parts += [_AND if event.kind == PRESENCE else BETWEEN, _wordings(event, things, pronoun)[0]]
        things = after(things, event)
        pronoun = _referent(event, things)
    return "".join(parts[1:])


def describe(scene: Scene) -> str:
    """Return the description of a single image: the opening of a story that begins with it."""
    things = sorted(scene, key=lambda thing: PLACES.index(thing.place))
    return story_text([Event(PRESENCE, g.value, place, g.number, g.size) for g, place in things])


def parse_story(story: str) -> Story | None:
    """Return the events of a story; None if the text does not follow the grammar.

    "The seven" is accepted where "it" is possible. Impossible events are accepted too.
    """
    opening, *sentences = story.split(BETWEEN)
    clauses = [(clause, (PRESENCE,)) for clause in opening.split(_AND)]
    parsed: Story = []
    things: Things = {}
    pronoun = None
    for clause, kinds in clauses + [(sentence, KINDS) for sentence in sentences]:
        candidates = (event for event in _candidates(clause, things) if event.kind in kinds)
        event = next((e for e in candidates if clause in _wordings(e, things, pronoun)), None)
        if event is None:
            return None
        parsed.append(event)
        things = after(things, event)
        pronoun = _referent(event, things)
    return parsed


def _candidates(clause: str, things: Things) -> Iterator[Event]:
    """Yield the events that a clause could state, with the things in the image before."""
    for count, size, value in groups_in(clause):
        if value not in things:
            for kind, place in itertools.product((PRESENCE, ARRIVAL), PLACES):
                yield Event(kind, value, place, count, size)
    for value in things:
        yield from (Event(kind, value) for kind in ("leaves", "grows", "shrinks", "joined"))
        yield from (Event("moves", value, place) for place in PLACES)


def _wordings(event: Event, things: Things, pronoun: int | None) -> list[str]:
    """Return the clauses that state an event; the first is the one that `story_text` uses."""
    count = event.number or things[event.value].group.number
    if event.number:
        subjects = [phrase(event.group)]
    else:
        subjects = [f"the {noun(event.value, count)}"]
        if event.value == pronoun:
            subjects.insert(0, "it" if count == 1 else "they")
    verb = _VERBS[event.kind][count > 1].format(event.place)
    return [f"{subject} {verb}" for subject in subjects]


def _referent(last: Event, things: Things) -> int | None:
    """Return the value of the thing that "it" or "they" refers to after an event, if any."""
    certain = last.kind != PRESENCE or len(things) == 1
    return last.value if certain and last.value in things else None


def draw_story(random: np.random.Generator, held_out: bool) -> Story:
    """Draw a story: one or two things, then four events.

    The things of the first image are in the order of places. Each thing has a value of its own; no
    image is empty; all kinds of events that are possible are equally likely.

    Args:
        random: the generator.
        held_out: whether the plot of the story is a held-out one.
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
    """Draw an event of a kind, or of any kind; `values` yields values that no thing has had."""
    candidates = _possible(things)
    kind = kind or _choice(random, sorted(candidates))
    free = [place for place in PLACES if place not in {thing.place for thing in things.values()}]
    if kind in (PRESENCE, ARRIVAL):
        count, size = int(random.integers(1, MOST + 1)), _choice(random, SIZES)
        return Event(kind, next(values), _choice(random, free), count, size)
    place = _choice(random, free) if kind == "moves" else ""
    return Event(kind, _choice(random, candidates[kind]), place)


def _possible(things: Things) -> dict[str, list[int]]:
    """Return the possible kinds of events, each with the values of its things (arrivals: none)."""
    groups = [thing.group for thing in things.values()]
    candidates = {
        "leaves": [*things] if len(things) > 1 else [],
        "grows": [group.value for group in groups if group.size == "small"],
        "shrinks": [group.value for group in groups if group.size == "large"],
        "moves": [*things],
        "joined": [group.value for group in groups if group.number < MOST],
    }
    possible = {kind: values for kind, values in candidates.items() if values}
    return possible | ({ARRIVAL: []} if len(things) < MOST_THINGS else {})


def _choice(random: np.random.Generator, options: Sequence[Option]) -> Option:
    return options[int(random.integers(len(options)))]
