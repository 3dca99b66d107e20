"""Which inputs each output of a model attends to, after each epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .drawing.attention_maps import Alignment, attention_maps, sharpness
from .recording.run_places import VALIDATION
from .recording.snapshot import SnapshotCallback


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
        log_dir: event files are written to `log_dir`/validation, as of all predictions.

    If `fit` is called again, epochs continue to be counted.

    Source: D. Bahdanau, K. Cho, Y. Bengio: Neural machine translation by jointly learning to align
    and translate, 2015.

    Weights that are not [outputs, inputs] become one warning.
    """

    part = VALIDATION

    def __init__(self, snapshot: Callable[[], Sequence[Alignment]], log_dir: str | Path):
        super().__init__(snapshot, log_dir, "attention")

    def _write(self, snapshot: Any, step: int) -> None:
        scalars = {"attention/sharpness": sharpness(snapshot)}
        self._log.write("attention", {}, {}, scalars, step)
        self._log.image("attention", attention_maps(snapshot), _DESCRIPTION)


_DESCRIPTION = (
    "Each row is an output, each column an input. The colour is the attention that the output pays "
    "to the input. Each row sums to 1."
)
