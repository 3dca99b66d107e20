"""Scenes of digits: their captions, their events, their pictures and their builders."""

import collections
import hashlib
import itertools
import time

import numpy as np
import pytest
from errorflow.pipelines.datasets.builders import prepare
from errorflow.pipelines.datasets.image_text import scene_builder
from errorflow.pipelines.datasets.image_text.captions import load_captions
from errorflow.pipelines.datasets.image_text.scene_captions import SceneCaptions
from errorflow.pipelines.datasets.image_text.scene_drawing import (
    PIXELS,
    QUADRANT,
    VARIANTS,
    draw_appearances,
    make_stamps,
    paint,
)
from errorflow.pipelines.datasets.image_text.scene_events import (
    EVENTS,
    KINDS,
    Event,
    describe,
    draw_story,
    has_held_out_plot,
    parse_story,
    plot_of,
    scenes_of,
    story_text,
)
from errorflow.pipelines.datasets.image_text.scene_stories import SceneStories
from errorflow.pipelines.datasets.image_text.scenes import (
    COMBINATIONS,
    HELD_OUT,
    PLACES,
    Facts,
    Group,
    Thing,
    draw_scene,
    facts_of,
    parse_caption,
    wordings,
)
from errorflow.pipelines.datasets.image_text.stories import load_stories
from errorflow.pipelines.datasets.images.digits import MnistDigits
from errorflow.pipelines.datasets.images.image_data import load_images
from errorflow.pipelines.datasets.splits import SPLITS
from scipy import ndimage

SMALL = {"train": 40, "validation": 10, "test": 20}
# Of the data that the builders make in these sizes.
CONTENT = {
    SceneCaptions: "f43e353cd06989b7a79c8000ba80f3c99b316c735c1a90e9301faff4830ce56c",
    SceneStories: "bfe58a73b560b462baee43b3c795275e6d135892399d39af1424ebc05c7de254",
}
HELD_OUT_PLOTS = 241  # of 1,296
THREE, FIVES = Group(1, "small", 3), Group(2, "large", 5)


def random():
    return np.random.default_rng(7)


def all_facts():
    yield from (Facts((group,), place) for group in COMBINATIONS for place in PLACES)
    pairs = itertools.permutations(COMBINATIONS, 2)
    yield from (Facts(pair, where) for pair in pairs for where in ("left of", "above"))


def test_no_two_facts_share_a_wording():
    captions = [caption for facts in all_facts() for caption in wordings(facts)]
    assert len(captions) == len(set(captions)) == 4 * 240 + 5 * 60 * 59 * 2
    assert len({word for caption in captions for word in caption.split()}) == 35


def test_every_wording_is_understood():
    for facts in itertools.islice(all_facts(), 0, None, 17):
        assert {parse_caption(caption) for caption in wordings(facts)} == {facts}


@pytest.mark.parametrize(
    ("caption", "meaning"),
    [
        ("two large fives in the top left", Facts((FIVES,), "top left")),
        ("there are two large fives in the top left", Facts((FIVES,), "top left")),
        ("in the bottom right is a small three", Facts((THREE,), "bottom right")),
        ("a small three left of two large fives", Facts((THREE, FIVES), "left of")),
        ("left of a small three are two large fives", Facts((FIVES, THREE), "left of")),
        ("right of a small three are two large fives", Facts((THREE, FIVES), "left of")),
        ("below a small three are two large fives", Facts((THREE, FIVES), "above")),
        ("there is a small three above two large fives", Facts((THREE, FIVES), "above")),
    ],
)
def test_captions(caption, meaning):
    assert parse_caption(caption) == meaning


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "two large fives",
        "two large five in the top left",
        "a small threes in the top left",
        "there is two large fives in the top left",
        "two large fives is in the top left",
        "two large fives in the top",
        "two large fives in the left top",
        "two large fives in the top left .",
        "two  large fives in the top left",
        "Two large fives in the top left",
        "two large fives in the top left left of a small three",
        "a small three left of two large fives in the top left",
        "a small three and two large fives",
        "below a small three is two large fives",
        "two large fives are right of a small three",
        "four large fives in the top left",
        "two huge fives in the top left",
        "a small three left of two large fives right of a small three",
    ],
)
def test_no_captions(caption):
    assert parse_caption(caption) is None


