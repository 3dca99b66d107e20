"""The cells that cuDNN has, and the error of every step of its fused kernels.

A fused kernel does not return δ_t, but it returns the gradient of its input. So columns of zeros
are added to the input, and rows P to the kernel. They change nothing in the forward pass, and the
gradient of the zeros at step t is δz_t Pᵀ, where δz_t is the error before the activations. It is
part of the real backward pass, which the kernel runs anyway.

    SimpleRNN, LSTM   P = R, the recurrent kernel: the gradient is the error sent back to h_{t-1}
    GRU (reset after) P = 1: the gradient is δz_t, and with the gates z and r, computed again,
                      δ_{t-1} = dE/dy_{t-1} + δ_t ⊗ z_t + [δz_z, δz_r, δz_g ⊗ r_t] Rᵀ

c_t and dE/dc_t of an LSTM, and δ_t of a GRU, follow from the gates, which are computed again in one
product: they are linear recurrences, and `linear_recurrence.py` computes all steps of one at once.
In half precision, all of this is computed in float32.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import keras
import tensorflow as tf

from ..activations import derivative
from .linear_recurrence import linear_recurrence, recurrence_from_the_end
from .matrix_products import MatrixProducts, product


class Pass(NamedTuple):
    """The tensors of one backward pass. After the end of a sequence, no error arrives."""

    x: Any  # [T, B, D]
    initial: Any  # the initial state, fields [B, H]
    weights: Any  # `Weights`
    hidden: Any  # h, [T, B, H]
    valid: Any  # [T, B, 1], 1 or 0
    probes: Any  # the gradients of the zeros, [T, B, ·]
    injected: Any  # dE/dy_t, plus dE/d(last h) at the last step, [T, B, H]
    final: Any  # dE/d(last c) at the last step, [T, B, H], or None

    @classmethod
    def of(
        cls,
        x: Any,
        initial: Any,
        weights: Any,
        hidden: Any,
        probes: Any,
        errors: list[Any],
        counts: Any,
    ) -> "Pass":
        """Return the pass in which `errors` arrive: those of h [T, B, H] and of the last states.

        Args:
            counts: the number of steps of each sequence, [B].
        """
        initial = type(initial)(*map(wide, initial))
        arriving, last, *cell = map(wide, errors)
        steps = tf.range(tf.shape(x)[0])[:, None]
        valid = tf.cast(steps < counts, arriving.dtype)[:, :, None]
        end = tf.cast(steps == counts - 1, arriving.dtype)[:, :, None]
        injected = arriving * valid + end * last
        final = end * cell[0] if cell else None
        return cls(x, initial, weights, hidden, valid, wide(probes) * valid, injected, final)

    @property
    def before(self) -> Any:
        """h_{t-1}, [T, B, H], in the type of the kernels."""
        first = tf.cast(self.initial.hidden[None], self.hidden.dtype)
        return tf.concat([first, self.hidden[:-1]], axis=0)


class Errors(NamedTuple):
    """The errors of each step, [T, B, H]."""

    hidden: Any  # δ_t
    carried: Any  # δ_t before the error injected at t is added
    cell: Any = None  # dE/dc_t


def wide(tensor: Any) -> Any:
    """Return a tensor in float32, or in float64 if that is its type."""
    return tensor if tensor.dtype.size > 2 else tf.cast(tensor, tf.float32)


class FusedCell(Protocol):
    """A cell as cuDNN has it.

    A class of equations has it as its attribute `fused`, or a string: the option for which cuDNN
    has no cell. A class without an attribute of its own is not fused.

    Attributes:
        gates: the place in Keras' order of each gate in cuDNN's order.
    """

    gates: ClassVar[tuple[int, ...]]

    def why_unsupported(self, equations: Any) -> str | None:
        """Return the option that cuDNN does not have; None if it does all that the cell does."""
        ...

    def mode(self, equations: Any) -> str:
        """Return cuDNN's name of the cell."""
        ...

    def probe_rows(self, recurrent_kernel: Any) -> Any:
        """Return P, the rows of the kernel that belong to the zeros."""
        ...

    def errors(self, equations: Any, backward: Pass) -> Errors:
        """Return the errors of each step, from the gradients of the zeros."""
        ...


def why_unsupported(equations: Any) -> str | None:
    """Return the option of a cell that cuDNN does not have; None if it does what the cell does."""
    kind = type(equations)  # one that inherits from equations with `fused` may compute other things
    fused = vars(kind).get("fused", f"a cell of its own, {kind.__name__}")
    return fused if isinstance(fused, str) else fused.why_unsupported(equations)


