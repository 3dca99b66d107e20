"""The factors by which the error that the recurrence carries back is multiplied on its way.

    backward   δ_t = dE/dy_t + a_t · (the error that step t+1 sent back)        t = T-1 … 1
               for an LSTM also dE/dc_t = δ_t ⊗ ∂h_t/∂c_t + a_t · (the error of c sent back)

a_t is 1 for all steps, which is back-propagation through time, unless `intervene` or the option
`truncate` of a layer changes it. The latter is truncated back-propagation through time: a_t = 0
where t is k, 2k, … steps before the last valid step of an example. So the error crosses at most
k-1 steps, and the first chunk, which may be shorter, passes its error on to the initial state. In
the forward pass nothing changes: a_t is the derivative of an identity that stands between s_t and
step t+1. The error that is injected at a step, and that of the last state, are not multiplied. A
masked step repeats the state of the step before it; its a_t multiplies what passes through it.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf


class Intervention(NamedTuple):
    """A factor of the error carried back in one layer, or in one cell of a stack.

    Attributes:
        part: the object that has the `error` and the `loop`.
        steps: from 1 on, time steps of the input; below 0, steps before the end of each sequence,
            where -1 is the last valid step that the layer reads; None: all steps.
        scale: the factor.
    """

    part: Any
    steps: tuple[int, ...] | None
    scale: float


_active: list[Intervention] = []  # a context variable would not reach the threads of replicas


@contextlib.contextmanager
def active(intervention: Intervention) -> Iterator[None]:
    """Let `carried_scale` return an intervention within the context."""
    _active.append(intervention)
    try:
        yield
    finally:
        (place,) = [n for n, other in enumerate(_active) if other is intervention]
        del _active[place]


class CarriedScale(NamedTuple):
    """What scales the error that is carried back in one call of a layer."""

    interventions: tuple[Intervention, ...]
    truncate: int | None  # k: the error is cut every k steps

    @property
    def reason(self) -> str:
        """Why cuDNN cannot run the call, as part of a sentence."""
        if self.truncate:
            return f"truncate={self.truncate} cuts the error that is carried back"
        return "an intervention scales the error that is carried back"

    def factors(self, like: Any, mask: Any, backwards: bool) -> Any:
        """Return the factor of what each step sends back, a_{t-1} for step t: [B, T, 1].

        Args:
            like: a tensor [B, T, ·] in reading order, for the sizes and the type.
            mask: [B, T, 1] bool or None.
            backwards: whether the layer reads its input from the last step to the first.
        """
        batch, steps = tf.unstack(tf.shape(like)[:2])
        into = tf.range(steps)[None] - 1  # the step that receives the error, in reading order
        last = _last_valid(mask, batch, steps)
        is_carried = (into >= 0) & (into < last)  # at the last step, all error is injected
        factors = tf.ones([batch, steps], like.dtype)
        for _, chosen, scale in self.interventions:
            hit = is_carried & _is_chosen(chosen, into, last, steps if backwards else None)
            factors = tf.where(hit, factors * tf.cast(scale, like.dtype), factors)
        if self.truncate:
            cut = is_carried & ((last - into) % self.truncate == 0)
            factors = tf.where(cut, tf.zeros_like(factors), factors)
        return factors[:, :, None]


def carried_scale(part: Any, steps: int | None) -> CarriedScale | None:
    """Return what scales the error carried back in a call that begins now; None: nothing does.

    Args:
        part: the layer, or the cell of a stack.
        steps: T if it is known.

    Raises:
        ValueError: an intervention is at a step that the layer does not have.
    """
    interventions = tuple(i for i in _active if i.part is part)
    chosen = [n for intervention in interventions for n in intervention.steps or ()]
    if beyond := [n for n in chosen if steps is not None and abs(n) > steps]:
        raise _no_such_step(part, steps, beyond[0])
    truncate = getattr(part, "truncate", None)
    if truncate and steps and steps <= truncate:
        truncate = None  # nothing is cut
    return CarriedScale(interventions, truncate) if interventions or truncate else None


def _no_such_step(part, steps, step):
    error: Any = ValueError(
        f"intervene: layer {part.name!r} reads {steps} time steps, so there is no step {step}"
    )
    # Keras takes it for an error that names its call already, and does not wrap the sentence.
    error._keras_call_info_injected = True
    return error


def _last_valid(mask, batch, steps):
    """Return the last valid step of each example [B, 1], -1 if there is none."""
    if mask is None:
        return tf.fill([batch, 1], steps - 1)
    return tf.reduce_max(tf.where(mask[:, :, 0], tf.range(steps)[None], -1), axis=1, keepdims=True)


def _is_chosen(chosen, into, last, turned):
    """Return whether the steps `into` [1, T] are among the chosen ones, [1, T] or [B, T].

    Args:
        turned: T if step 1 of the input is the last one that is read, otherwise None.
    """
    if chosen is None:
        return tf.ones_like(into, tf.bool)
    number = into + 1 if turned is None else turned - into
    hits = [number == n if n > 0 else into - last - 1 == n for n in chosen]
    return functools.reduce(tf.logical_or, hits)
