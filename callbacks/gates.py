"""How open the gates of LSTMs and GRUs are at every time step, as they learn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..layers import GRU, LSTM
from ..layers.paths import walk
from .drawing import figures
from .drawing import heat_maps as pictures
from .findings.finding import Finding
from .findings.of_snapshots import of_gates
from .recording.gate_values import Seen, look, steps
from .recording.rows import evenly
from .recording.snapshot import LayerOnlooker

MOST = 64  # units shown


class Gates(LayerOnlooker):
    """Shows how open every gate of the LSTMs and GRUs of a model is, over time, for one batch.

    It looks when training begins and after each epoch. Gates are those of the equations in
    `errorflow.layers`: an LSTM's input, forget (if it has one) and output gate, a GRU's update gate
    (1: the state stays as it is) and reset gate. Layers in nested models, `Bidirectional` and
    `TimeDistributed` are found; in the last one, the steps that it goes through count as examples.

        gates = Gates(x[:32], log_dir="logs")
        model.fit(x, y, callbacks=[gates])
        gates.history["lstm"]["forget"]  # [N, T]
        gates.plot("lstm").savefig("gates.png")

    A look is one call of the model with `training=False`. Training goes on as if there had been
    none: the states of stateful layers, which are zero during the look, and random seeds are put
    back, and no error is recorded.

    Args:
        inputs: the batch, as the model takes it: an array, a list or a dict of arrays [B, T, …].
        log_dir: where to write event files for TensorBoard, in a run of its own, `gates`; None:
            nowhere. After each look, of each layer: what `history` has, as a row (see `blocks`),
            a picture units × time steps, and for every gate the scalars `mean`, `closed` and
            `open`.
        layers: the paths of the layers to look at, "bidirectional/forward_lstm"; None: all.

    `fit` called again goes on counting epochs.

    Raises:
        ValueError: when training begins, and the model has no LSTM or GRU of errorflow, or none at
            a path in `layers`.
    """

    kind = "gates"

    def __init__(
        self,
        inputs: Any,
        log_dir: str | Path | None = None,
        layers: Sequence[str] | None = None,
    ):
        super().__init__(self._see, log_dir)
        self.inputs, self.layers = inputs, layers
        self._latest: dict[str, Seen] = {}

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """What was seen so far, by the path of the layer: "lstm", "bidirectional/forward_lstm".

        A layer that the model calls more than once has an entry for each call: "lstm", "lstm:1".

            step                             [N]     0 before training, then the epoch, from 1
            input, forget, output (an LSTM)  [N, T]  the mean over examples and units, float32
            update, reset (a GRU)            [N, T]  the same
            input_closed, …                  [N, T]  the share of values below 0.1
            input_open, …                    [N, T]  above 0.9

        Time steps are those of the input, also where a layer runs backwards. Masked ones are left
        out; NaN where no example has that step.
        """
        return self._recorded()

    def findings(self) -> list[Finding]:
        """Which gates are saturated as of the last look; nothing where none is."""
        return [
            finding
            for layer, history in self.history.items()
            for finding in of_gates(layer, history)
        ]

    def plot(self, layer: str | None = None):
        """The pictures of the last look as one `matplotlib.figure.Figure`.

        Args:
            layer: a name from `history`; None: all of them.

        Raises:
            ValueError: nothing was seen so far, or no such layer.
        """
        if layer is not None and layer not in self._latest:
            seen = ", ".join(self._latest) or "none so far"
            raise ValueError(f"plot: no gates of {layer!r} were seen, but of {seen}")
        chosen = self._latest if layer is None else {layer: self._latest[layer]}
        return figures.gates({name: (panels(s), axis(s)) for name, s in chosen.items()})

    def on_train_begin(self, logs=None):
        _check(self.model, self.layers)
        super().on_train_begin(logs)

    def _see(self):
        return look(self.model, self.inputs, self.layers)

    def _write(self, seen, step):
        self._latest = seen
        self._remember(step, {name: steps(one) for name, one in seen.items()}, scalars(seen))
        if self._log is not None:
            for name, one in seen.items():
                picture = pictures.panels(panels(one), axis(one))
                self._log.image(f"gates/{name}", picture, _DESCRIPTION)


_DESCRIPTION = (
    "How open each gate is at each time step, mean over the batch: 0 is closed, 1 is open. Each "
    "line is one unit; in every picture the units stand in an order of their own, those that are "
    "most open on top. Closed and open: the share of values below 0.1 and above 0.9."
)


def _check(model, layers):
    """ValueError if there is nothing to look at."""
    gated = [name for name, part in walk(model) if isinstance(part, LSTM | GRU)]
    if not gated:
        raise ValueError(
            f"Gates: model {model.name!r} has no LSTM or GRU of errorflow; build it with "
            "errorflow.layers.LSTM or GRU, or train errorflow.layers.watch(model) in its place"
        )
    missing = [name for name in layers or () if name not in gated]
    if missing:
        raise ValueError(f"Gates: no LSTM or GRU at {', '.join(missing)}, but {', '.join(gated)}")


def scalars(latest: Mapping[str, Seen]) -> dict[str, float]:
    """By their tags, gates/lstm/forget_mean."""
    return {
        f"gates/{name}/{gate}_{figure}": found.totals[figure]
        for name, seen in latest.items()
        for gate, found in seen.gates.items()
        for figure in ("mean", "closed", "open")
    }


def panels(seen: Seen) -> list[pictures.Panel]:
    """One for each gate, the units that are most open on top."""
    return [_panel(name, gate) for name, gate in seen.gates.items()]


def _panel(name, gate):
    units = gate.units.shape[1]
    order = np.argsort(-np.nansum(gate.units, axis=0), kind="stable")
    table = gate.units.T[order[evenly(units, MOST)]]
    of = f"{len(table)} of\n{units:,}" if len(table) < units else f"{units}"
    note = "mean {mean:.2f}  ·  {closed:.0%} closed  ·  {open:.0%} open".format(**gate.totals)
    return pictures.Panel(table, f"{name} gate", note, f"{of}\nunits" if units > 1 else "1 unit")


def axis(seen: Seen) -> str:
    """What the axis over time is called."""
    return "time step (read from right to left)" if seen.backwards else "time step"
