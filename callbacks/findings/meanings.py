"""The second sentence of a finding: what follows for learning, and what is not known."""

from collections.abc import Mapping
from typing import Any

Evidence = Mapping[str, Any]

_OF_KIND: Mapping[str, str] = {
    "vanishing": (
        "The weights of this layer learn hardly anything from the first time steps; whether the "
        "task needs them was not measured"
    ),
    "exploding": (
        "The first time steps outweigh the later ones in the gradient, and a single update may "
        "undo what was learned; whether one did was not measured"
    ),
    "vanished earlier": (
        "In these training steps the weights of this layer learned hardly anything from the first "
        "time steps; how much time this cost was not measured"
    ),
    "exploded earlier": (
        "In these training steps the first time steps outweighed the later ones in the gradient; "
        "whether an update undid what was learned was not measured"
    ),
    "healthy": (
        "The weights of this layer can learn from the first time steps; whether the task needs "
        "them was not measured"
    ),
    "not finite": (
        "A gradient that is not finite makes the weights not finite too, unless the training step "
        "is skipped; the cause was not measured"
    ),
    "no error": (
        "The layer learns nothing from these training steps; whether the loss is zero or its path "
        "to the layer is cut was not measured"
    ),
    "too little": "Nothing follows for learning, because too little is known to judge",
    "starving": (
        "With one learning rate for all layers, the first ones stay nearly as they are; how far an "
        "optimizer such as Adam evens this out was not measured"
    ),
    "exploding over depth": (
        "No one learning rate suits the first layers and the last; how far an optimizer such as "
        "Adam evens this out was not measured"
    ),
    "starved earlier": (
        "With one learning rate for all layers, the first ones stayed nearly as they were in these "
        "training steps; how much time this cost was not measured"
    ),
    "exploded over depth earlier": (
        "In these training steps no one learning rate suited the first layers and the last; "
        "whether an update undid what was learned was not measured"
    ),
    "silent path": (
        "What lies before the path learns through the other paths alone; whether the task needs "
        "this one was not measured"
    ),
    "dead units": (
        "The weights of a dead unit do not learn, so only the other units still adapt; whether the "
        "task needs more of them was not measured"
    ),
    "clipped": (
        "In most training steps only the direction of the gradient counts, not its size; whether "
        "the training would learn faster with another threshold was not measured"
    ),
    "range": (
        "This is how far back the layer could see with its weights of that epoch; whether the loss "
        "makes use of it was not measured"
    ),
    "measured": "It describes a few examples after one epoch; other examples were not measured",
}

_OF_ERROR: Mapping[str, str] = {  # over depth, where the error was measured, not the gradient
    "no error": (
        "What lies before these outputs learns nothing through them; whether the loss is zero or "
        "units are dead was not measured"
    ),
    "starving": (
        "A layer's gradient is this error times its input: unless the inputs of the first layers "
        "are as much larger, they stay nearly as they are; these were not compared"
    ),
    "exploding over depth": (
        "A layer's gradient is this error times its input: unless the inputs of the first layers "
        "are as much smaller, no one learning rate suits all layers; these were not compared"
    ),
    "starved earlier": (
        "In these training steps the first layers stayed nearly as they were, unless their inputs "
        "were as much larger; how much time this cost was not measured"
    ),
    "exploded over depth earlier": (
        "In these training steps no one learning rate suited all layers, unless the inputs of the "
        "first ones were as much smaller; whether an update undid what was learned was not measured"
    ),
}

_OF_CUT: Mapping[str, str] = {  # over time, of a layer that cuts its error every k steps
    "cut": (
        "The weights of this layer learn nothing from the steps before the cut, which only a "
        "larger truncate, or none, changes; whether the task needs them was not measured"
    ),
    "vanishing": (
        "The weights of this layer learn hardly anything from the first steps that the error "
        "reaches, which a larger truncate does not change; whether the task needs them was not "
        "measured"
    ),
    "exploding": (
        "The first steps that the error reaches outweigh the later ones in the gradient, and a "
        "single update may undo what was learned; whether one did was not measured"
    ),
}

_OF_GATE: Mapping[str, str] = {
    "input": "Hardly anything new enters the cell state",
    "forget": "The cell state is erased at nearly every step, so nothing is kept for long",
    "output": "Hardly anything of the cell state leaves the layer",
    "update": "The state is replaced at nearly every step, so nothing is kept for long",
    "reset": "The new state hardly depends on the previous one",
}

_DOES_NOT_CROSS = (
    "The encoder learns hardly anything from the beginning of what it reads; whether the decoder "
    "needs it was not measured"
)
_CROSSES = (
    "The encoder can learn from all that it reads; whether the decoder needs it was not measured"
)


def meaning_of(kind: str, evidence: Evidence) -> str:
    """Return what a finding means for learning, and what it does not know, as a sentence.

    Args:
        kind, evidence: those of the finding. Runs of earlier versions may lack any of the numbers.

    Returns:
        The sentence without its full stop; "" for a kind of another package.
    """
    by_evidence = {
        "arrives": _arrives,
        "does not cross": lambda _: _DOES_NOT_CROSS,
        "healthy": _healthy,
        "no gradient": _no_gradient,
        "not finite": _not_finite,
        "saturated": _saturated,
        "too little": _too_little,
    }
    if kind in by_evidence:
        return by_evidence[kind](evidence)
    if kind in _OF_CUT and (kind == "cut" or "truncate" in evidence):
        return _OF_CUT[kind]
    if evidence.get("quantity") == "error" and kind in _OF_ERROR:
        return _OF_ERROR[kind]
    return _OF_KIND.get(kind, "")


def _arrives(evidence: Evidence) -> str:
    sentence = (
        "The error at the first step read may come from the steps right after it; how far back the "
        "error of a single step reaches was not measured"
    )
    if "prediction" in evidence:
        return f"{sentence}, because the loss cannot be separated by predictions"
    return f"{sentence}; ErrorFlow(probe=(x, y)) measures it"


def _healthy(evidence: Evidence) -> str:
    return _CROSSES if "first_to_largest" in evidence else _OF_KIND["healthy"]


def _no_gradient(evidence: Evidence) -> str:
    if evidence.get("all"):
        return "The network learns nothing any more; whether the loss is zero was not measured"
    return (
        "What has no gradient stays as it is while the rest learns; whether its units are dead or "
        "the loss does not depend on them was not measured"
    )


def _not_finite(evidence: Evidence) -> str:
    if "losses" in evidence:  # of a warning: the loss is finite, but far above its first value
        return "The updates make the network worse; whether they are too large was not measured"
    if "epoch" in evidence:  # of the examples of a snapshot
        return "These numbers say nothing about learning; the cause was not measured"
    return _OF_KIND["not finite"]


def _saturated(evidence: Evidence) -> str:
    follows = _OF_GATE.get(evidence.get("gate", ""), "The gate lets hardly anything through")
    return f"{follows}; whether the task needs it was not measured"


def _too_little(evidence: Evidence) -> str:
    if evidence.get("time_steps") == 1:
        return (
            "There is no time over which an error could vanish or explode; the gradient over depth "
            "is judged by LayerGradients"
        )
    return _OF_KIND["too little"]
