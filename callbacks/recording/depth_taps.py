"""The places at which the error is measured in a training step, and what is measured there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from .depth_layers import unit_axis_is_first
from .depth_statistics import error_figures, output_figures

# Of a row, in float64. "values" to "dead" are of the output itself, and zero for paths.
FIGURES = (
    "step",
    "is_sum",
    "batch",
    "examples",
    "sum",
    "max",
    "values",
    "total",
    "squares",
    "dead",
)


class Column(NamedTuple):
    """What the rows have figures of.

    Attributes:
        name: "block3", of its second call "block3:1"; of a path "block3 (shortcut)".
        is_path: whether it is the error by a path.
        adds_to: of a path, the name of what its error is a part of; "": nothing.
    """

    name: str
    is_path: bool = False
    adds_to: str = ""


class Tap:
    """A place at which the error is measured.

    Attributes:
        path: the path of the layer.
        call: the number of the layer's call in the order in which they run; with `path`, it
            identifies the call.
        label: the name of the path of the error; "": it is the whole error at the layer's output.
        whole: the tap whose error is the sum over the paths.
        is_sum: whether that sum is computed from the errors of the paths. The gradients by several
            paths must be added in one sum, as they are without taps, to be rounded in the same way.
        tensors: those behind which it stands.
        errors: theirs, once the backward pass has met them.
        row: the figures from "examples" on.
    """

    def __init__(self, path: str, call: int, label: str = "", whole: "Tap | None" = None):
        self.path, self.call, self.label, self.whole = path, call, label, whole
        self.is_sum = False
        self.tensors: Sequence[Any] = ()
        self.errors: list[Sequence[Any]] = []
        self.row: Any = None


def figures_of(errors: Sequence[Any], outputs: Sequence[Any], operation: Any) -> Any:
    """Return the figures from "examples" on, [7] float64.

    Args:
        errors: of each tensor behind which a tap stands.
        outputs: these tensors, or nothing if their own figures are not recorded.
        operation: the one that returned them.
    """
    examples = tf.cast(tf.shape(errors[0])[:1], tf.float64)
    of_output = tf.zeros([4], tf.float64)
    if outputs:
        of_output = output_figures(outputs, unit_axis_is_first(operation))
    return tf.concat([examples, error_figures(errors), of_output], axis=0)


def has_error(x: Any) -> bool:
    """Return whether x is a dense tensor of real numbers with a batch axis."""
    return isinstance(x, tf.Tensor) and x.dtype.is_floating and x.shape.rank not in (None, 0)


def is_reachable(tap: Tap) -> bool:
    """Return whether the graph that is traced can read the row of a tap.

    That of a layer in a loop of the graph belongs to the graph of the loop.
    """
    if tap.row is None:
        return False
    graph = getattr(tap.row, "graph", None) if not tf.executing_eagerly() else None
    return graph is None or graph is tf.compat.v1.get_default_graph()
