"""The choice of a layer's loop over time: errorflow's own, or the fused one of cuDNN."""

from typing import Any, Literal, NamedTuple

import tensorflow as tf

from . import cudnn
from .carried_scale import CarriedScale
from .equations import Equations, Weights
from .error_record import ErrorRecord
from .fused import fused_unroll
from .fused_errors import why_unsupported
from .truncated import truncated_unroll
from .unroll import unroll

Fused = bool | Literal["auto"]


class Choice(NamedTuple):
    """The loop of one call.

    Attributes:
        name: "errorflow"; "cudnn"; or "plain", which stands in for cuDNN if `fused=True` and there
            is no cuDNN.
        reason: why, as part of a sentence.
    """

    name: Literal["errorflow", "cudnn", "plain"]
    reason: str


class TimeLoop:
    """The loop over time of a layer, chosen anew for each call.

    With "auto", cuDNN runs the call if it is placed on a GPU and cuDNN does what the cell does:
    SimpleRNN with tanh or relu; LSTM, and GRU with `reset_after`, with tanh and sigmoid; without
    recurrent dropout, with any mask. Everything else runs in errorflow's own loop. So does the
    graph of a call to which nobody passed `training`, or of a `tf.function` of a model itself, as
    `model.export` calls models and `fit`, `evaluate` and `predict` do not: it may have to run where
    there is no GPU. And so does every call of a layer with `truncate`, or in which `intervene`
    scales the error that is carried back, whatever `fused` says.

    In a graph, the choice is made when it is traced.

    Args:
        fused: "auto"; False, to use errorflow's own loop; True, to use the fused loop. Without
            cuDNN, a plain loop then takes its place: the same results, for tests.

    Attributes:
        latest: the `Choice` of the latest call; None before the first one.

    Raises:
        ValueError: `fused` is something else.
    """

    def __init__(self, fused: Fused = "auto"):
        if fused not in (True, False, "auto"):
            raise ValueError(f'fused: expected True, False or "auto", got {fused!r}')
        self.fused: Fused = fused
        self.latest: Choice | None = None

    def __repr__(self) -> str:
        latest = "not called yet" if self.latest is None else ": ".join(self.latest)
        return f"<loop over time, fused={self.fused!r}; {latest}>"

    def __call__(
        self,
        equations: Equations,
        x: Any,
        initial: Any,
        weights: Weights,
        record: ErrorRecord,
        *,
        training: bool | None,
        carried_scale: CarriedScale | None,
        **options: Any,
    ) -> tuple[Any, Any]:
        """Return h [B, T, H] or None, and the last state; see `unroll`."""
        arguments = equations, x, initial, weights, record
        self.latest = self._choose(equations, options["recurrent_dropout"] is not None)
        if self.fused == "auto" and self.latest.name == "cudnn" and _may_be_for_export(training):
            reason = "the graph may be for export: nobody passed `training` to the call"
            self.latest = Choice("errorflow", reason)
        if carried_scale is not None:  # no fused kernel can scale it
            self.latest = Choice("errorflow", carried_scale.reason)
        if training and carried_scale is not None and carried_scale.truncate:
            return truncated_unroll(*arguments, **options, carried_scale=carried_scale)
        if self.latest.name == "errorflow":
            compiled = bool(training)
            return unroll(*arguments, **options, compiled=compiled, carried_scale=carried_scale)
        return fused_unroll(*arguments, **options, training=bool(training))

    def _choose(self, equations, recurrent_dropout):
        if self.fused is False:
            return Choice("errorflow", "fused=False")
        absent = cudnn.why_not_here()
        unsupported = _why_unsupported(equations, recurrent_dropout)
        if self.fused == "auto" and (absent or unsupported):
            return Choice("errorflow", absent or f"cuDNN does not support {unsupported}")
        return Choice("plain", absent) if absent else Choice("cudnn", "the call is on a GPU")

    def allows_xla(
        self, equations: Equations, recurrent_dropout: float, truncate: int | None = None
    ) -> bool:
        """Return whether XLA can compile a training step around the layer, so without cuDNN."""
        unsupported = _why_unsupported(equations, recurrent_dropout > 0, truncate)
        return self.fused is False or bool(cudnn.why_absent() or unsupported)

    def check(
        self,
        name: str,
        equations: Equations,
        recurrent_dropout: float,
        truncate: int | None = None,
    ) -> None:
        """Check the options of a layer.

        Raises:
            ValueError: `fused` is True, and cuDNN does not support an option of the layer.
        """
        unsupported = _why_unsupported(equations, recurrent_dropout > 0, truncate)
        if self.fused is True and unsupported:
            raise ValueError(
                f"layer {name!r} has {unsupported}, which cuDNN does not support; "
                'use fused="auto" or fused=False'
            )


def _may_be_for_export(training):
    """Return whether a graph is traced as `model.export` does: nobody has passed `training`.

    If a layer before this one, such as `keras.layers.Dropout`, has the default `training=False`,
    Keras 3.15 hands its default on to this layer, which then looks as if it had been passed. The
    function that is traced tells: it is the model's own `__call__`.
    """
    if training or tf.executing_eagerly():
        return False
    graph: Any = tf.compat.v1.get_default_graph()
    while getattr(graph, "outer_graph", None) is not None and hasattr(graph.outer_graph, "inputs"):
        graph = graph.outer_graph
    return training is None or getattr(graph, "name", "") == "__call__"


def _why_unsupported(equations, recurrent_dropout, truncate=None):
    if recurrent_dropout or truncate:
        return "recurrent_dropout" if recurrent_dropout else f"truncate={truncate}"
    return why_unsupported(equations)
