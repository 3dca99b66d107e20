"""What recorded numbers say of a training, and what the literature offers for it.

`verdict` judges the error over time; here are the gradient over depth and the gates. All are pure
functions of what the callbacks recorded, so that the end of a run, the tab and a report say the
same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

LAST_PART = 0.2  # of the recorded training steps is judged
STARVING = 1e-3  # the first layers' ‖dE/dW‖ / ‖W‖ over the last layers'
CLIPPED = 0.5  # of the training steps
QUIET = 100  # recorded steps without a gradient make a unit a dead one
DEAD = 0.5  # of a layer's units
SATURATED = 0.9  # of a gate's values are closed
OPEN = 0.9  # the mean of a forget gate that holds what there is
FEWEST_LAYERS = 4
NAMED = 3  # layers in a sentence
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


def of_gradients(
    steps: np.ndarray,
    layers: Sequence[str],
    norm: np.ndarray,
    ratio: np.ndarray,
    dead: np.ndarray | None = None,
    clip_norm: float | None = None,
) -> list[Finding]:
    """What the gradient over depth says; nothing where it is healthy.

    Args:
        steps: [N] training steps. layers: L, from input to loss.
        norm, ratio: ‖dE/dW‖ and ‖dE/dW‖ / ‖W‖, [N, L]; NaN where a layer was frozen, infinite where
            they are no finite numbers.
        dead: the share of each layer's units that are dead, [N, L]; NaN where it has none; None:
            not recorded.
        clip_norm: what the gradient of all weights together is clipped to.
    """
    trained = np.flatnonzero(~np.isnan(norm).all(axis=0)).tolist()
    dead = np.full_like(norm, np.nan) if dead is None else dead
    layers = [layers[n] for n in trained]
    norm, ratio, dead = norm[:, trained], ratio[:, trained], dead[:, trained]
    broken = np.isinf(norm)
    found = []
    if broken.any():
        found.append(_not_finite(steps, layers, broken))
    fine = ~broken.any(axis=1)
    if fine.sum() < FEWEST_ROWS:
        return found
    recent = slice(-ceil(LAST_PART * fine.sum()), None)
    steps, norm, ratio, dead = steps[fine], norm[fine], ratio[fine], dead[fine]
    silent = [name for name, of in zip(layers, norm[recent].T, strict=True) if np.all(of == 0)]
    if silent:
        zero = norm[:, [name in silent for name in layers]] == 0
        found.append(_no_gradient(silent, steps, zero.all(axis=1), recent))
    for name, column in zip(layers, dead.T, strict=True):
        if name not in silent:
            found += _dead_units(name, steps, column, recent)
    learning = np.flatnonzero(~np.isnan(ratio[recent]).all(axis=0)).tolist()  # not frozen by now
    if len(learning) - len(silent) >= FEWEST_LAYERS:
        found += _over_depth([layers[n] for n in learning], steps, ratio[:, learning], recent)
    if clip_norm:
        whole = np.sqrt(np.nansum(norm.astype(np.float64) ** 2, axis=1))
        found += _clipped(steps, whole, clip_norm, recent)
    return found


def _not_finite(steps, layers, broken):
    row = int(broken.any(axis=1).argmax())
    where = np.flatnonzero(broken[row])
    first = layers[where[-1]]  # the backward pass comes from the loss
    there = f"the gradient is not a finite number in training step {steps[row]:,}"
    if where[-1] == len(layers) - 1:
        text = f"{there}, from the last layer, {first}, on: already the loss is none"
    else:
        text = f"{there}, first in {first}, while that of the layers behind it is one"
    evidence = {"step": int(steps[row]), "layer": first, "steps": int(broken.any(axis=1).sum())}
    return Finding(first, "not finite", text, evidence, 1.0)


def _no_gradient(layers, steps, zero, recent):
    """Of one layer, or of several, whose number and first names are told."""
    judged, several = len(steps[recent]), len(layers) > 1
    when, more = since_when(steps, zero)
    text = f"gradient is zero in the last {judged:,} training steps"
    text += when and f", and has been{when}"
    evidence = {"layers": len(layers), "judged": judged, **more}
    if not several:
        return Finding(layers[0], "no gradient", f"its {text}: it learns nothing", evidence, 1.0)
    names = ", ".join(layers[:NAMED])
    if len(layers) > NAMED:
        names += f" and {len(layers) - NAMED} more layers"
    text = f"of {names} the {text}: they learn nothing"
    return Finding("", "no gradient", text, evidence, 1.0)


def _dead_units(layer, steps, shares, recent):
    known = ~np.isnan(shares[recent])
    share = float(np.median(shares[recent][known])) if known.any() else 0.0
    if share <= DEAD:
        return []
    when, evidence = since_when(steps, shares > DEAD)
    text = (
        f"{share:.0%} of its units are dead: their gradient was zero in each of the last {QUIET} "
        "training steps that were recorded"
    )
    text += when and f"; so are most of them{when}"
    confidence = float(np.mean(shares[recent][known] > DEAD))
    return [Finding(layer, "dead units", text, {"share": share, **evidence}, confidence)]


def _over_depth(layers, steps, ratio, recent):
    """The first quarter of the layers against the last."""
    quarter = max(1, len(layers) // 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nanmedian(ratio[:, :quarter], axis=1) / np.nanmedian(
            ratio[:, -quarter:], axis=1
        )
    share = float(np.nanmedian(shares[recent]))
    those = f"the first {quarter} of {len(layers)} layers" if quarter > 1 else f"{layers[0]}"
    evidence = {"first_to_last": share, "judged": len(shares[recent])}
    text = (
        f"{those} would change by {share:.1g} of what the last {'ones' if quarter > 1 else 'one'} "
        f"would, relative to the weights (median of {evidence['judged']:,} training steps)"
    )
    if share < STARVING:
        kind, says, alike = "starving", "the depth starves", shares < STARVING
    elif share > 1 / STARVING:
        kind, says, alike = "exploding over depth", "it explodes", shares > 1 / STARVING
    else:
        return []
    when, more = since_when(steps, alike)
    confidence = float(np.mean(alike[recent]))
    return [Finding("", kind, f"{text}: {says}{when}", evidence | more, confidence)]


def _clipped(steps, norm, clip_norm, recent):
    last = norm[recent]
    share = float(np.mean(last > clip_norm))
    if share <= CLIPPED:
        return []
    when, more = since_when(steps, norm > clip_norm)
    text = (
        f"the gradient is clipped in {share:.0%} of the last {len(last):,} training steps: its norm"
        f" is {np.median(last):.2g}, the limit {clip_norm:g}"
    )
    text += when and f"; so it is{when}"
    evidence = {"share": share, "norm": float(np.median(last)), "clip_norm": clip_norm}
    return [Finding("", "clipped", text, evidence | more, share)]


def half_life(norms: np.ndarray) -> float:
    """Time steps in which norms [T] halve going back, on average over all; negative: double."""
    known = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(known) < 2:
        return np.nan
    first, last = known[0], known[-1]
    decay = np.log2(norms[last]) - np.log2(norms[first])
    return float((last - first) / decay) if decay else np.inf


def of_horizon(layer: str, history: Mapping[str, np.ndarray]) -> Finding:
    """How far back a layer can see, as of the last look. history: of `Horizon.history`."""
    norms, epoch = history["hidden"][-1], int(history["step"][-1])
    found = half_life(norms)
    if np.isnan(found):
        text = f"‖dh_T/dh_t‖ is a finite number at the last step alone (epoch {epoch})"
        return Finding(layer, "not finite", text, {"epoch": epoch})
    first = float(norms[np.isfinite(norms)][0])
    if not abs(found) <= 10 * len(norms):
        how = "hardly changes going back"
    else:
        how = f"{'halves' if found > 0 else 'doubles'} every {short(abs(found))} steps going back"
    text = f"‖dh_T/dh_t‖ {how}; of a change at the first step {short(first)} comes through"
    evidence = {"half_life": found, "first": first, "epoch": epoch}
    return Finding(layer, "range", f"{text} (epoch {epoch})", evidence)


def of_gates(layer: str, history: Mapping[str, np.ndarray]) -> list[Finding]:
    """Gates that are nearly always closed, as of the last look.

    An open gate is as it should be: a forget gate (or a GRU's update gate) that is open is the
    constant error carousel. As long as it is, a closed input gate is too: the cell holds what it
    has, as with Chrono initialisation, or in the LSTM of 1997, whose gates begin closed.

    Args:
        history: an entry of `Gates.history`.
    """
    harmless = set()
    if "forget" not in history:
        harmless = {"input", "output"}
    elif np.nanmean(history["forget"][-1]) > OPEN:
        harmless = {"input"}
    epoch, found = int(history["step"][-1]), []
    for gate in sorted({"input", "forget", "output", "update", "reset"} & {*history} - harmless):
        share = float(np.nanmean(history[f"{gate}_closed"][-1]))
        if share > SATURATED:
            text = f"its {gate} gate is closed (below 0.1) in {share:.0%} of all cases"
            evidence = {"gate": gate, "share": share, "epoch": epoch}
            found.append(Finding(layer, "saturated", text, evidence, share))
    return found
