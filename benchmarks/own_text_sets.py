"""Small data sets of texts as people bring them, each drawn anew for every seed.

Topics are distributions over made-up words; reviews and chases are sentences of a grammar, in which
word order decides; surnames and first names come from faker, docstrings from installed packages.
"""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import string
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np

Random = np.random.Generator
Draw = Callable[[Random, str], Iterator[str]]
FRESH = 1000  # texts to measure on, in the proportions of the classes
FRESH_OF_A_CLASS = 20  # at least


@dataclasses.dataclass(frozen=True)
class TextSet:
    """A task, the number of texts of each class, and (random, label) → texts of a class."""

    task: Literal["documents", "names"]
    counts: Mapping[str, int]
    draw: Draw

    def draw_all(self, seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Return the texts to bring and fresh ones, {label: texts} each, all different."""
        random, known, brought, fresh = np.random.default_rng(seed), set(), {}, {}
        for label, count in self.counts.items():
            more = max(FRESH_OF_A_CLASS, round(FRESH * count / sum(self.counts.values())))
            texts: list[str] = []
            for text in self.draw(random, label):
                if text.lower() not in known:
                    known.add(text.lower())
                    texts.append(text)
                if len(texts) == count + more:
                    break
            brought[label], fresh[label] = texts[:count], texts[count:]
        return brought, fresh


def _classes(count: int, each: int) -> dict[str, int]:
    return {f"class {string.ascii_uppercase[i]}": each for i in range(count)}


# Topics


def topics(shortest: int, longest: int, strength: float, alphabet: str = "latin") -> Draw:
    """Texts of random words; a topic multiplies their frequencies by exp(strength · normal)."""

    def draw(random: Random, label: str) -> Iterator[str]:
        words = vocabulary(alphabet)
        own = np.random.default_rng([*label.encode()]).normal(0, strength, len(words))
        shares = np.exp(own) / np.arange(10, 10 + len(words))
        while True:
            length = random.integers(shortest, longest + 1)
            text = " ".join(random.choice(words, length, p=shares / shares.sum()))
            yield text[0].upper() + text[1:] + "."

    return draw


SYLLABLES = {
    "latin": "ka lo mi te ran du sel po vi nor ba ge shi tum",
    "cyrillic": "ка ло ми те ран ду сель по ви нор ба ге ши тум",
    "hiragana": "か ろ み て らん ず せ ぽ び の ば げ し つ",
}


@functools.lru_cache
def vocabulary(alphabet: str, size: int = 2000) -> list[str]:
    """Return made-up words of one to four syllables."""
    random, syllables = np.random.default_rng(0), SYLLABLES[alphabet].split()
    words = {"".join(random.choice(syllables, random.integers(1, 5))): 0 for _ in range(3 * size)}
    return [*words][:size]


# Sentences whose words are the same in all classes


def reviews(random: Random, label: str) -> Iterator[str]:
    """Good or bad, said directly or by a negation: "not bad at all", "hardly good"."""
    things, verbs = (
        ["plot", "food", "room", "staff", "price", "view", "music", "service"],
        ["was", "seemed", "felt"],
    )
    words = {"good": ["good", "great", "lovely", "fine"], "bad": ["bad", "awful", "poor", "dull"]}
    other = {"good": "bad", "bad": "good"}

    def clause(kind: str) -> str:
        negated = random.random() < 0.5
        adjective = random.choice(words[other[kind] if negated else kind])
        prefix = random.choice(["not", "never", "hardly"]) if negated else random.choice(["", "so"])
        return f"the {random.choice(things)} {random.choice(verbs)} {prefix} {adjective}"

    while True:
        yield " , and ".join(clause(label) for _ in range(random.integers(1, 4))) + " ."


def chases(random: Random, label: str) -> Iterator[str]:
    """The dog chases the cat, or the cat the dog; both in all texts."""
    adverbs = ["today", "again", "there", "slowly", "alone", "happily"]
    adjectives = ["old", "grey", "small", "quick", "hungry", "wild", "tired"]
    verbs = ["chases", "follows", "finds", "sees", "bites"]
    first, second = ("dog", "cat") if label == "dog" else ("cat", "dog")
    while True:
        a, b, c, d, e = map(random.choice, (adjectives, adjectives, verbs, adverbs, adverbs))
        yield f"{d} the {a} {first} {c} the {b} {second} {e}"


# Texts of packages


def docstrings(random: Random, label: str) -> Iterator[str]:
    """The docstrings of a package's functions and classes."""
    texts = package_docstrings(label)
    yield from (texts[i] for i in random.permutation(len(texts)))


@functools.lru_cache
def package_docstrings(name: str) -> list[str]:
    texts, package = {}, importlib.import_module(name)
    modules = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in [name, *(f"{name}.{m}" for m in modules if m not in ("conftest", "tests"))]:
            for _, thing in inspect.getmembers(importlib.import_module(module), callable):
                text = " ".join((inspect.getdoc(thing) or "").split())
                if len(text) > 200 and getattr(thing, "__module__", "").startswith(name):
                    texts[text] = None
    return [*texts]


def surnames(random: Random, label: str) -> Iterator[str]:
    from errorflow.pipelines.datasets.text.faker_names import rows

    names = [row.text for row in rows() if row.label == label]
    yield from (names[i] for i in random.permutation(len(names)))


def languages() -> list[str]:
    from errorflow.pipelines.datasets.text.faker_names import SOURCES

    return [*SOURCES]


def first_names(random: Random, label: str) -> Iterator[str]:
    from faker.providers.person.en_US import Provider

    names = [*getattr(Provider, f"first_names_{label}")]
    yield from (names[i] for i in random.permutation(len(names)))


def codes(random: Random, label: str) -> Iterator[str]:
    """Long names of files; the kind is in the order of the parts and in a suffix."""
    letters = np.array([*string.ascii_lowercase])
    while True:
        word = "".join(random.choice(letters, random.integers(8, 30)))
        number, day = (
            random.integers(1000, 10**8),
            f"20{random.integers(10, 30)}-0{random.integers(1, 9)}",
        )
        parts = {
            "camera": [word, f"{day}_{number}", "final"],
            "backup": [f"{day}_{number}", word, "final"],
            "export": [f"{day}_{number}", "final", word],
        }[label]
        yield "_".join(parts) + random.choice([".jpg", ".bin", ".csv"])


def syllables(random: Random, label: str) -> Iterator[str]:
    """Words of two to six syllables of one script, each followed by the class' favourites."""
    signs = SYLLABLES[label.split(maxsplit=1)[0]].split()
    moves = np.random.default_rng([*label.encode()]).dirichlet(np.full(len(signs), 0.3), len(signs))
    while True:
        chosen = [random.integers(len(signs))]
        for _ in range(random.integers(1, 6)):
            chosen.append(random.choice(len(signs), p=moves[chosen[-1]]))
        yield "".join(signs[i] for i in chosen)


A, B, C = "class A", "class B", "class C"
SETS = {
    "topics, 3 × 20": TextSet("documents", _classes(3, 20), topics(20, 60, 1.2)),
    "topics, 20 × 25": TextSet("documents", _classes(20, 25), topics(10, 40, 1.5)),
    "topics, 10 : 1": TextSet("documents", {A: 300, B: 30}, topics(10, 30, 1.0)),
    "topics, 50 : 5 : 1": TextSet("documents", {A: 600, B: 60, C: 12}, topics(10, 30, 1.2)),
    "topics, 200 to 900 words": TextSet("documents", _classes(4, 60), topics(200, 900, 0.4)),
    "topics, 500 to 2,000 words": TextSet("documents", _classes(2, 60), topics(500, 2000, 0.3)),
    "topics, Cyrillic": TextSet("documents", _classes(5, 40), topics(10, 40, 1.0, "cyrillic")),
    "reviews": TextSet("documents", {"good": 150, "bad": 150}, reviews),
    "chases": TextSet("documents", {"dog": 150, "cat": 150}, chases),
    "docstrings": TextSet("documents", {"numpy": 90, "scipy": 90, "keras": 90}, docstrings),
    "surnames, 6 × 40": TextSet("names", dict.fromkeys(languages()[8:14], 40), surnames),
    "surnames, 24 × 60": TextSet("names", dict.fromkeys(languages(), 60), surnames),
    "surnames, 10 : 1": TextSet("names", {"Polish": 600, "French": 60}, surnames),
    "surnames, 50 : 5 : 1": TextSet(
        "names", {"Italian": 1000, "Greek": 100, "Finnish": 20}, surnames
    ),
    "first names": TextSet("names", {"female": 120, "male": 120}, first_names),
    "file names": TextSet("names", {"camera": 80, "backup": 80, "export": 80}, codes),
    "Hiragana, 2 × 20": TextSet("names", {"hiragana 1": 20, "hiragana 2": 20}, syllables),
    "Cyrillic, 3 × 60": TextSet("names", {f"cyrillic {i}": 60 for i in (1, 2, 3)}, syllables),
}