class FusedSimpleRNN:
    """The simple RNN, with tanh or relu."""

    gates: ClassVar[tuple[int, ...]] = (0,)
    modes: ClassVar[dict[Callable, str]] = {
        keras.activations.tanh: "rnn_tanh",
        keras.activations.relu: "rnn_relu",
    }

    def why_unsupported(self, equations: Any) -> str | None:
        if equations.activation in self.modes:
            return None
        return f"activation {_name(equations.activation)!r}, not tanh or relu"

    def mode(self, equations: Any) -> str:
        return self.modes[equations.activation]

    def probe_rows(self, recurrent_kernel: Any) -> Any:
        """Return R: the gradient of the zeros is the error sent back."""
        return recurrent_kernel

    def errors(self, equations: Any, backward: Pass) -> Errors:
        """Return δ_t, the injected error and the one that step t+1 sent back."""
        carried = following(backward.probes)
        return Errors(backward.injected + carried, carried)


class FusedLSTM:
    """The LSTM with a forget gate."""

    gates: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)  # i, f, g, o

    def why_unsupported(self, equations: Any) -> str | None:
        if not isinstance(equations.linear, MatrixProducts):
            return "convolutions"
        return _other_activation(equations)

    def mode(self, equations: Any) -> str:
        return "lstm"

    def probe_rows(self, recurrent_kernel: Any) -> Any:
        """Return R: the gradient of the zeros is the error sent back."""
        return recurrent_kernel

    def errors(self, equations: Any, backward: Pass) -> Errors:
        """Return δ_t, and dE/dc_t = f_{t+1} ⊗ dE/dc_{t+1} + δ_t ⊗ o_t ⊗ φ'(c_t)."""
        sigma, phi = equations.recurrent_activation, equations.activation
        kernel, recurrent_kernel, bias = backward.weights
        z = product(backward.x, kernel, bias) + product(backward.before, recurrent_kernel)
        i, f, g, o = tf.split(wide(z), 4, axis=2)
        i, f, g, o = sigma(i), sigma(f), phi(g), sigma(o)
        squashed = phi(linear_recurrence(f, i * g, backward.initial.cell))
        carried = following(backward.probes)
        hidden = backward.injected + carried
        entering = hidden * o * derivative(phi)(squashed) + backward.final
        along_carousel = following(f * backward.valid)
        return Errors(hidden, carried, recurrence_from_the_end(along_carousel, entering))


class FusedGRU:
    """The GRU whose reset gate acts after the recurrent product."""

    gates: ClassVar[tuple[int, ...]] = (1, 0, 2)  # r, z, g

    def why_unsupported(self, equations: Any) -> str | None:
        return _other_activation(equations)

    def mode(self, equations: Any) -> str:
        return "gru"

    def probe_rows(self, recurrent_kernel: Any) -> Any:
        """Return 1: the gradient of the zeros is δz_t."""
        return tf.eye(3 * recurrent_kernel.shape[0], dtype=recurrent_kernel.dtype)

    def errors(self, equations: Any, backward: Pass) -> Errors:
        """Return δ_t = z_{t+1} ⊗ δ_{t+1} + the injected error + the one sent through the gates."""
        kernel, recurrent_kernel, bias = backward.weights
        bias, recurrent_bias = (None, None) if bias is None else tf.unstack(bias)
        gates = 2 * backward.hidden.shape[-1]
        z = product(backward.x, kernel, bias)
        z += product(backward.before, recurrent_kernel, recurrent_bias)
        z = equations.recurrent_activation(wide(z[:, :, :gates]))
        update, reset = tf.split(z, 2, axis=2)
        probes = backward.probes
        da = tf.concat([probes[:, :, :gates], probes[:, :, gates:] * reset], axis=2)
        through_gates = following(product(da, tf.transpose(wide(recurrent_kernel))))
        direct = following(update * backward.valid)
        hidden = recurrence_from_the_end(direct, backward.injected + through_gates)
        return Errors(hidden, direct * following(hidden) + through_gates)


def following(sequence: Any) -> Any:
    """Shift each entry of [T, B, …] from step t+1 to step t, with zeros at the last step."""
    return tf.concat([sequence[1:], tf.zeros_like(sequence[:1])], axis=0)


def _other_activation(equations):
    """Return what differs from the activations of a gated cell of cuDNN."""
    if equations.activation is not keras.activations.tanh:
        return f"activation {_name(equations.activation)!r}, not tanh"
    if equations.recurrent_activation is not keras.activations.sigmoid:
        return f"recurrent_activation {_name(equations.recurrent_activation)!r}, not sigmoid"
    return None


def _name(activation):
    return getattr(activation, "__name__", activation)
