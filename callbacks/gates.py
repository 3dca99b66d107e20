"""How open the gates of LSTMs and GRUs are at every time step, as they learn."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ..layers import GRU, LSTM
from ..layers.dissect import Call, cut_open
from ..layers.paths import walk
from . import figures, pictures
from .events import EventLog
from .findings import Finding, of_gates
from .rows import Rows, evenly

GATES = ("input", "forget", "output", "update", "reset")  # what else a cell saves is no gate
CLOSED, OPEN = 0.1, 0.9  # below, above
MOST = 64  # units shown


class Gate(NamedTuple):
    """What one gate did with a batch; only steps that are not masked count."""

    units: np.ndarray  # [T, H], its mean over the examples; NaN where no example has that step
    closed: np.ndarray  # [T], the share of its values below 0.1
    open: np.ndarray  # [T], above 0.9
    totals: dict[str, float]  # "mean", "closed" and "open" over all steps

    @property
    def steps(self) -> dict[str, np.ndarray]:
        """Each [T]: its mean over examples and units, and what of it is closed and open."""
        return {"": self.units.mean(axis=1), "_closed": self.closed, "_open": self.open}


class Seen(NamedTuple):
    """One call of a recurrent layer."""

    gates: dict[str, Gate]  # in the order of x
    backwards: bool  # x was read from its last step to its first


class Gates(keras.callbacks.Callback):
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

    def __init__(
        self,
        inputs: Any,
        log_dir: str | Path | None = None,
        layers: Sequence[str] | None = None,
    ):
        super().__init__()
        self.inputs, self.layers = inputs, layers
        self._log = None if log_dir is None else EventLog(Path(log_dir) / "gates", every=1)
        self._watched: Any = None
        self._ahead: int | None = None  # of Keras' epochs, by those of an earlier `fit`
        self._looks: dict[int, dict] = {}  # {epoch: {layer: {gate: [T]}}}
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
        return {
            name: {
                "step": np.array([*self._looks]),
                **{
                    figure: np.stack([look[name][figure] for look in self._looks.values()])
                    for figure in steps(seen)
                },
            }
            for name, seen in self._latest.items()
        }

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

    # When Keras calls

    def on_train_begin(self, logs=None):
        _check(self.model, self.layers)
        if self.model is not self._watched:
            self._watched, self._looks, self._latest = self.model, {}, {}
        self._ahead = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._ahead is None:
            self._ahead = max(max(self._looks, default=0) - epoch, 0)
            if epoch + self._ahead not in self._looks:
                self._look(epoch + self._ahead)

    def on_epoch_end(self, epoch, logs=None):
        self._look(epoch + 1 + (self._ahead or 0))

    def on_train_end(self, logs=None):
        if self._log is not None:
            self._log.close()

    def _look(self, step):
        self._latest = look(self.model, self.inputs, self.layers)
        looks = self._looks[step] = {name: steps(seen) for name, seen in self._latest.items()}
        if self._log is not None:
            rows = {name: _row(step, figures) for name, figures in looks.items()}
            contents = {name: {"statistics": [*figures]} for name, figures in looks.items()}
            self._log.write("gates", rows, contents, scalars(self._latest), step)
            for name, seen in self._latest.items():
                picture = pictures.panels(panels(seen), axis(seen))
                self._log.image(f"gates/{name}", picture, _DESCRIPTION)
            self._log.flush()


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


def look(model, inputs, layers: Sequence[str] | None = None) -> dict[str, Seen]:
    """The gates of each call of a model's LSTMs and GRUs, by the names of `Gates.history`."""
    with _untouched(model), cut_open(model) as (_, calls):
        model(inputs, training=False)
    calls = [call for call in calls if {*GATES} & {*call.cell.saved_names}]
    # A model that is built by its first call is called by Keras with symbols before.
    calls = [call for call in calls if not tf.is_symbolic_tensor(call.sequence.x)]
    calls = [call for call in calls if layers is None or call.name in layers]
    return {name: _seen(group) for name, group in _grouped(calls, _folded(model)).items()}


