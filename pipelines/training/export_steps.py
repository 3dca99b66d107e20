"""The steps around an exported network, in signature.json: what a program without errorflow does.

A step is an object with its name under "step", and its settings. The steps are in the order in
which they are done; one with "for" leads to this input of the network only. A "table", and the
names in a "formula", are entries of the file that signature.json names under "tables".
"""

from typing import Any

import keras

from ...layers.text.symbols import END, PADDING, START, UNKNOWN
from .export import Step, Steps

_SPACES = ["Z", "Cc"]  # Unicode's categories of whitespace and of control characters
_WORDS = ["L", "M", "N", *_SPACES]  # those of letters, their marks, digits


def step(name: str, **settings: Any) -> Step:
    """Return a step."""
    return {"step": name, **settings}


NFC = step("normalize_unicode", form="NFC")
_NO_NUL = step("replace", characters="\x00", by="\N{REPLACEMENT CHARACTER}")
LOWER = (_NO_NUL, step("lower_case"))


def text_steps(split: str, table: str, max_length: int | None = None) -> tuple[Step, ...]:
    """Return the steps of `vectorizer`: a text → ids.

    Args:
        split: "character", "word" or "phone".
        table: the table of symbols, at their ids.
        max_length: number of symbols to which a text is cut; None: it isn't.
    """
    unified = step("replace", categories=_SPACES, by=" ")
    into: dict[str, tuple[Step, ...]] = {
        "character": (step("strip", categories=_SPACES), *LOWER, step("split", into="characters")),
        "word": (
            unified,
            *LOWER,
            step("separate", all_but_categories=_WORDS, by=" "),
            step("split", at=" "),
        ),
        "phone": (unified, step("split", at=" ")),
    }
    return *into[split], *_cut(max_length), *id_steps(table)


def id_steps(table: str, **further: Any) -> tuple[Step, ...]:
    """Return the steps: symbols → ids, of which there is one at least."""
    return (
        step("look_up", table=table, unknown=UNKNOWN, **further),
        step("pad", value=PADDING, side="end", min_length=1, **further),
    )


def _cut(max_length: int | None) -> tuple[Step, ...]:
    return () if max_length is None else (step("cut", max_length=max_length, keep="first"),)


def max_length_in(serving_model: keras.Model) -> int | None:
    """Return the number of ids to which a serving model cuts its texts, as in `ids[:, :n]`."""
    layers = serving_model.get_config()["layers"]
    nodes = [
        node
        for layer in layers
        if layer["class_name"] == "GetItem"
        for node in layer["inbound_nodes"]
    ]
    slices = [node["args"][1][1]["config"]["stop"] for node in nodes]
    return slices[0] if slices else None


def decoded_image(channels: int) -> Step:
    """Return the step: a file → pixels [H, W, C]."""
    order = {1: "grey", 3: "RGB"}[channels]
    return step("decode_image", channels=order, range=[0, 255], exif_orientation="applied")


def resized_image(height: int, width: int, interpolation: str = "bilinear") -> Step:
    """Return the step of `resizing_layer`, or the like with another interpolation."""
    return step(
        "resize",
        height=height,
        width=width,
        crop="first, in the middle, to the ratio of height and width",
        interpolation=interpolation,
        antialias=True,
    )


def image_steps(height: int, width: int, channels: int) -> Steps:
    """Return the steps around a classifier of scaled images."""
    scaled = step("scale", formula="scale * x + offset")
    before = (resized_image(height, width), scaled)
    return Steps((decoded_image(channels),), before, label_steps())


def label_steps(probabilities: str = "probabilities") -> tuple[Step, ...]:
    """Return the steps: probabilities [B, …, K] → labels."""
    return step("argmax", of=probabilities), step("look_up", table="labels")


def search_steps(search: Any, separator: str) -> tuple[Step, ...]:
    """Return the steps: the outputs of encoder and decoder → texts.

    Args:
        search: the `BeamSearch` of the serving model.
        separator: of the symbols of a text.
    """
    return (
        step(
            "beam_search",
            width=search.width,
            max_length=search.longest,
            start=START,
            end=END,
            never=[PADDING, UNKNOWN, START],
            score="log p / ((5 + length) / 6) ** length_norm; length counts the end",
            length_norm=search.length_norm,
        ),
        step("look_up", table="target"),
        step("join", by=separator),
    )
