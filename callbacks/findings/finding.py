"""What recorded numbers say of a training, and what the literature offers for it.

Who judges what: `verdict` the error over time, `joined` whether it crosses from a decoder to its
encoder, `depth_verdict` the gradient over depth, `look_verdict` gates and the horizon. All are pure
functions of what the callbacks recorded, so that the end of a run, the tab and a report say the
same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LAST_PART = 0.2  # of the recorded training steps is judged
FEWEST_ROWS = 10
HOLDS = 0.9  # of the rows say what holds since the first of them

REMEDIES: Mapping[str, Sequence[str]] = {
    "vanishing": (
        "if it is a SimpleRNN, an LSTM or GRU (Hochreiter & Schmidhuber 1997; Cho et al. 2014)",
        "of an LSTM, a forget gate that begins open, bias 1 (Gers et al. 2000; Jozefowicz et al. "
        "2015), or Chrono initialisation for a known range (Tallec & Ollivier 2018)",
        "an orthogonal or identity recurrent kernel (Le, Jaitly & Hinton 2015)",
    ),
    "exploding": ("clipping the gradient's norm (Pascanu, Mikolov & Bengio 2013)",),
    "not finite": (
        "a lower learning rate",
        "clipping the gradient's norm (Pascanu, Mikolov & Bengio 2013)",
    ),
    "dead units": (
        "ReLU with a slope below 0 (Maas, Hannun & Ng 2013), a lower learning rate, or initial "
        "weights for ReLU (He et al. 2015)",
    ),
    "no error": ("ReLU with a slope below 0 (Maas, Hannun & Ng 2013)",),
    "no gradient": (
        "ReLU with a slope below 0 (Maas, Hannun & Ng 2013), a lower learning rate, or initial "
        "weights for ReLU (He et al. 2015)",
    ),
    "starving": (
        "shortcuts around every few layers (He et al. 2016)",
        "batch normalisation (Ioffe & Szegedy 2015)",
        "auxiliary classifiers (Szegedy et al. 2015)",
    ),
    "exploding over depth": (
        "initial weights that keep the variance (Glorot & Bengio 2010; He et al. 2015)",
        "shortcuts around every few layers (He et al. 2016)",
    ),
    "clipped": (
        "a lower learning rate, or a limit from half to ten times the usual norm (Pascanu, Mikolov "
        "& Bengio 2013)",
    ),
    "saturated": ("smaller initial weights, or layer normalisation (Ba, Kiros & Hinton 2016)",),
    "does not cross": (
        "attention (Bahdanau, Cho & Bengio 2015)",
        "reading the source from its end (Sutskever, Vinyals & Le 2014)",
    ),
}


@dataclass(frozen=True)
class Finding:
    """A judgement on one layer, or on all, and the numbers it rests on.

    Attributes:
        layer: its path; "" for the whole network.
        kind: "vanishing", "exploding", "healthy", "not finite", "no error", "too little" (was
            recorded) or "undecided" over time; "starving", "exploding over depth", "no gradient",
            "dead units", "clipped" and "not finite" over depth; "saturated" of gates; "range" of
            the horizon; "does not cross" of an encoder and its decoder.
        text: a sentence without the layer's name.
        evidence: numbers by name.
        confidence: the share of the judged training steps, from 0 to 1, that say the same one by
            one; NaN where that cannot be said.
    """

    layer: str
    kind: str
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)
    confidence: float = np.nan

    @property
    def sentence(self) -> str:
        return f"{self.layer}: {self.text}" if self.layer else self.text

    @property
    def remedies(self) -> Sequence[str]:
        """What the literature offers, with its source."""
        return REMEDIES.get(self.kind, ())


def short(number: float) -> str:
    """2e-6, 0.031, 14: one or two digits, for reading."""
    if 1e-3 <= abs(number) < 1e4:
        return f"{number:.2g}" if number < 100 else f"{number:.0f}"
    digits, exponent = f"{number:.0e}".split("e")
    return f"{digits}e{int(exponent)}"


def since(steps: np.ndarray, alike: np.ndarray) -> int | None:
    """The training step since which nearly all rows are alike; None: the last ones are not.

    Nearly all are nine in ten, `HOLDS`: single rows are noisy.

    Args:
        steps, alike: [N], and of each row, whether it says the same as the judgement.
    """
    counts = np.arange(len(alike), 0, -1)
    holds = alike & (np.cumsum(alike[::-1])[::-1] >= HOLDS * counts)
    return int(steps[holds.argmax()]) if holds.any() else None


def since_when(steps: np.ndarray, alike: np.ndarray) -> tuple[str, dict[str, int]]:
    """In words, nothing if from the first row on, and as evidence."""
    step = since(steps, alike)
    if step is None:
        return "", {}
    words = "" if step == steps[0] else f" since training step {step:,}"
    return words, {"since": step}
