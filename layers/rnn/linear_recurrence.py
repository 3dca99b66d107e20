"""The recurrence s_t = f_t ⊗ s_{t-1} + u_t of a whole sequence, without a loop over its steps.

Two steps of such a recurrence are one step of another,

    s_{t+1} = (f_{t+1} ⊗ f_t) ⊗ s_{t-1} + (f_{t+1} ⊗ u_t + u_{t+1})

so a sequence is halved until one step is left, and the states between are filled in on the way
back: log₂ T levels, with the arithmetic of about 2 T steps in all. This is the parallel scan of
Blelloch (1990), which Martin & Cundy (2018) use for recurrent networks.
"""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

# Where T is not known while a graph is traced, the graph has the levels of the longest sequence.
# Before each of these levels it asks whether the sequence goes on, and otherwise skips the rest.
_QUESTIONS = (5, 10, 16)
_LEVELS = 31  # 2³¹ steps: no tensor is longer


def linear_recurrence(factors: Any, terms: Any, initial: Any) -> Any:
    """Return s_t = factors_t ⊗ s_{t-1} + terms_t for all steps, [T, B, H].

    Args:
        factors, terms: [T, B, H], T > 0.
        initial: s_0, [B, H].
    """
    sizes = factors.shape[1] or tf.shape(factors)[1], factors.shape[2]
    scan = _Scan(tf.stack([-1, 2, *sizes]), tf.stack([-1, *sizes]))
    steps = factors.shape[0] or tf.shape(factors)[0]
    return scan.states(factors, terms, initial, steps, 0)


def recurrence_from_the_end(factors: Any, terms: Any) -> Any:
    """Return s_t = factors_t ⊗ s_{t+1} + terms_t for all steps, [T, B, H], with s_{T+1} = 0."""
    factors, terms = tf.reverse(factors, [0]), tf.reverse(terms, [0])
    return tf.reverse(linear_recurrence(factors, terms, tf.zeros_like(terms[0])), [0])


@dataclass(frozen=True)
class _Scan:
    """The shapes of two arrays, computed once for all levels; `steps` is T or a tensor."""

    pairs: Any  # [T/2, 2, B, H]
    flat: Any  # [T, B, H]

    def states(self, f, u, initial, steps, level):
        """Return the states of a sequence that `level` halvings have left."""
        if isinstance(steps, int):
            return self.halved(f, u, initial, steps, level) if steps > 1 else f * initial + u
        if level == _LEVELS:
            return f * initial + u
        if level not in _QUESTIONS:
            return self.halved(f, u, initial, steps, level)
        return tf.cond(
            steps > 1,
            lambda: self.halved(f, u, initial, steps, level),
            lambda: f * initial + u,
        )

    def halved(self, f, u, initial, steps, level):
        """Return the states, computed from those after every second step."""
        missing = steps % 2
        if not isinstance(missing, int) or missing:  # a step that changes nothing
            end = [[0, missing], [0, 0], [0, 0]]
            f, u = tf.pad(f, end, constant_values=1.0), tf.pad(u, end)
        (f_odd, f_even), (u_odd, u_even) = (
            tf.unstack(tf.reshape(array, self.pairs), num=2, axis=1) for array in (f, u)
        )
        half = (f_even * f_odd, f_even * u_odd + u_even)
        even = self.states(*half, initial, (steps + missing) // 2, level + 1)
        odd = f_odd * tf.concat([initial[None], even[:-1]], axis=0) + u_odd
        return tf.reshape(tf.stack([odd, even], axis=1), self.flat)[:steps]
