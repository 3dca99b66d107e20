"""The equations of a recurrent cell, as a protocol. Start reading here.

The equations of a cell state one time step forward, and the same step of back-propagation through
time (BPTT) backward:

    forward    s_t = f(z_t, s_{t-1}), with z = x W + b computed for all steps at once    t = 1 … T
    backward   δ_t = dE/dy_t + the error that step t+1 sent back                         t = T … 1
               δz_t = δ_t ⊗ φ'(z_t), and δz_t Rᵀ is sent back to step t-1
               dE/dW, dE/dR and dE/db from the δz_t of all steps at once

`simple_rnn.py` is the shortest example, `lstm.py` the best known. Everything else is shared by all
cells:

    base.py               the base classes of the Keras cells and layers
    cells.py              which cells have which equations, and `register_cell`
    installed_cells.py    the cells of other packages, found by their entry points
    inner_loop.py         masks, dropout and stacks of cells around the loop
    unroll.py             a cell over a sequence, with BPTT as its custom gradient
    packed.py             its forward loop in inference, without the masked steps
    programs.py           the two loops as functions that XLA may compile
    scan.py               the two loops over time, forward and backward
    backward_loop.py      one step of the backward loop, and the loop over some steps
    over_time.py          the arrays over time that they read and write
    matrix_products.py    the input product and the weight gradients, outside the loops
    convolutions.py       the same for a ConvLSTM, whose states are maps
    statistics.py         the norms of δ_t that the backward loop measures
    sums_of_squares.py    their sums, of numbers as small as 1e-25
    error_record.py       the variables that keep them
    carried_scale.py      factors of the error carried back: truncation and interventions
    intervene.py          interventions, as a context
    truncated.py          unroll.py with truncated BPTT, and its loops (chunks.py)
    time_loop.py          which loop runs a call: the one above, or cuDNN's
    fused.py              cuDNN's loop (cudnn.py) with its errors (fused_errors.py)
    xla_context.py        whether XLA compiles the function around a call

A new cell needs its `Equations`, and either `register_cell`, so that `watch` shows the error in a
`keras.layers.RNN` over it, or a subclass of `VisibleCell` and one of `RecurrentLayer`.

Symbols: B examples, T steps, D inputs, H units, G columns of the kernels (H per gate); ⊗ is the
product of elements. Inside the loops, arrays over time are time-major: [T, B, ·]. In a ConvLSTM,
the products with W and R are convolutions, and every [B, ·] is a map [B, *map, ·].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import tensorflow as tf

from .matrix_products import MatrixProducts

Fields = TypeVar("Fields", bound=tuple)


class Weights(NamedTuple):
    """The weights of a cell, or their gradients."""

    kernel: Any  # W [D, G]
    recurrent_kernel: Any  # R [H, G]
    bias: Any  # b [G], [2, G] for a GRU with `reset_after`, or None


class HiddenState(NamedTuple):
    """The state of a cell whose only state is its output."""

    hidden: Any  # h_t


class Sequence(NamedTuple):
    """The arrays that the forward loop saves for the backward loop."""

    x: Any  # [T, B, D]
    states: Any  # the cell's state with arrays [T+1, B, H]; entry 0 is the initial state
    residuals: Any  # the cell's residuals with arrays [T, B, H]


def identity(tensors: Any) -> Any:
    """Return the argument: the barrier of code that XLA does not compile."""
    return tensors


class LinearMaps(Protocol):
    """The products of a cell with its kernels: `MatrixProducts` or `Convolutions`."""

    def input_product(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Return x W + b for all steps: [T, B, D] → [T, B, G]."""
        ...

    def input_errors(self, errors: Any, kernel: Any) -> Any:
        """Return the errors of x from those of x W: [T, B, G] → [T, B, D]."""
        ...

    def step(self, hidden: Any, kernel: Any) -> Any:
        """Return h R of one step: [B, H] → [B, G]."""
        ...

    def transpose(self, recurrent_kernel: Any) -> Any:
        """Return Rᵀ, with which `step` computes the errors of h from those of h R."""
        ...

    def kernel_gradients(
        self, inputs: Any, errors: Any, outer: Callable[[Any, Any], Any]
    ) -> tuple[Any, ...]:
        """Return the gradients of W, R and b in x W + h R + b, for the inputs x and h."""
        ...


