"""The error that arrives at every time step, recorded while a model trains."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from matplotlib.figure import Figure

from ..layers.paths import walk
from ..layers.rnn import training_step
from .drawing import figures
from .drawing.error_images import IMAGE_DESCRIPTION, error_images
from .findings.decay import decay_figures
from .findings.encoder_decoder import encoder_decoder_finding, first_to_largest
from .findings.error_flow import error_flow_finding
from .findings.finding import Finding
from .findings.training_warning import Scope, TrainingWarning
from .recording import frames
from .recording.error_layers import ErrorLayers
from .recording.error_probe import KIND as PROBE
from .recording.error_probe import ErrorProbe
from .recording.error_watch import ErrorWatch
from .recording.event_reader import Key, Recorded
from .recording.first_batch import end_showing, show_first_batch
from .recording.guard import guarded
from .recording.live import ROWS, Handle, LiveView, Progress
from .recording.rows import Rows
from .recording.step_recorder import StepRecorder
from .recording.tables import chosen, layer_path
from .recording.train_step_context import trace_train_step_in

if TYPE_CHECKING:
    import pandas as pd


class ErrorFlow(StepRecorder):
    """Records the error that arrives at every time step of every recurrent layer.

    With E the mean loss over a batch, δ_t(b) = d(B·E)/dh_t(b) is the total error that arrives at
    time step t of example b, taken from the real backward pass, of the unscaled loss, before any
    clipping. It works on models with `errorflow.layers.SimpleRNN`, `LSTM`, `GRU` or `ConvLSTM2D`
    (‖·‖ is then over the whole map), also in nested models, `Bidirectional` and `TimeDistributed`,
    and on stock Keras models after `errorflow.layers.watch`:

        flow = ErrorFlow(log_dir="logs")
        model.fit(x, y, callbacks=[flow])
        flow.history["lstm"]["hidden"]  # [N, T]
        flow  # as the last line of a cell of a notebook: the findings and the picture
        flow.plot().savefig("error_flow.png")
        print(*flow.verdict(), sep="\\n")
        flow.to_frame()  # for pandas

    `evaluate` and `predict` add no rows. If `fit` is called again, training steps continue to be
    counted. With `steps_per_execution` > 1 there is still one row for each training step.

    Args:
        log_dir: event files for TensorBoard are written to `log_dir`/train, one file for all
            callbacks, and those of further trainings to `log_dir`/2/train, …; None: no files. For
            each layer they hold the rows (see `recording.blocks`), a heat map after each epoch, and
            the scalars `half_life` (in time steps), `first_to_last` (the share of the last step's
            error that reaches the first step) and `norm` (over all time steps). Keras' callback
            TensorBoard(log_dir) writes a file of its own beside it; `errorflow tensorboard` shows
            both, and so does TensorBoard, with --load_fast=false if --reload_multifile=true.
        every: record every `every`-th training step, those that are divisible by it.
        joined: pairs of layers to show on one time axis, by a name of your choice: {"both":
            ("encoder/lstm", "decoder/lstm")}. The second layer starts from the last states of the
            first, as in an encoder-decoder. In figures, the time steps of the first are numbered up
            to 0 and those of the second from 1. `first_to_largest` is the error at the first step
            of the first layer over the largest error at any step of the second.
        probe: the examples on which the error of a single prediction is measured, so that the
            findings say how far back it reaches where errors enter at many time steps, as with a
            loss at each step. It is the prediction of the last step (of the first one in layers
            that read backwards), on 4 examples, at `training=False`; measuring takes at most 2% of
            the time of training, and happens at least once. (x, y) or (x, y, sample_weight), as
            `fit` takes them, or a function that returns them; False: nothing is measured; None: the
            first examples of the first batch, of which `fit` loses nothing, unless batches are
            distributed over devices or not dense, or the model has a `train_step` of its own. A
            short training without `log_dir` is measured when `findings` is called.
        live: show the training while `fit` runs, in about 2% of its time at most
            (`benchmarks/live_cost.py`). In a notebook: a picture of the error over time and the
            headlines of the findings, updated in place at most every 2 s; at the end, the picture
            and the findings of the whole training. In a terminal: the headlines in one line, which
            is overwritten with `fit(verbose=0)`, and printed once after each epoch otherwise, as in
            a file. It may also be a text stream for the line, or a display handle of IPython for
            the picture. Of several workers, the chief shows it. If drawing fails, there is one
            warning; the rows are the same in any case, and the scalars in the event files have a
            point for each picture.

    The records of long runs stay small: at most 64 MB are kept in memory (16 MB of them by each
    replica). When the rows take 32 MB, every second one is dropped, and the files go on with every
    second row (a run of 100,000 steps with 8 LSTM layers and 1,000 time steps takes about 190 MB).
    The rows that remain are evenly spaced. Heat maps show at most 216 training steps. If a sequence
    is too long for this room, training goes on, and the findings say what was left out.

    The records are those of the whole batch, also where replicas and workers share it. All workers
    have the callback; `history` then shows what `fit` has read so far, and the chief writes files.

    Source: S. Hochreiter, 1991; Y. Bengio, P. Simard, P. Frasconi: Learning long-term dependencies
    with gradient descent is difficult, 1994.

    Raises:
        TypeError: `live` is something else.
        ValueError: `probe` or `every` is something else; when training begins, if no layer of the
            model shows its error, or none at a path in `joined`.
    """

    kind = "error_flow"
    reads_together = True

    def __init__(
        self,
        log_dir: str | Path | None = None,
        every: int = 1,
        joined: Mapping[str, tuple[str, str]] | None = None,
        probe: Any = None,
        live: bool | TextIO | Handle = False,
    ):
        self._probe = ErrorProbe(probe)
        self.live = LiveView(live)
        super().__init__(log_dir, every)
        self.joined = dict(joined or {})
        self._layers = ErrorLayers(self.joined)

    @property
    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """The recorded tables, by the path of the layer: "lstm", "bidirectional/forward_lstm".

        A layer called more than once in a training step has an entry for each call, in their order
        in the model's code: "lstm", "lstm:1", …. Each entry holds:

            step        [N]     the training step, from 1
            length      [N]     T, the number of time steps of that step's batch
            hidden      [N, T]  root mean square of ‖δ_t(b)‖ over the examples
            hidden_max  [N, T]  the largest ‖δ_t(b)‖
            carried     [N, T]  root mean square of δ_t(b) before the error injected at t is added
            valid       [N, T]  the number of examples whose step t is not masked
            injected    [N, T]  root mean square of the error injected at t
            hidden_next [N, T]  root mean square of ‖δ‖ at the next valid step, over the examples
                                that are valid at t
            cell        [N, T]  root mean square of ‖dE/dc_t‖ (LSTM only)
            cell_max    [N, T]  the largest ‖dE/dc_t‖ (LSTM only)
            cell_next   [N, T]  as hidden_next, of ‖dE/dc_t‖ (LSTM only)
            skipped     [N]     whether dynamic loss scaling skipped the training step
            truncate    [N]     k (only of a layer with `truncate=k`)

        the tables float32, and NaN where there is no such step. Each table exists once more with
        the suffix "_from_end": there column -1 is the last valid step of every example.

        The entries of `joined` follow those of the layers; their second layer starts at column
        "border".
        """
        self.catch_up()
        history = self._tables(self._memory.all())
        return history | self._layers.join(history)

    def _tables(self, rows: Mapping[str, Rows]) -> dict[str, dict[str, np.ndarray]]:
        return {name: self._layers.tables(name, of_layer) for name, of_layer in rows.items()}

    def findings(self) -> list[Finding]:
        """Return the findings on the recorded errors, one for each layer."""
        history = self.history
        findings = [self._finding(name, recorded) for name, recorded in history.items()]
        missing = [(n, self._why_missing(n)) for n in self._layers.names if n not in history]
        left_out = self._layers.left_out.items()
        notes = [Finding(n, "too little", "no error recorded", text) for n, text in missing]
        notes += [Finding(n, "too little", "errors left out", text) for n, text in left_out]
        return findings + notes + self._gaps()

    def warnings(self, scope: Scope) -> list[TrainingWarning]:
        """Return what is wrong in the training steps read so far; see `EarlyWarning`."""
        return self._watch.warnings(self._memory, self._step, self._layers, scope)

    def _finding(self, name, recorded):
        if name in self.joined:
            paths = self.joined[name]
            backwards = self._layers.is_backwards(paths[0])
            return encoder_decoder_finding(paths, recorded, backwards)
        backwards = self._layers.is_backwards(name)
        return error_flow_finding(name, recorded, backwards, self._probe.of(name))

    def _why_missing(self, name):
        if self._lost:
            return "none of its rows could be read"
        if self._step < self.every:
            return f"none of {self._step:,} training steps was recorded (every={self.every:,})"
        if name in self._layers.left_out:
            return f"no row was kept in {self._step:,} training steps"
        return f"no error reached this layer in {self._step:,} training steps"

    def plot(
        self, statistic: str = "hidden", align: str = "end", layers: Sequence[str] | None = None
    ) -> Figure:
        """Return heat maps of the error, time step × training step, with one common colour scale.

        Args:
            statistic: "hidden", "hidden_max", "carried", "cell" or "cell_max".
            align: "end" counts time steps back from the last one, "start" from the first one.
            layers: names from `history`; None: all except layers that are part of a joined entry.

        Raises:
            ValueError: nothing was recorded, or nothing of a layer in `layers`.
        """
        history = self.history
        if layers is None:
            inside = {path for name in self.joined.keys() & history for path in self.joined[name]}
            layers = [name for name in history if name not in inside]
        return figures.error_flow(chosen(history, layers), statistic, align)

    def to_frame(self, align: str = "end", layers: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return one row for each layer, training step and time step that an example has.

            layer        category  a name from `history`, without those of `joined`
            step         int       the training step, from 1
            time_step    int32     from 1
            before_last  int32     the number of time steps before the last one
            hidden, hidden_max, carried, injected, hidden_next, cell, cell_max, cell_next
                         float32   see `history`, in units of the loss per unit of h_t or c_t; NaN
                                   for `cell` of layers without a cell
            valid        int32     the number of examples
            skipped      bool      whether dynamic loss scaling skipped the training step

        A row takes 42 bytes, or 54 if a layer has a cell; the largest records that are kept have
        1.4 million rows, in 60 MB.

        Args:
            align: "end": the last valid step of every example has `before_last` 0, and `time_step`
                is that of the longest example; "start": the first one has `time_step` 1, and
                `before_last` is that of the longest example. Without padding, they are the same.
            layers: names from `history`; None: all except joined ones.

        Raises:
            ValueError: nothing was recorded of a layer in `layers`, or `align` is something else.
        """
        history = self.history
        if layers is None:
            layers = [name for name in history if name not in self.joined]
        return frames.over_time(chosen(history, layers), align)

    # Going on in another process

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "probe": self._probe.state(),
            "healthy": self._watch.healthy,
            "left_out": self._layers.state(),
        }

    def _fits(self, name: str, recorded: Recorded) -> bool:
        statistics = self._layers.statistics.get(layer_path(name))
        return statistics == recorded.about["statistics"]

    def _take_back(self, state: Mapping[str, Any], recorded: Mapping[Key, Recorded]) -> None:
        measured = {name: rows for (kind, name), rows in recorded.items() if kind == PROBE}
        self._probe.resume(state.get("probe", {}), measured)
        self._watch.healthy.update(state.get("healthy", {}))
        self._layers.resume(state.get("left_out", {}))

    # Hooks that `StepRecorder` calls

    def _start_over(self):
        super()._start_over()
        self._probe.start_over()
        self._watch = ErrorWatch()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.live.begin(self)

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.live.begin_epoch()
        super().on_epoch_begin(epoch, logs)
        if self._probe.waits:
            show_first_batch(self.model, self._probe.take)
        self._probe.epoch_begins()

    @guarded
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.live.is_due:
            self.live.show(self._progress)

    def _progress(self):
        """Read what there is to be read, and return what is shown while `fit` runs."""
        self.catch_up()
        latest = self._tables(self._memory.latest(ROWS))
        findings = [self._finding(name, t) for name, t in latest.items() if len(t["step"])]
        return Progress(self._step, findings, lambda: error_images(self.history))

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._catch_up()
        self._probe.epoch_ends(self.model, self._memory, self._step, self._log)
        super().on_epoch_end(epoch, logs)
        self.live.end_epoch(self._progress)

    @guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._catch_up()
        self._probe.training_ends(self.model, self._memory, self._step, self._log)
        super().on_train_end(logs)
        self.live.end(self._progress, self._repr_html_)

    def _check(self) -> None:
        self._layers = ErrorLayers(self.joined)
        self._layers.find(self.model)
        if all(layer.built for _, layer in walk(self.model)):
            self._layers.check(self.model)

    def _attach(self):
        trace_train_step_in(self.model, training_step.inside)

    def _detach(self) -> None:
        end_showing(self.model)
        self._steps.record_every(self, None)

    def _discard_rows(self):
        self._layers.discard()

    def _schedule(self):
        super()._schedule()
        self._steps.record_every(self, self._memory.stride)

    def _capacity(self):
        return self._layers.capacity * self._memory.stride

    def _read_rows(self, steps: np.ndarray) -> dict[str, Rows]:
        if not self._layers.names:  # they are built by the first batch
            self._layers.find(self.model)
            self._layers.check(self.model)
        return self._layers.read(self._recorded_model, steps, self._memory.stride)

    def _about(self) -> Mapping[str, Any]:
        return self._layers.about()

    def _scalars(self, new: Mapping[str, Rows]) -> Mapping[str, Mapping[str, float]]:
        by_layer = self._tables(new)
        return {name: decay_figures(recorded) for name, recorded in by_layer.items()} | {
            name: {"first_to_largest": float(np.median(first_to_largest(recorded)))}
            for name, recorded in self._layers.join(by_layer).items()
        }

    def _images(self) -> Iterator[tuple[str, np.ndarray, str]]:
        for name, image in error_images(self.history).items():
            yield name, image, IMAGE_DESCRIPTION
