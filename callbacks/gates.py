"""How open the gates of LSTMs and GRUs are at every time step, after each epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..layers.paths import walk
from .drawing.gate_figure import gate_figure
from .drawing.gate_maps import Panel, gate_maps
from .findings.finding import Finding
from .findings.gates import gate_findings
from .recording.frames import stacked
from .recording.gate_activations import GateActivations, gate_activations, has_gates, steps
from .recording.rows import evenly_spaced
from .recording.snapshot import LayerSnapshotCallback

if TYPE_CHECKING:
    import pandas as pd

MAX_UNITS = 64  # drawn


class Gates(LayerSnapshotCallback):
    """Records how open every gate of a model's LSTMs and GRUs is over time, for one batch.

    It records when training begins and after each epoch. Gates are those of the equations in
    `errorflow.layers`: the input, forget (if any) and output gate of an LSTM, the update gate (1
    keeps the state) and reset gate of a GRU. Layers in nested models, `Bidirectional` and
    `TimeDistributed` are included; `TimeDistributed` steps count as examples, and so do the places
    of the map of a ConvLSTM.

        gates = Gates(x[:32], log_dir="logs")
        model.fit(x, y, callbacks=[gates])
        gates.history["lstm"]["forget"]  # [N, T]
        gates.plot("lstm").savefig("gates.png")

    The model is called once with `training=False`. Training is not affected: the states of stateful
    layers are set to zero for the call and restored, as are random seeds, and no error is recorded.

    Args:
        inputs: the batch, as the model takes it: an array, a list or a dict of arrays [B, T, …].
        log_dir: event files for TensorBoard are written to `log_dir`/train; None: no files. For
            each layer they hold the figures of `history` as a row (see `recording.blocks`), an
            image units × time steps, and for every gate the scalars `mean`, `closed` and `open`.
        layers: the paths of the layers to record, "bidirectional/forward_lstm"; None: all.

    If `fit` is called again, epochs continue to be counted.

    Source: S. Hochreiter, J. Schmidhuber: Long short-term memory, 1997; F. Gers et al.: Learning to
    forget, 2000; K. Cho et al., 2014.

    Raises:
        ValueError: when training begins, if the model has no LSTM or GRU of errorflow, or none at a
            path in `layers`.
    """

    kind = "gates"
    without_findings = "no gate is nearly always closed"

    def __init__(
        self,
        inputs: Any,
        log_dir: str | Path | None = None,
        layers: Sequence[str] | None = None,
    ):
        super().__init__(self._measure, log_dir)
        self.inputs, self.layers = inputs, layers

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """The recorded tables, by the path of the layer: "lstm", "bidirectional/forward_lstm".

        A layer that the model calls more than once has an entry for each call, in their order in
        the model's code: "lstm", "lstm:1".

            step                             [N]     0 before training, then the epoch, from 1
            input, forget, output (an LSTM)  [N, T]  the mean over examples and units, float32
            update, reset (a GRU)            [N, T]  the same
            input_closed, …                  [N, T]  the share of values below 0.1
            input_open, …                    [N, T]  the share of values above 0.9

        Time steps are those of the input, also if a layer runs backwards. Masked steps are left
        out; NaN where no example has that step.
        """
        return self._recorded()

    def findings(self) -> list[Finding]:
        """Return the gates that are saturated after the last recorded epoch."""
        return [
            finding
            for layer, history in self.history.items()
            for finding in gate_findings(layer, history)
        ]

    def plot(self, layer: str | None = None) -> Figure:
        """Return the gates after the last recorded epoch as one figure.

        Args:
            layer: a name from `history`; None: all of them.

        Raises:
            ValueError: nothing has been recorded, or there is no such layer.
        """
        latest: dict[str, GateActivations] = dict(self._latest)
        if layer is not None and layer not in latest:
            recorded = ", ".join(latest) or "none so far"
            raise ValueError(f"plot: no gates of {layer!r} were recorded, only of {recorded}")
        chosen = latest if layer is None else {layer: latest[layer]}
        return gate_figure({name: (panels(a), _axis(a)) for name, a in chosen.items()})

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each layer, epoch, gate and time step that an example has.

        layer      category  a name from `history`
        epoch      int       0 before training, then from 1
        gate       str       input, forget, output, update or reset
        time_step  int       that of the input, from 1
        mean       float32   over examples and units: 0 closed, 1 open
        closed     float32   the share of values below 0.1
        open       float32   the share of values above 0.9
        """
        columns = ("layer", "epoch", "gate", "time_step", "mean", "closed", "open")
        return stacked({name: _columns(tables) for name, tables in self.history.items()}, columns)

    def _check(self) -> None:
        if self.model.built:
            _check_gates(self.model, self.layers)

    def _measure(self):
        activations = gate_activations(self.model, self.inputs, self.layers)
        _check_gates(self.model, self.layers)  # the call may have built the model
        return activations

    def _write(self, snapshot: Any, step: int) -> None:
        self._record(step, {name: steps(a) for name, a in snapshot.items()}, _scalars(snapshot))
        if self._log is not None:
            for name, activations in snapshot.items():
                image = gate_maps(panels(activations), _axis(activations))
                self._log.image(f"gates/{name}", image, _DESCRIPTION)


