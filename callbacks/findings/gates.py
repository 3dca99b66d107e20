"""What gates and the horizon say, as of the last look: pure functions from tables to findings."""

from collections.abc import Mapping

import numpy as np

from .finding import Finding, short

SATURATED = 0.9  # of a gate's values are closed
OPEN = 0.9  # the mean of a forget gate that holds what there is


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
