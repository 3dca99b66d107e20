"""Which inputs each output of a model attends to, after each epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .drawing.attention_maps import Alignment, attention_maps, sharpness
from .drawing.notebook_figure import NothingRecorded
from .drawing.plain_figures import image_figure
from .findings.finding import Finding, counted, short
from .recording.frames import labelled
from .recording.run_places import VALIDATION
from .recording.snapshot import SnapshotCallback

if TYPE_CHECKING:
    import pandas as pd


class AttentionMaps(SnapshotCallback):
    """Writes an image of attention weights, outputs × inputs, to TensorBoard's Images tab.

        def alignments():
            return [Alignment(word, predict(word), attention(word)) for word in words]

        model.fit(x, y, epochs=3, callbacks=[AttentionMaps(alignments, "logs")])

    It writes when training begins and after each epoch: the image `attention`, and the scalar
    `attention/sharpness`, the largest weight of an output step, averaged over all steps of all
    examples. It is 1 if every output attends to a single input.

    Args:
        snapshot: a function without arguments that returns the alignments; the first 12 are drawn.
            If it returns none, nothing is written.
        log_dir: event files are written to `log_dir`/validation, as of all predictions; None: no
            files. The latest alignments are kept for `plot` and `to_frame` in either case.

    If `fit` is called again, epochs continue to be counted.

    Source: D. Bahdanau, K. Cho, Y. Bengio: Neural machine translation by jointly learning to align
    and translate, 2015.

    Weights that are not [outputs, inputs] become one warning.
    """

    part = VALIDATION

    def __init__(
        self, snapshot: Callable[[], Sequence[Alignment]], log_dir: str | Path | None = None
    ):
        super().__init__(snapshot, log_dir, "attention")

    def findings(self) -> list[Finding]:
        """Return how sharp the attention was in the last epoch."""
        alignments: Sequence[Alignment] = self._latest
        outputs = sum(len(alignment.outputs) for alignment in alignments)
        if not outputs:
            return []
        mean, after = sharpness(alignments), f"(epoch {self._latest_epoch:,})"
        if not np.isfinite(mean):
            evidence = {"epoch": self._latest_epoch}
            text = f"the attention weights are not all finite numbers {after}"
            return [Finding("", "not finite", "attention weights not finite", text, evidence)]
        headline = f"attention: largest weight of an output {short(mean)} on average"
        text = (
            f"the largest attention weight of an output is {short(mean)} on average over "
            f"{counted(outputs, 'output')} of {counted(len(alignments), 'example')} {after}; it is "
            "1 if every output attends to a single input"
        )
        return [Finding("", "measured", headline, text, {"sharpness": mean})]

    def plot(self) -> Figure:
        """Return the maps of the last epoch, of the first 12 alignments.

        Raises:
            ValueError: nothing was recorded, or weights are not [outputs, inputs].
        """
        if not len(self._latest):
            raise NothingRecorded
        return image_figure(attention_maps(self._latest))

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each weight of the last epoch.

        example      int    from 1
        output_step  int    from 1
        output       str    the symbol
        input_step   int    from 1
        input        str    the symbol
        weight       float  the attention that the output pays to the input
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        parts = []
        for number, (inputs, outputs, weights) in enumerate(self._latest, start=1):
            output, read = np.indices(np.shape(weights)).reshape(2, -1)
            columns = {
                "output_step": output + 1,
                "output": np.array([*outputs], object)[output],
                "input_step": read + 1,
                "input": np.array([*inputs], object)[read],
                "weight": np.ravel(weights),
            }
            parts.append(({"example": number}, pd.DataFrame(columns)))
        return labelled(
            parts, ("example", "output_step", "output", "input_step", "input", "weight")
        )

    def _write(self, snapshot: Any, step: int) -> None:
        scalars = {"attention/sharpness": sharpness(snapshot)}
        self._log.write("attention", {}, {}, scalars, step)
        self._log.image("attention", attention_maps(snapshot), _DESCRIPTION)


_DESCRIPTION = (
    "Each row is an output, each column an input. The colour is the attention that the output pays "
    "to the input. Each row sums to 1."
)
