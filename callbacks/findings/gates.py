"""The findings on gates: those that are nearly always closed."""

from collections.abc import Mapping

import numpy as np

from .finding import Finding

SATURATED = 0.9  # share of a gate's values that are closed
HOLDING = 0.9  # mean of a forget gate that keeps the cell state
GATES = {"input", "forget", "output", "update", "reset"}


def gate_findings(layer: str, history: Mapping[str, np.ndarray]) -> list[Finding]:
    """Return one finding for each gate that is nearly always closed after the last epoch.

    A gate that is open is no problem: an open forget gate (or update gate of a GRU) is the constant
    error carousel. While the forget gate is open, a closed input gate is no problem either: the
    cell keeps its state, as with Chrono initialisation. In the LSTM of 1997, which has no forget
    gate, input and output gates start closed by design.

    Args:
        layer: its path.
        history: an entry of `Gates.history`.
    """
    epoch = int(history["step"][-1])
    findings = []
    for gate in sorted((GATES & {*history}) - _harmless(history)):
        share = float(np.nanmean(history[f"{gate}_closed"][-1]))
        if share > SATURATED:
            headline = f"saturated: {gate} gate {share:.0%} closed"
            text = f"its {gate} gate is closed (below 0.1) for {share:.0%} of all values"
            evidence = {"gate": gate, "share": share, "epoch": epoch}
            findings.append(Finding(layer, "saturated", headline, text, evidence, share))
    return findings


def _harmless(history) -> set[str]:
    """The gates that may be closed."""
    if "forget" not in history:
        return {"input", "output"}
    return {"input"} if np.nanmean(history["forget"][-1]) > HOLDING else set()