_DESCRIPTION = (
    "How open each gate is at each time step, mean over the batch: 0 is closed, 1 is open. Each "
    "row is one unit. In every image the units are sorted, the most open ones on top. Closed "
    "and open: the share of values below 0.1 and above 0.9."
)


def _check_gates(model, layers):
    """Raise a ValueError if there are no gates to record."""
    gated = [name for name, part in walk(model) if has_gates(part)]
    if not gated:
        raise ValueError(
            f"Gates: model {model.name!r} has no LSTM or GRU of errorflow; build it with "
            "errorflow.layers.LSTM or GRU, or train errorflow.layers.watch(model) in its place"
        )
    missing = [name for name in layers or () if name not in gated]
    if missing:
        raise ValueError(
            f"Gates: no LSTM or GRU at {', '.join(missing)}, only at {', '.join(gated)}"
        )


def _scalars(latest: Mapping[str, GateActivations]) -> dict[str, float]:
    """By tag: gates/lstm/forget_mean."""
    return {
        f"gates/{layer}/{name}_{figure}": gate.totals[figure]
        for layer, activations in latest.items()
        for name, gate in activations.gates.items()
        for figure in ("mean", "closed", "open")
    }


def _columns(tables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns of `to_frame` for one layer."""
    gates = [name for name in tables if f"{name}_open" in tables]
    means = np.stack([tables[gate] for gate in gates])  # [gates, N, T]
    place = np.nonzero(~np.isnan(means))
    shares = {
        share: np.stack([tables[f"{gate}_{share}"] for gate in gates])[place]
        for share in ("closed", "open")
    }
    gate, row, column = place
    return {
        "epoch": tables["step"][row],
        "gate": np.array(gates, object)[gate],
        "time_step": column + 1,
        "mean": means[place],
        **shares,
    }


def panels(activations: GateActivations) -> list[Panel]:
    """Return one map for each gate, the most open units on top."""
    return [_panel(name, gate) for name, gate in activations.gates.items()]


def _panel(name, gate):
    units = gate.units.shape[1]
    order = np.argsort(-np.nansum(gate.units, axis=0), kind="stable")
    table = gate.units.T[order[evenly_spaced(units, MAX_UNITS)]]
    count = f"{len(table)} of\n{units:,}" if len(table) < units else f"{units}"
    note = "mean {mean:.2f}  ·  {closed:.0%} closed  ·  {open:.0%} open".format(**gate.totals)
    return Panel(table, f"{name} gate", note, f"{count}\nunits" if units > 1 else "1 unit")


def _axis(activations):
    """The title of the time axis."""
    return "time step (read from right to left)" if activations.backwards else "time step"