@dataclass(frozen=True)
class StepOps:
    """The operations of a step that involve dropout or need help from the compiler.

    With them, the equations mention neither; the rest of a cell is plain arithmetic.

    Args:
        recurrent_dropout: the scaled dropout mask [B, H], the same for all steps and gates; None
            without dropout.
        barrier: a function that returns its tensors and keeps XLA from fusing operations across it
            (see `barrier.py`).
        linear: the linear maps of the cell.
    """

    recurrent_dropout: Any = None
    barrier: Callable[[Any], Any] = identity
    linear: LinearMaps = MatrixProducts()

    def dropout(self, hidden: Any) -> Any:
        """Return h ⊗ m for the dropout mask m."""
        return hidden if self.recurrent_dropout is None else hidden * self.recurrent_dropout

    def recurrent_product(self, hidden: Any, kernel: Any) -> Any:
        """Return (h ⊗ m) R: [B, H] → [B, G]."""
        return self.linear.step(self.dropout(hidden), kernel)

    def recurrent_errors(self, errors: Any, transposed_kernel: Any) -> Any:
        """Return the errors of h from those of `recurrent_product`: (δz Rᵀ) ⊗ m, [B, H]."""
        return self.dropout(self.linear.step(errors, transposed_kernel))

    def split(self, gates: Any, count: int) -> list[Any]:
        """Split [B, G] into `count` gates, each [B, H]."""
        return tf.split(self.barrier(gates), count, axis=-1)

    def join(self, *gates: Any) -> Any:
        """Put gates [B, H] side by side: [B, G]."""
        return self.barrier(tf.concat(self.barrier([*gates]), axis=-1))


class Equations(Protocol):
    """One step of a recurrent cell, forward and backward.

    Implementations are frozen dataclasses, because programs are compiled and cached per cell. The
    states and residuals are NamedTuples; the first field of a state is `hidden`. "Errors" are
    derivatives of the loss E, in the shape and type of the values they belong to: the errors of an
    `LSTMState` are an `LSTMState`.

    Attributes:
        state: the class of the state.
        residuals: the class of the values that the forward step saves for the backward step.
            Callbacks find the gates by the names of its fields.
        linear: the products with the kernels.
        preactivation_widths: the widths of the arrays of preactivation errors, in multiples of H.
    """

    state: ClassVar[type]
    residuals: ClassVar[type]
    preactivation_widths: ClassVar[tuple[int, ...]]

    @property
    def linear(self) -> LinearMaps: ...

    def input_product(self, x: Any, weights: Weights) -> Any:
        """Return x W + b for all steps: [T, B, D] → [T, B, G]."""
        ...

    def forward(self, z: Any, before: Any, weights: Weights, ops: StepOps) -> tuple[Any, Any]:
        """Return the state and the residuals of step t.

        Args:
            z: the input product of step t, [B, G].
            before: the state of step t-1, fields [B, H].
        """
        ...

    def total_errors(self, arriving: Any, after: Any, residuals: Any) -> Any:
        """Return the total derivatives of E with respect to the state of step t.

        Args:
            arriving: the errors that step t+1 sent back, plus dE/dy_t for `hidden`.
            after: the state of step t.
            residuals: those of step t.
        """
        ...

    def backward(
        self,
        errors: Any,
        before: Any,
        after: Any,
        residuals: Any,
        transposed_kernel: Any,
        ops: StepOps,
    ) -> tuple[tuple[Any, ...], Any]:
        """Return the preactivation errors of step t and the errors sent back to step t-1.

        Args:
            errors: the `total_errors` of step t.
            before, after: the states of steps t-1 and t.
            residuals: those of step t.
            transposed_kernel: Rᵀ [G, H], transposed once for all steps.
        """
        ...

    def weight_gradients(
        self,
        sequence: Sequence,
        preactivation_errors: tuple[Any, ...],
        ops: StepOps,
        outer: Callable[[Any, Any], Any],
    ) -> Weights:
        """Return the gradients of the weights from the preactivation errors of all steps.

        Args:
            preactivation_errors: arrays [T, B, ·], as `backward` returns them per step.
            outer: `summed_outer`, or `outer_per_step` for the terms of the sum over time.
        """
        ...

    def input_errors(self, preactivation_errors: tuple[Any, ...]) -> Any:
        """Return the errors of the input product x W + b: [T, B, G]."""
        ...


def map_fields(function: Callable[..., Any], *tuples: Fields) -> Fields:
    """Apply a function to the corresponding fields of NamedTuples of one class."""
    return type(tuples[0])(*map(function, *tuples))