@contextlib.contextmanager
def _untouched(model) -> Iterator[None]:
    """Within, states are zero; behind, they and the random seeds are what they were before."""
    states = _states(model)
    kept = [(v, tf.identity(v.value)) for v in (*model.non_trainable_variables, *states)]
    try:
        _clear(states)
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
        known = {id(state) for state in states}
        _clear(s for s in _states(model) if id(s) not in known)  # of layers built by this call


def _states(model):
    """The variables of stateful layers, which Keras does not count among the model's."""
    recurrent = [part for _, part in walk(model) if isinstance(part, keras.layers.RNN)]
    return tf.nest.flatten([part.states or () for part in recurrent])


def _clear(states):
    for state in states:
        state.assign(tf.zeros_like(state.value))


def _folded(model) -> set[str]:
    """The paths of all that is inside a TimeDistributed."""
    outer = [part for _, part in walk(model) if isinstance(part, keras.layers.TimeDistributed)]
    inside = {id(part) for wrapper in outer for _, part in walk(wrapper)}
    return {name for name, part in walk(model) if id(part) in inside}


def _grouped(calls: Sequence[Call], folded: set[str]) -> dict[str, list[Call]]:
    """Each call by itself; but what TimeDistributed cut into many calls is one again."""
    groups: dict[tuple[str, int], list[Call]] = {}
    for place, call in enumerate(calls):
        one = len(call.sequence.x) if call.name in folded else place
        groups.setdefault((call.name, one), []).append(call)
    named, met = {}, Counter()
    for (name, _), group in groups.items():
        named[f"{name}:{met[name]}" if met[name] else name] = group
        met[name] += 1
    return named


def _seen(group: Sequence[Call]) -> Seen:
    """Calls of one layer and length, as one batch."""
    cell, backwards = group[0].cell, group[0].backwards
    order = slice(None, None, -1 if backwards else 1)
    valid = np.concatenate([_valid(call) for call in group], axis=1)[order]
    gates = {}
    for place, name in enumerate(cell.saved_names):
        if name in GATES:
            values = [call.sequence.saved[place].numpy() for call in group]
            gates[name] = measure(np.concatenate(values, axis=1)[order], valid)
    return Seen(gates, backwards)


def _valid(call):
    """[T, B] bool"""
    if call.mask is None:
        return np.ones(call.sequence.x.shape[:2], bool)
    return call.mask.numpy()[:, :, 0]


def steps(seen: Seen) -> dict[str, np.ndarray]:
    """What is known of each time step, each [T]: "forget", "forget_closed", "forget_open", …"""
    return {
        f"{name}{figure}": table
        for name, gate in seen.gates.items()
        for figure, table in gate.steps.items()
    }


def _row(step: int, figures: Mapping[str, np.ndarray]) -> Rows:
    values = np.stack([*figures.values()])[:, None]  # [S, 1, T]
    return Rows(np.array([step]), np.array([values.shape[-1]]), values)


def measure(values: np.ndarray, valid: np.ndarray) -> Gate:
    """values: of one gate, [T, B, H]; valid: [T, B] bool."""
    values = values.astype(np.float32)
    figures = {"mean": values, "closed": values < CLOSED, "open": values > OPEN}
    counts = valid.sum(axis=1)[:, None]  # [T, 1]
    with np.errstate(invalid="ignore"):
        units = {
            name: (np.where(valid[:, :, None], figure, 0).sum(axis=1) / counts).astype(np.float32)
            for name, figure in figures.items()
        }
        totals = {
            name: float((unit * counts).sum(where=counts > 0) / (counts.sum() * unit.shape[1]))
            for name, unit in units.items()
        }
    return Gate(units["mean"], units["closed"].mean(axis=1), units["open"].mean(axis=1), totals)


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
