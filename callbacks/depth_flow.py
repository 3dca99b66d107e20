"""The error that arrives at the output of every layer, recorded while a model trains."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..layers.paths import walk
from .drawing import figures
from .drawing.depth_images import depth_image
from .findings.depth_flow import depth_findings
from .findings.finding import Finding, counted
from .findings.layer_gradients import listed
from .findings.training_warning import Scope, TrainingWarning
from .recording import frames
from .recording.depth_layers import DepthLayers, check_names, output_paths
from .recording.depth_monitor import DepthMonitor
from .recording.depth_tables import OF_LAYERS, OF_PATHS, depth_tables, without_outputs
from .recording.depth_taps import Column
from .recording.event_reader import Key, Recorded
from .recording.monitored_recorder import MonitoredRecorder
from .recording.rows import Rows
from .recording.tables import layer_path

if TYPE_CHECKING:
    import pandas as pd


class DepthFlow(MonitoredRecorder):
    """Records the error that arrives at the output of every layer or block, for any Keras model.

    With E the mean loss over a batch of B examples and a_l the output of layer l,

        δ_l(b) = d(B·E)/da_l(b)

    is the total error of example b at that output, from the real backward pass, of the unscaled
    loss and before any clipping. Beside it stand the error *by path*, where a tensor is read more
    than once: by the shortcut and the branch of a residual block, the four paths of an inception
    block, an auxiliary classifier and the network behind it. As vectors, the errors by path add up.

        flow = DepthFlow(log_dir="logs")
        model.fit(x, y, callbacks=[flow])
        flow.history["rms"]  # [N, L]
        dict(zip(flow.history["paths"], flow.history["path_rms"][-1]))

    When training begins, the training step is traced with this callback; the model is not changed.
    Without XLA, networks of our blocks train to the same bits. XLA may fuse operations in another
    way, and where a tensor is read by several layers of which one reads it more than once itself,
    as attention does, the same gradients are added in another order: there, rounding may differ.
    Of three inception blocks, after 20 training steps with XLA, the weights differ in the last
    place: by 1.2e-7 of 1.1 in float32, and by 1.1e-16 in float64.

    Args:
        log_dir: event files for TensorBoard are written to `log_dir`/train, and those of
            further trainings to `log_dir`/2/train, …; None: no files. They hold the rows (see
            `recording.blocks`), a heat map layer × training step after each epoch, and the scalar
            `first_to_last`: the error at the first layer over that at the last one that is not
            the model's output.
        every: record every `every`-th training step, those that are divisible by it.
        layers: the layers whose outputs are recorded, by path, as `LayerGradients` names them:
            "conv2_block1_out", "encoder/dense". None: of a functional or sequential model, and
            those inside it, the outputs of layers with weights (convolutions, dense layers, whole
            blocks), behind the normalisation and activation that alone follow them; of activations
            and of merging layers such as Add and Concatenate; and those that several layers read;
            except those that only an Add reads, where the error is that of the sum. Of a subclassed
            model, the outputs of its layers with weights, activations and merging layers.

    Each of our blocks shows the error by path. So does each output that several layers of a
    functional model read. In a layer of your own, `errorflow.layers.error_paths.fork` names paths.

    With several outputs, a_l is all of them. An example is an element of the first axis. If layers
    fold time steps into it, B is still the batch of the loss. If several backward passes run
    through a layer in a training step, the last one counts. A layer in a loop of the graph is not
    recorded, nor one in a function of the graph, as all layers are with several workers and XLA;
    the findings say so. The records of long runs stay small in the same way as those of
    `ErrorFlow`.

    Source: K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, 2016;
    C. Szegedy et al.: Going deeper with convolutions, 2015.

    Raises:
        ValueError: when training begins, if the model has no layer at a path in `layers`.
    """

    kind = "depth_flow"
    reads_together = True
    without_findings = "no fault was found in the error over depth"

    def __init__(
        self,
        log_dir: str | Path | None = None,
        every: int = 1,
        layers: Sequence[str] | None = None,
    ):
        if isinstance(layers, str):
            raise TypeError(f"DepthFlow: layers must be a list of paths, not the text {layers!r}")
        super().__init__(log_dir, every)
        self.layers = None if layers is None else list(layers)

    @property
    def history(self) -> dict[str, Any]:
        """The recorded tables; empty before training.

            step      [N]     the training step, from 1
            skipped   [N]     whether dynamic loss scaling skipped the training step
            layers            L names of layers, from input to loss; "dense:1" is the second call of
                              "dense" in a training step
            rms       [N, L]  root mean square of ‖δ_l(b)‖ over the examples
            max       [N, L]  the largest ‖δ_l(b)‖
            mean      [N, L]  mean of a_l over examples, places and units
            std       [N, L]  standard deviation over the same values, from sums in float32: if it
                              is a hundredth of the mean, about three digits are right
            dead      [N, L]  share of the units (channels) that are zero for every example and
                              place; with several replicas, the mean of their shares
            paths             P names: "block3 (shortcut)" is the error that comes back to the input
                              of block3 through its shortcut, "mixed0 (pool)" the one that comes
                              back to the output of mixed0 through the layer pool that reads it
            adds_to           P names in `layers` or `paths`: the errors of all paths with the same
                              name here add up, as vectors, to the error of that name. Where the
                              input of a block is not recorded otherwise, it is the path
                              "block3 (input)", which itself adds to ""
            outputs           names in `layers` whose outputs are those of the model
            path_rms  [N, P]  as rms, of the error by path
            path_max  [N, P]  as max

        the tables float32. All are NaN in training steps in which no error was computed there, as
        below frozen layers. Errors are infinite where they are not finite. A pre-activation block
        with a projection parts behind its first activation, which is its "(input)".
        """
        self.catch_up()
        rows = self._memory.all()
        return depth_tables(rows, self._about()) if rows else {}

    def findings(self) -> list[Finding]:
        """Return the findings on the error over depth; none if there is no fault."""
        history = self.history
        return depth_findings(history) + self._missing(history) + self._gaps()

    def _missing(self, history):
        if self._monitor is None or self._step < self.every:
            return []
        if not history:
            text = f"no error reached the output of any layer in {self._step:,} training steps"
            if self._monitor.in_loops:
                text = "no error was recorded: a loop or a function of the graph calls all layers"
            headline = f"no error recorded in {self._step:,} training steps"
            return [Finding("", "too little", headline, text)]
        shown = {layer_path(name) for name in history["layers"]}
        missing = [name for name in self.layers or () if name not in shown]
        missing += [name for name in sorted(self._monitor.in_loops) if name not in missing]
        if not missing:
            return []
        headline = f"no error of {counted(len(missing), 'layer')} recorded"
        text = (
            f"no error was recorded of {listed(missing) if len(missing) > 1 else missing[0]}: none "
            "reached the output, as below frozen layers, or a loop or function of the graph runs it"
        )
        return [Finding("", "too little", headline, text)]

    def warnings(self, scope: Scope) -> list[TrainingWarning]:
        """Return nothing: while a model trains, `LayerGradients` warns of what happens over depth.

        It judges the gradients of the weights, from which training suffers: the error at an output
        may grow or fade over depth where the inputs of the layers make up for it. Two warnings
        about one fault would not be clearer than one. The findings name silent paths.
        """
        return []

    def plot(self, statistic: str = "rms") -> Figure:
        """Return a heat map layer × training step, without the model's outputs.

        Args:
            statistic: a table of `history`: "rms", "max" or "std" of the layers, "path_rms" or
                "path_max" of the paths.

        Raises:
            ValueError: nothing was recorded, or there is no such table.
        """
        history = self.history
        return figures.depth_flow({"error over depth": history} if history else {}, statistic)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each training step and each layer or path with an error in it.

        step     int       the training step, from 1
        name     category  a name in `layers` or in `paths` of `history`, layers first
        depth    int       its place among the layers, or among the paths, from 1
        is_path  bool      whether it is a path
        rms      float32   root mean square of ‖δ(b)‖ over the examples
        max      float32   the largest ‖δ(b)‖
        mean     float32   mean of the output; NaN for paths
        std      float32   standard deviation of the output; NaN for paths
        dead     float32   share of the units that are zero; NaN for paths
        skipped  bool      whether dynamic loss scaling skipped the training step
        """
        return frames.over_blocks(self.history)

    # Going on in another process

    def _fits(self, name: str, recorded: Recorded) -> bool:
        statistics = {"layers": [*OF_LAYERS], "paths": [*OF_PATHS]}.get(name)
        paths = {path for path, _ in walk(self.model)}
        of_layers = {layer_path(of) for of in recorded.about.get("layers", ())}
        return of_layers <= paths and statistics == recorded.about["statistics"]

    def _take_back(self, state: Mapping[str, Any], recorded: Mapping[Key, Recorded]) -> None:
        about = next((of.about for (kind, _), of in recorded.items() if kind == self.kind), None)
        if about is not None:  # their columns keep their places
            self._monitor.add([Column(name) for name in about["layers"]])
            parts = zip(about["paths"], about["adds_to"], strict=True)
            self._monitor.add([Column(name, True, adds_to) for name, adds_to in parts])

    # Hooks that `StepRecorder` calls

    def _check(self) -> None:
        if self.layers is not None and all(layer.built for _, layer in walk(self.model)):
            check_names(self.model, self.layers)

    def _make_monitor(self, rows: int) -> DepthMonitor:
        return DepthMonitor(self.model, DepthLayers(self.model, self.layers), rows, self.every)

    def _read_rows(self, steps: np.ndarray) -> dict[str, Rows]:
        chosen = steps[-self._capacity() :]
        chosen = chosen[chosen % self._memory.stride == 0]
        if not len(chosen) or not self._monitor.columns:
            return {}
        figures = self._monitor.read(chosen)
        arrived = ~np.isnan(figures.rms).all(axis=1)
        are_paths = np.array([column.is_path for column in self._monitor.columns])
        kinds = (("layers", OF_LAYERS, ~are_paths), ("paths", OF_PATHS, are_paths))
        rows = {}
        for name, statistics, columns in kinds:
            if columns.any():
                values = np.stack([getattr(figures, statistic) for statistic in statistics])
                values = values[:, arrived][:, :, columns].astype(np.float32)
                lengths = np.full(values.shape[1], values.shape[2])
                rows[name] = Rows(chosen[arrived], lengths, values, statistics)
        return rows

    def _about(self) -> Mapping[str, Any]:
        columns = [] if self._monitor is None else self._monitor.columns
        paths = [column for column in columns if column.is_path]
        return {
            "layers": [column.name for column in columns if not column.is_path],
            "paths": [column.name for column in paths],
            "adds_to": [column.adds_to for column in paths],
            "outputs": self._outputs([c.name for c in columns if not c.is_path]),
            "every": self.every,
        }

    def _outputs(self, layers):
        """Those whose outputs are the model's; of a subclassed model, the last one."""
        paths = output_paths(self.model)
        return [name for name in layers if layer_path(name) in paths] or layers[-1:]

    def _scalars(self, new: Mapping[str, Rows]) -> Mapping[str, Mapping[str, float]]:
        history = depth_tables(new, self._about())
        if not history:
            return {}
        rms = without_outputs(history)["rms"]
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"": {"first_to_last": float(np.median(rms[:, 0] / rms[:, -1]))}}

    def _images(self) -> Iterator[tuple[str, np.ndarray, str]]:
        if not self.history:
            return
        history = without_outputs(self.history)
        about = "The error at the output of each layer."
        table, steps = history["rms"], history["step"]
        yield depth_image(table, steps, history["layers"], "‖dE/da‖, rms", about)
