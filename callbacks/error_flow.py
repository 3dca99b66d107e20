"""The error that arrives at every time step, recorded while a model trains."""

import contextlib
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from ..layers.paths import walk
from ..layers.rnn.error_record import ErrorRecord
from .drawing import figures
from .drawing import heat_maps as pictures
from .findings.finding import Finding
from .findings.over_time import decay, judge
from .recording.error_reader import Track, scales, unscale
from .recording.joined import crossing, first_to_largest, join
from .recording.rows import reached
from .recording.statistics import statistics, tables
from .recording.step_recorder import RING, StepRecorder, iterations
from .recording.tracing import trace_inside


class ErrorFlow(StepRecorder):
    """Records the error that arrives at every time step of every recurrent layer, while it trains.

    With E the mean loss over a batch, δ_t(b) = d(B·E)/dh_t(b) is the whole error that arrives at
    time step t of example b, taken from the real backward pass, of the unscaled loss, before any
    clipping. It works on models with `errorflow.layers.SimpleRNN`, `LSTM` or `GRU`, nested models,
    `Bidirectional` and `TimeDistributed` included, and on stock Keras models after
    `errorflow.layers.watch`:

        flow = ErrorFlow(log_dir="logs")
        model.fit(x, y, callbacks=[flow])
        flow.history["lstm"]["hidden"]  # [N, T]
        flow.plot().savefig("error_flow.png")
        print(*flow.verdict(), sep="\\n")

    `evaluate` and `predict` leave no rows, repeated `fit` goes on counting, and with
    `steps_per_execution` > 1 there still is one row for each training step.

    Args:
        log_dir: where to write event files for TensorBoard, in a run of its own, `error_flow`,
            beside Keras' `train` and `validation`; None: nowhere. Of each layer: the rows, in
            blocks (see `blocks`), a heat map after each epoch, and the scalars `half_life` (in
            time steps), `first_to_last` (what the first step receives of the last step's error)
            and `norm` (over all time steps).
        every: record each `every`-th training step, those whose number it divides.
        joined: of two layers, the second of which begins with the states that the first ends with,
            as in an encoder-decoder, the paths by a name of your own: {"both": ("encoder/lstm",
            "decoder/lstm")}. In pictures they stand on one time axis, the steps of the first up to
            0 and those of the second from 1, and `first_to_largest` is what arrives at the first
            step of the first layer over the largest error at a step of the second.

    A long run stays small: in memory at most 64 MB are kept, in the files after each 16 MB only
    every second row is written (a run of 100,000 steps, 8 LSTM layers and 1,000 time steps comes to
    about 100 MB). The rows that remain are evenly spaced. Heat maps show
    at most 216 training steps.

    Raises:
        ValueError: when training begins and no layer of the model shows its error, or none at a
            path in `joined`.
    """

    kind = "error_flow"

    def __init__(
        self,
        log_dir=None,
        every=1,
        joined: Mapping[str, tuple[str, str]] | None = None,
    ):
        super().__init__(log_dir, every)
        self.joined = dict(joined or {})
        self._tracks: dict[int, Track] = {}  # by the identity of the layer's record

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """What was recorded so far, by the path of the layer: "lstm", "bidirectional/forward_lstm".

        A layer called more than once in a training step has an entry for each call, in their
        order: "lstm", "lstm:1", …. Of each:

            step        [N]     the training step, from 1
            length      [N]     T, the time steps of that step's batch
            hidden      [N, T]  rms of ‖δ_t(b)‖ over the examples
            hidden_max  [N, T]  the largest ‖δ_t(b)‖
            carried     [N, T]  rms of δ_t(b) before the error injected at t is added
            cell, cell_max      the same of dE/dc_t (LSTM only)
            valid       [N, T]  the number of examples that have a step t

        all float32, and NaN where there is no such step. Each table comes once more with
        "_from_end": there column -1 is the last valid step of every example, however long it is.

        Behind the layers come those of `joined`, whose second layer begins with column "border".
        """
        self._catch_up()
        history = {name: tables(rows) for name, rows in self._memory.all().items()}
        return history | self._join(history)

    def _join(self, history):
        return {
            name: join(*(history[path] for path in paths))
            for name, paths in self.joined.items()
            if history.keys() >= set(paths)
        }

    def verdict(self) -> list[str]:
        """One sentence for each layer, from what was recorded; claims no more than that."""
        return [finding.sentence for finding in self.findings()]

    def findings(self) -> list[Finding]:
        """The same with the numbers behind it, and what the literature offers."""
        history = self.history
        found = [
            crossing(self.joined[name], recorded) if name in self.joined else judge(name, recorded)
            for name, recorded in history.items()
        ]
        for track in self._tracks.values():
            if not track.calls:
                none = f"no backward pass has come through in {self._step:,} training steps"
                found.append(Finding(track.name, "too little", none))
            elif track.name not in history:
                none = f"none of {self._step:,} training steps was recorded (every={self.every:,})"
                found.append(Finding(track.name, "too little", none))
        return found

    def plot(self, statistic="hidden", align="end", layers=None):
        """Heat maps of the error, time step × training step, with one common colour scale.

        Args:
            statistic: "hidden", "hidden_max", "carried", "cell" or "cell_max".
            align: "end" reads the time axis as steps before the last, "start" as time steps.
            layers: names from `history`; if None, all but those that stand in a joined one.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        history = self.history
        if layers is None:
            inside = {path for name in self.joined.keys() & history for path in self.joined[name]}
            layers = [name for name in history if name not in inside]
        chosen = {name: history[name] for name in layers}
        return figures.error_flow(chosen, statistic, align)

    # What the recorder asks for

    def _attach(self):
        self._tracks = {}
        self._began = iterations(self.model)
        self._find_layers()
        built = all(layer.built for _, layer in walk(self.model))
        if built and not self._tracks:
            raise ValueError(_nothing_visible(self.model))
        missing = {path for pair in self.joined.values() for path in pair} - self._paths()
        if built and missing:
            raise ValueError(
                f"ErrorFlow: joined: no layer that shows its error at {', '.join(sorted(missing))},"
                f" but at {', '.join(sorted(self._paths()))}"
            )
        if not built or scales(self.model.optimizer):
            trace_inside(self.model, self._when_traced)

    @contextlib.contextmanager
    def _when_traced(self):
        with tf.init_scope():  # some layers are built by the first tracing
            self._find_layers()
        yield

    def _find_layers(self):
        for name, layer in walk(self.model):
            record = getattr(layer, "error", None)
            if isinstance(record, ErrorRecord) and id(record) not in self._tracks:
                unscale(record, self.model.optimizer)
                calls = max(1, len(layer._inbound_nodes))  # a guess
                self._tracks[id(record)] = Track(name, record, calls * self._room())

    def _paths(self):
        return {track.name for track in self._tracks.values()}

    def _room(self):
        return max(RING, self._pace)

    def _ring(self):
        tracks = self._tracks.values()
        known = any(t.calls for t in tracks) and all(t.has_room(self._room()) for t in tracks)
        return self._room() if known else 0

    def _executed(self):
        if not self._tracks:
            raise ValueError(_nothing_visible(self.model))
        done = 0
        for track in self._tracks.values():
            track.count()
            track.calls = track.calls or -(-track.new // self._most_steps())
            done = max(done, track.new // max(track.calls, 1))
        return done if done and self._pace > 1 else self._unread

    def _most_steps(self):
        """Training steps since training began; if skipped ones are not counted, a few too many."""
        counted = not isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)
        if counted and self._pace > 1:
            return iterations(self.model) - self._began or self._unread
        return self._unread

    def _take(self, steps):
        new = {}
        for track in self._tracks.values():
            new |= track.take(steps, self._memory.stride, self._room())
        return new

    def _content(self, rows):
        return {"statistics": statistics(rows), "joined": self.joined}

    def _scalars(self, new):
        measured = {name: tables(rows) for name, rows in new.items()}
        joined = self._join(measured)
        return {name: _of_one(found) for name, found in measured.items()} | {
            name: {"first_to_largest": float(np.median(first_to_largest(found)))}
            for name, found in joined.items()
        }

    def _pictures(self) -> Iterator[tuple[str, np.ndarray, str]]:
        history = {name: found for name, found in self.history.items() if len(found["step"])}
        cuts = {name: reached(found["hidden_from_end"]) for name, found in history.items()}
        shown = {name: history[name]["hidden_from_end"][:, cut] for name, cut in cuts.items()}
        common = pictures.scale(list(shown.values()))
        for name, table in shown.items():
            border = history[name].get("border")
            if border is None:
                columns = [str(n) for n in range(table.shape[-1])][::-1]
                axis = "time steps before the last"
            else:
                border = int(border) - (cuts[name].start or 0)
                columns = [str(n) for n in range(1 - border, 1 - border + table.shape[-1])]
                axis = "steps of one layer up to 0, of the next from 1"
            titles = (axis, "rms of dE/dh")
            steps = history[name]["step"]
            picture = pictures.heat_map(table, steps, columns, common, titles, border)
            yield name, picture, _DESCRIPTION


def _of_one(measured):
    """The scalars of one layer."""
    norms = np.sqrt(np.nansum(measured["hidden"].astype(np.float64) ** 2, axis=1))
    found = decay(measured)
    return {
        "norm": float(np.median(norms)),
        "first_to_last": found.first_to_last,
        "half_life": found.half_life if found.rate < 0 else np.nan,
    }


_DESCRIPTION = (
    "The error that arrives at each time step, rms over the batch. Each line is one training step; "
    "the error flows from right to left. The colours are the same for all layers. Time steps that "
    "fewer than one batch in fifty has are left out."
)


def _nothing_visible(model):
    stock = [path for path, layer in walk(model) if isinstance(layer, keras.layers.RNN)]
    if stock:
        return (
            f"ErrorFlow: the recurrent layers of model {model.name!r} ({', '.join(stock)}) do not "
            "show their error; train errorflow.layers.watch(model) in its place, or build the "
            "model with errorflow.layers.SimpleRNN, LSTM or GRU"
        )
    return (
        f"ErrorFlow: model {model.name!r} has no recurrent layer, so no error flows through time "
        "in it; LayerGradients shows how it flows through depth. (Stock Keras recurrent layers "
        "become visible by errorflow.layers.watch.)"
    )