def test_held_out_combinations_are_balanced():
    assert sorted(group.value for group in HELD_OUT) == list(range(10))
    assert collections.Counter(group.size for group in HELD_OUT) == {"small": 6, "large": 4}
    assert collections.Counter(group.number for group in HELD_OUT) == {2: 5, 3: 5}


def test_training_shows_every_word_with_every_other():
    """A held-out combination of three words occurs in training pair by pair."""
    shown = {*COMBINATIONS} - HELD_OUT
    several = {*COMBINATIONS} - {group for group in COMBINATIONS if group.number == 1}
    for pair in (lambda g: (g.size, g.value), lambda g: (g.number, g.value)):
        assert {*map(pair, shown & several)} == {*map(pair, several)}


@pytest.mark.parametrize("held_out", [False, True])
def test_drawn_scenes_are_valid(held_out):
    drawn = random()
    scenes = [draw_scene(drawn, held_out) for _ in range(400)]
    assert {bool({group for group, _ in scene} & HELD_OUT) for scene in scenes} == {held_out}
    alone = [scene for scene in scenes if len(scene) == 1]
    assert 150 < len(alone) < 250
    assert {scene[0].place for scene in alone} == set(PLACES)
    counts = collections.Counter()
    for first, second in (scene for scene in scenes if len(scene) == 2):
        assert first.group != second.group
        where = facts_of((second, first)).where  # in any order
        counts[first.place, where, second.place] += 1
    assert set(counts) == {
        ("top left", "left of", "top right"),
        ("bottom left", "left of", "bottom right"),
        ("top left", "above", "bottom left"),
        ("top right", "above", "bottom right"),
    }


def solid(height, width):
    """Ten digits of each value, all the same block: digits may be broken, blocks are not."""
    images = np.zeros((100, 28, 28), np.uint8)
    images[:, 4 : 4 + height, 4 : 4 + width] = 255
    return make_stamps(images, np.repeat(np.arange(10), 10))


