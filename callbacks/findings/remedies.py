"""The remedies in the literature for each kind of finding."""

from collections.abc import Mapping, Sequence
from typing import Any

_FOR_RELU = (
    "for ReLU: leaky ReLU (Maas, Hannun & Ng 2013), a lower learning rate, or initial weights made "
    "for it (He et al. 2015)",
)

_FOR_LSTM = (
    "for an LSTM, a forget gate that starts open, bias 1 (Gers et al. 2000; Jozefowicz et al. "
    "2015), or Chrono initialisation if the range of time lags is known (Tallec & Ollivier 2018)",
)

REMEDIES: Mapping[str, Sequence[str]] = {
    "vanishing": (
        "an LSTM or GRU in place of a SimpleRNN (Hochreiter & Schmidhuber 1997; Cho et al. 2014)",
        *_FOR_LSTM,
        "an orthogonal or identity recurrent kernel (Le, Jaitly & Hinton 2015)",
    ),
    "exploding": ("clipping the norm of the gradient (Pascanu, Mikolov & Bengio 2013)",),
    "not finite": (
        "a lower learning rate",
        "clipping the norm of the gradient (Pascanu, Mikolov & Bengio 2013)",
    ),
    "dead units": _FOR_RELU,
    "no gradient": _FOR_RELU,
    "starving": (
        "residual connections (He et al. 2016)",
        "batch normalisation (Ioffe & Szegedy 2015)",
        "auxiliary classifiers (Szegedy et al. 2015)",
    ),
    "exploding over depth": (
        "initial weights that preserve the variance (Glorot & Bengio 2010; He et al. 2015)",
        "residual connections (He et al. 2016)",
    ),
    "clipped": (
        "a lower learning rate, or a clipping threshold between half and ten times the usual norm "
        "(Pascanu, Mikolov & Bengio 2013)",
    ),
    "saturated": ("smaller initial weights, or layer normalisation (Ba, Kiros & Hinton 2016)",),
    "does not cross": (
        "attention (Bahdanau, Cho & Bengio 2015)",
        "reading the source sequence backwards (Sutskever, Vinyals & Le 2014)",
    ),
}


def remedies_of(kind: str, evidence: Mapping[str, Any]) -> Sequence[str]:
    """Return the remedies for a finding; none that speaks of ReLU where it cannot be the cause.

    Args:
        kind, evidence: those of the finding. Without any gradient in the network ("all"), and
            without a ReLU in it ("relu" is False), no dead ReLU is the cause. An LSTM ("lstm")
            needs no LSTM in its place.
    """
    if kind == "vanishing" and evidence.get("lstm"):
        return _FOR_LSTM
    remedies = REMEDIES.get(kind, ())
    is_relu_possible = evidence.get("relu", True) and not evidence.get("all")
    return () if remedies is _FOR_RELU and not is_relu_possible else remedies
