"""The remedies in the literature, and for which kinds of findings each one is."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

_VANISHING = (
    "lstm",
    "gru",
    "forget-bias",
    "chrono",
    "orthogonal",
    "identity",
    "layer-normalization",
    "attention",
)
_EXPLODING = (
    "orthogonal",
    "clip-norm",
    "learning-rate",
    "initial-weights",
    "layer-normalization",
    "truncate",
)
_STARVING = ("shortcuts", "batch-normalization", "relu", "initial-weights", "auxiliary")
_EXPLODING_OVER_DEPTH = ("initial-weights", "batch-normalization", "shortcuts", "clip-norm")
# The names of the remedies for each kind of finding, the most promising first.
OF_KIND: Mapping[str, tuple[str, ...]] = {
    "vanishing": _VANISHING,
    "vanished earlier": _VANISHING,
    "exploding": _EXPLODING,
    "exploded earlier": _EXPLODING,
    "not finite": ("learning-rate", "clip-norm", "warm-up", "initial-weights"),
    "dead units": ("leaky-relu", "initial-weights", "learning-rate", "batch-normalization"),
    "no gradient": ("leaky-relu", "initial-weights", "learning-rate", "batch-normalization"),
    "starving": _STARVING,
    "starved earlier": _STARVING,
    "exploding over depth": _EXPLODING_OVER_DEPTH,
    "exploded over depth earlier": _EXPLODING_OVER_DEPTH,
    "silent path": ("initial-weights", "batch-normalization", "leaky-relu", "learning-rate"),
    "clipped": ("clip-norm", "learning-rate"),
    "saturated": ("initial-weights", "layer-normalization", "forget-bias"),
    "does not cross": ("attention", "reverse", "lstm"),
}

_OF_RELU = {"dead units", "no gradient"}  # kinds whose remedies are for networks with a ReLU
_NOT_IN_AN_LSTM = {"lstm", "gru", "identity"}  # they replace a simple cell, or change one
_IN_AN_LSTM = {"forget-bias"}  # a GRU may be the other cell, and Chrono is for both


@dataclass(frozen=True)
class Remedy:
    """A change to a network or its training that the literature recommends for a finding.

    Attributes:
        name: its key, which does not change between versions: "clip-norm".
        text: what to do, in a phrase.
        source: authors and year of the work that proposes it; "" if it is common practice.
    """

    name: str
    text: str
    source: str

    @property
    def findings(self) -> tuple[str, ...]:
        """The kinds of findings that it is for."""
        return tuple(kind for kind, names in OF_KIND.items() if self.name in names)

    @property
    def sentence(self) -> str:
        """The text, and the source in parentheses if there is one."""
        return f"{self.text} ({self.source})" if self.source else self.text

    def as_json(self) -> dict[str, str]:
        """Return name, text and source for JSON."""
        return {"name": self.name, "text": self.text, "source": self.source}

    def __str__(self) -> str:
        return self.sentence


REMEDIES = (
    Remedy("lstm", "an LSTM in place of a SimpleRNN", "Hochreiter & Schmidhuber 1997"),
    Remedy("gru", "a GRU in place of a SimpleRNN", "Cho et al. 2014"),
    Remedy(
        "forget-bias",
        "for an LSTM, a forget gate that starts open, bias 1",
        "Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015",
    ),
    Remedy(
        "chrono",
        "for an LSTM or a GRU, Chrono initialisation if the range of time lags is known",
        "Tallec & Ollivier 2018",
    ),
    Remedy("orthogonal", "an orthogonal recurrent kernel", "Henaff, Szlam & LeCun 2016"),
    Remedy(
        "identity",
        "an identity recurrent kernel, with ReLU as the activation",
        "Le, Jaitly & Hinton 2015",
    ),
    Remedy(
        "clip-norm",
        "clipping the norm of the gradient at half to ten times its usual value",
        "Pascanu, Mikolov & Bengio 2013",
    ),
    Remedy("learning-rate", "a lower learning rate", ""),
    Remedy("warm-up", "a learning rate that grows during the first steps", "Goyal et al. 2017"),
    Remedy(
        "relu",
        "ReLU as the activation in place of sigmoid or tanh",
        "Glorot, Bordes & Bengio 2011",
    ),
    Remedy("leaky-relu", "leaky ReLU in place of ReLU", "Maas, Hannun & Ng 2013"),
    Remedy(
        "initial-weights",
        "initial weights that preserve the variance",
        "Glorot & Bengio 2010; He et al. 2015",
    ),
    Remedy("shortcuts", "residual connections", "He et al. 2016"),
    Remedy("batch-normalization", "batch normalisation", "Ioffe & Szegedy 2015"),
    Remedy("layer-normalization", "layer normalisation", "Ba, Kiros & Hinton 2016"),
    Remedy("auxiliary", "auxiliary classifiers", "Szegedy et al. 2015"),
    Remedy(
        "attention",
        "attention to all time steps",
        "Bahdanau, Cho & Bengio 2015; Raffel & Ellis 2016",
    ),
    Remedy("reverse", "reading the source sequence backwards", "Sutskever, Vinyals & Le 2014"),
    Remedy("truncate", "backpropagation through fewer time steps", "Williams & Peng 1990"),
)

_BY_NAME = {remedy.name: remedy for remedy in REMEDIES}


def remedy(name: str) -> Remedy:
    """Return the remedy of a name.

    Raises:
        ValueError: there is none.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    close = get_close_matches(name, _BY_NAME, n=1)
    hint = f"did you mean {close[0]}? The remedies are" if close else "only"
    raise ValueError(f"there is no remedy {name!r}, {hint} {', '.join(_BY_NAME)}")


def remedies_of(kind: str, evidence: Mapping[str, Any]) -> tuple[Remedy, ...]:
    """Return the remedies for a finding, the most promising first; those that cannot help left out.

    Args:
        kind, evidence: those of the finding. Without any gradient in the network ("all"), and
            without a ReLU in it ("relu" is False), no dead ReLU is the cause. An LSTM ("lstm")
            needs no LSTM in its place.
    """
    is_relu_possible = evidence.get("relu", True) and not evidence.get("all")
    if kind in _OF_RELU and not is_relu_possible:
        return ()
    excluded = _excluded(kind, evidence)
    return tuple(_BY_NAME[name] for name in OF_KIND.get(kind, ()) if name not in excluded)


def _excluded(kind: str, evidence: Mapping[str, Any]) -> set[str]:
    """The remedies that cannot help, as far as the evidence shows it."""
    if kind in ("starving", "starved earlier"):
        return {"relu"} if evidence.get("relu") else set()
    if kind not in ("vanishing", "vanished earlier"):
        return set()
    # Findings of earlier versions say it only where they judge dE/dc_t, beside that of dE/dh_t.
    is_lstm = evidence.get("lstm", True if "of_hidden" in evidence else None)
    if is_lstm is None:
        return set()
    return _NOT_IN_AN_LSTM if is_lstm else _IN_AN_LSTM