@pytest.mark.parametrize("block", [(20, 20), (20, 3), (11, 20)])
def test_a_picture_shows_every_digit_in_its_quadrant_apart_from_all_others(block):
    drawn, stamps = random(), solid(*block)
    for _ in range(100):
        scene = draw_scene(drawn, held_out=False)
        picture = paint(scene, draw_appearances(drawn, scene, stamps), stamps)
        assert (picture.shape, picture.dtype) == ((80, 80, 1), np.uint8)
        marked, _ = ndimage.label(picture[..., 0], np.ones((3, 3)))
        digits = collections.Counter()
        for rows, columns in ndimage.find_objects(marked):
            (corner,) = {
                (row // QUADRANT, column // QUADRANT)
                for row in (rows.start, rows.stop - 1)
                for column in (columns.start, columns.stop - 1)
            }
            longest = max(rows.stop - rows.start, columns.stop - columns.start)
            digits[PLACES[2 * corner[0] + corner[1]], longest] += 1
        assert digits == {(place, PIXELS[group.size]): group.number for group, place in scene}


def test_digits_are_different_ones_and_whole(stamps):
    drawn = random()
    for _ in range(50):
        scene = draw_scene(drawn, held_out=True)
        appearances = draw_appearances(drawn, scene, stamps)
        ink = 0
        for (group, _), appearance in zip(scene, appearances, strict=True):
            digits = [stamps[group.size][group.value][i] for i in appearance.digits[: group.number]]
            assert len({digit.tobytes() for digit in digits}) == group.number
            ink += sum(digit.sum() for digit in digits)
        assert paint(scene, appearances, stamps).sum() == ink


def test_a_story():
    story = [
        Event("is", 7, "top left", 1, "small"),
        Event("is", 3, "top right", 2, "large"),
        Event("joined", 7),
        Event("grows", 7),
        Event("leaves", 3),
        Event("moves", 7, "bottom right"),
    ]
    text = (
        "a small seven is in the top left and two large threes are in the top right"
        " . the seven is joined by another . they grow . the threes leave"
        " . the sevens move to the bottom right"
    )
    assert story_text(story) == text
    assert parse_story(text) == story
    assert parse_story(text.replace("they", "the sevens")) == story
    threes = Thing(Group(2, "large", 3), "top right")
    assert [set(scene) for scene in scenes_of(story)] == [
        {Thing(Group(1, "small", 7), "top left"), threes},
        {Thing(Group(2, "small", 7), "top left"), threes},
        {Thing(Group(2, "large", 7), "top left"), threes},
        {Thing(Group(2, "large", 7), "top left")},
        {Thing(Group(2, "large", 7), "bottom right")},
    ]
    assert [describe(scene) for scene in scenes_of(story)[1::3]] == [
        "two small sevens are in the top left and two large threes are in the top right",
        "two large sevens are in the bottom right",
    ]


ONE = "a small seven is in the top left"
TWO = f"{ONE} and two large threes are in the top right"


@pytest.mark.parametrize(
    "story",
    [
        "",
        "it grows",
        f"{ONE} .",
        f"{ONE} . it",
        f"{ONE} . they grow",
        f"{ONE} . it grow",
        f"{ONE} . the sevens grow",
        f"{ONE} . the three grows",
        f"{ONE} . it grows and it shrinks",
        f"{ONE} . a large three is in the top right",
        f"{ONE} . two large threes arrives in the top right",
        f"{ONE} . a large seven arrives in the top right",  # which would then be "the seven"?
        f"{ONE} . it moves to the middle",
        f"{ONE} . it is joined by another . it grows",
        f"{ONE} . it leaves . it grows",
        f"{ONE} . it leaves . the seven grows",
        f"{TWO} . it grows",
        f"{TWO} . they grow",
        "a small seven arrives in the top left . it grows",
        "two large sevens in the top left . they shrink",
    ],
)
def test_no_stories(story):
    assert parse_story(story) is None


@pytest.mark.parametrize("held_out", [False, True])
def test_drawn_stories_are_valid_and_can_be_parsed(held_out):
    drawn = random()
    stories = [draw_story(drawn, held_out) for _ in range(150)]
    for story in stories:
        assert parse_story(story_text(story)) == story
        assert len(plot_of(story)) == EVENTS
        scenes = scenes_of(story)
        assert len(scenes) == EVENTS + 1
        assert all(map(len, scenes))
        for before, now in itertools.pairwise(scenes):
            assert len(set(before) ^ set(now)) in (1, 2)  # one thing came, went or is another now
            assert len({thing.place for thing in now}) == len(now)
            assert {thing.group for thing in now} <= set(COMBINATIONS)
    assert {has_held_out_plot(story) for story in stories} == {held_out}
    assert {kind for story in stories for kind in plot_of(story)} == set(KINDS)


def test_a_fifth_of_all_plots_is_held_out():
    every = itertools.product(KINDS, repeat=EVENTS)
    plots = ([Event(kind, 0) for kind in kinds] for kinds in every)
    assert sum(map(has_held_out_plot, plots)) == HELD_OUT_PLOTS


@pytest.fixture(scope="module")
def mnist():
    """Images and values of an eighth, read once: turning and slanting all takes ten seconds."""
    return [part[::8] for part in MnistDigits.arrays(None)]


@pytest.fixture(scope="module")
def stamps(mnist):
    return make_stamps(*mnist)


@pytest.fixture
def small(mnist, tmp_path, monkeypatch):
    """Small sets of few digits, in a folder of the test's own."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(MnistDigits, "arrays", lambda self: mnist)
    for builder in (SceneCaptions, SceneStories):
        monkeypatch.setattr(builder, "sizes", SMALL)
    return tmp_path


def check_captions(data, unseen_of):
    assert data.shape == (80, 80, 1)
    assert data.source.startswith("scene_captions/")
    assert (data.labels, data.problems) == ([], [])
    for split in SPLITS:
        part = getattr(data, split)
        assert part.images.shape == (len(part), 80, 80, 1)
        assert data.counts["captions"][split] == sum(map(len, part.texts))
        for captions, unseen in zip(part.texts, part.unseen, strict=True):
            (facts,) = set(map(parse_caption, captions))
            expected = wordings(facts)
            assert sorted(captions) == sorted(expected)
            assert bool(set(facts.groups) & HELD_OUT) == unseen
        assert part.unseen.sum() == unseen_of[split]
    drawn = collections.Counter(wordings(parse_caption(c[0])).index(c[0]) for c in data.train.texts)
    assert set(drawn) == set(range(5))


def check_stories(data, unseen_of):
    assert data.source.startswith("scene_stories/")
    for split in SPLITS:
        part = getattr(data, split)
        assert part.images.shape == (len(part), 5, 80, 80, 1)
        for text, described, unseen in zip(part.texts, part.descriptions, part.unseen, strict=True):
            (story,) = map(parse_story, text)
            assert described == [*map(describe, scenes_of(story))]
            assert has_held_out_plot(story) == unseen
        assert part.unseen.sum() == unseen_of[split]


def test_captions_of_scenes(small):
    data = load_captions()
    check_captions(data, {"train": 0, "validation": 0, "test": 10})
    assert data.counts["images"] == SMALL
    assert data.content_hash == CONTENT[SceneCaptions]
    few = load_captions("scene_captions", limit=20, seed=3)
    assert few.counts["images"] == {"train": 20, "validation": 5, "test": 10}
    assert few.test.unseen.sum() == 5
    assert few.content_hash == data.content_hash
    whole = {x.tobytes(): y for x, y in zip(data.test.images, data.test.texts, strict=True)}
    for image, captions in zip(few.test.images, few.test.texts, strict=True):
        assert whole[image.tobytes()] == captions
    assert few.train.texts != load_captions(limit=20, seed=4).train.texts


def test_stories_of_scenes(small):
    data = load_stories()
    check_stories(data, {"train": 0, "validation": 0, "test": 10})
    assert data.counts == {"sequences": SMALL, "stories": SMALL}
    assert data.content_hash == CONTENT[SceneStories]


def test_only_the_events_of_a_story_change_the_picture(small):
    data = load_stories()
    corners = list(itertools.product((0, QUADRANT), repeat=2))
    for pictures, (text,) in zip(data.train.images, data.train.texts, strict=True):
        story = parse_story(text)
        pairs = itertools.pairwise(zip(pictures[..., 0], map(set, scenes_of(story)), strict=True))
        for kind, ((before, had), (now, has)) in zip(plot_of(story), pairs, strict=True):
            changed = {thing.place for thing in had ^ has}
            for place, (top, left) in zip(PLACES, corners, strict=True):
                quadrant = np.s_[top : top + QUADRANT, left : left + QUADRANT]
                assert np.array_equal(before[quadrant], now[quadrant]) == (place not in changed)
            if kind == "joined":
                assert np.array_equal(before[before > 0], now[before > 0])


def test_the_same_seed_gives_the_same_files(small):
    def files(builder, folder):
        prepared = prepare(builder, str(small / folder))
        paths = sorted(prepared.data_path.glob("*.tfrecord*"))
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

    for builder in (SceneCaptions, SceneStories):
        assert files(builder, "one") == files(builder, "two")
        assert len(set(files(builder, "one"))) == 3


def test_the_digits_of_a_split_are_of_that_split_of_mnist(small, monkeypatch):
    """In train each comes with its variants behind it, elsewhere alone."""
    used = []
    monkeypatch.setattr(scene_builder, "make_stamps", lambda *digits: used.append(digits))
    SceneCaptions()._split_generators(None)
    data = load_images("mnist_digits")
    for split, (images, values) in zip(SPLITS, used, strict=True):
        part = getattr(data, split)
        theirs = {(x.tobytes(), y) for x, y in part.examples.as_numpy_iterator()}
        each = VARIANTS + 1 if split == "train" else 1
        alone = zip(images[::each], values[::each], strict=True)
        assert {(x.tobytes(), y) for x, y in alone} == theirs
        assert len(images) == len(part) * each
        of_all = {(x.tobytes(), y) for x, y in zip(images, values, strict=True)}
        assert len(of_all) > 0.99 * len(images)


@pytest.mark.slow
def test_all_captions_and_stories(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    start = time.perf_counter()
    data = load_captions()
    assert data.counts["images"] == {"train": 60_000, "validation": 500, "test": 1_000}
    check_captions(data, {"train": 0, "validation": 0, "test": 500})
    data = load_stories()
    assert data.counts["stories"] == {"train": 16_000, "validation": 400, "test": 800}
    check_stories(data, {"train": 0, "validation": 0, "test": 400})
    assert time.perf_counter() - start < 120
