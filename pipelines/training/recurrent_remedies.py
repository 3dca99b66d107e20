"""Remedies of recurrent layers, as changes to the settings of a task."""

from collections.abc import Callable, Mapping
from typing import Any

from ...callbacks.treatment import strength
from ...callbacks.treatment.facts import NotApplicable
from ..models.recurrent_settings import SIMPLE
from .remedy_case import Case, Changes


def cell(word: str, name: str, alike: tuple[str, ...]) -> Callable[[Case], Changes]:
    """Return the remedy that is another cell; `alike` are the cells that need it no more."""

    def change(case: Case) -> Changes:
        if case.require_recurrent() in alike:
            raise NotApplicable(f"the network is already {name}")
        if not case.allows("model", word):
            raise NotApplicable(f"the task has no {word.upper()}")
        return {"model": word} | _reset_for_gates(case.settings, word)

    return change


def _reset_for_gates(settings: Mapping[str, Any], word: str) -> Changes:
    """Return the settings of the present cell that a cell with gates is not to have."""
    changes: Changes = {}
    if settings.get("activation", "tanh") != "tanh":
        changes["activation"] = "tanh"
    if settings.get("recurrent_kernel") == "identity":
        changes["recurrent_kernel"] = "orthogonal"
    if settings.get("forget_bias") is not None and word != "lstm":
        changes["forget_bias"] = None
    return changes


def forget_bias(case: Case) -> Changes:
    """Forget gates that start open."""
    if case.require_recurrent() != "lstm":
        raise NotApplicable("the network has no LSTM with a forget gate")
    if case.settings.get("chrono"):
        raise NotApplicable("Chrono initialisation already chooses the biases")
    current = case.require("forget_bias", "the bias of forget gates")
    return {"forget_bias": strength.forget_bias(1.0 if current is None else current, case.facts)}


def chrono(case: Case) -> Changes:
    """Chrono initialisation for the longest sequence."""
    if case.require_recurrent() in SIMPLE:
        raise NotApplicable("a simple recurrent network has no gates")
    if case.require("chrono", "Chrono initialisation"):
        raise NotApplicable("the network already has Chrono initialisation")
    bias = {"forget_bias": None} if case.settings.get("forget_bias") is not None else {}
    return {"chrono": 1.0, **bias}


def recurrent_kernel(word: str) -> Callable[[Case], Changes]:
    """Return the remedy that is an initial recurrent kernel."""

    def change(case: Case) -> Changes:
        model = case.require_recurrent()
        if word == "identity" and model not in SIMPLE:
            raise NotApplicable("it is for a simple recurrent network")
        if case.require("recurrent_kernel", "the recurrent kernel") == word:
            raise NotApplicable(f"the recurrent kernel is already {word} at the start")
        is_relu = word == "identity" and "activation" in case.settings
        return {"recurrent_kernel": word} | ({"activation": "relu"} if is_relu else {})

    return change


def layer_normalization(case: Case) -> Changes:
    """Layer normalisation of what recurrent layers read."""
    if not case.allows("normalization", "layer"):
        raise NotApplicable("the task has no setting for layer normalisation")
    case.require_recurrent()
    return case.switched("normalization", "layer", "layer normalisation")


def attention(case: Case) -> Changes:
    """Attention of the decoder."""
    case.require("attention", "attention")
    return case.switched("attention", True, "attention")


def reverse(case: Case) -> Changes:
    """A source sequence that is read from its end."""
    case.require("reverse", "the order of the source sequence")
    if case.settings.get("bidirectional"):
        raise NotApplicable("the encoder already reads the source in both directions")
    return case.switched("reverse", True, "a reversed source sequence")


def truncate(case: Case) -> Changes:
    """Backpropagation through half of the time steps."""
    case.require_recurrent()
    current = case.require("truncate", "truncated backpropagation")
    return {"truncate": strength.truncation(current, case.facts)}
