"""A cell over a sequence, with back-propagation through time as its gradient.

The gradient is explicit: one `tf.custom_gradient` around the forward loop, whose backward pass is
the backward loop, the weight gradients as single large matrix products, and a row of the error
record. In training, XLA compiles the loops, and on a CPU the batch is split into two programs that
run side by side on two threads. In inference and export the same functions run as plain TensorFlow
operations; the forward loop then leaves out masked steps (see `packed.py`).
"""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from .carried_scale import CarriedScale
from .equations import Equations, StepOps, Weights, map_fields
from .error_record import Call, ErrorRecord
from .matrix_products import summed_outer
from .programs import Programs, programs
from .xla_context import may_be_compiled


def unroll(
    equations: Equations,
    x: Any,
    initial: Any,
    weights: Weights,
    record: ErrorRecord,
    *,
    mask: Any,
    recurrent_dropout: Any,
    return_sequences: bool,
    backwards: bool,
    compiled: bool,
    carried_scale: CarriedScale | None = None,
) -> tuple[Any, Any]:
    """Run a cell over a sequence; the gradient is back-propagation through time.

    Args:
        equations: the equations of the cell.
        x: [B, T, D], in reading order.
        initial: the initial state, fields [B, H].
        record: the record to which each backward pass appends a row.
        mask: [B, T, 1] bool or None.
        recurrent_dropout: the dropout mask [B, H] or None.
        backwards: whether x was reversed; the record then counts steps from the other end.
        compiled: let XLA compile the loops.
        carried_scale: what scales the error that is carried back; None: nothing does.

    Returns:
        h [B, T, H], or None without `return_sequences`; and the last state.
    """
    if recurrent_dropout is not None:  # Keras draws it in the shape of the initial state
        recurrent_dropout = tf.stop_gradient(recurrent_dropout)
    # In a graph, each call has functions of its own: ONNX converters rewrite the bodies of shared
    # loops, such as those of both directions of a Bidirectional, and fail on the second one.
    make = programs if compiled or tf.executing_eagerly() else programs.__wrapped__
    call = _Call(
        equations,
        make(equations, compiled, x.shape[-1], initial.hidden.shape[-1]),
        record,
        record.begin_call(tf.shape(x)[0], x.shape[1], 1 if mask is None and not backwards else 2),
        halves(x) if compiled else (slice(None),),
        mask,
        recurrent_dropout,
        return_sequences,
        backwards,
        carried_scale,
    )
    packs = mask is not None and recurrent_dropout is None and not (compiled or may_be_compiled())
    forward = tf.custom_gradient(call.packed_forward if packs else call.forward)
    results = forward(x, *initial, *(w for w in weights if w is not None))
    for result in results:  # shared programs forget which batch and which length this call has
        known = x.shape[: 1 + len(result.shape) - len(initial.hidden.shape)]
        result.set_shape([*known, *[None] * (len(result.shape) - len(known))])
    outputs, *last = results if return_sequences else (None, *results)
    return outputs, type(initial)(*last)


@dataclass(frozen=True)
class _Call:
    """One call of `unroll`, cut along the batch into `parts`."""

    equations: Equations
    programs: Programs
    record: ErrorRecord
    recorded: Call
    parts: Sequence[slice]
    mask: Any
    recurrent_dropout: Any
    return_sequences: bool
    backwards: bool
    carried_scale: CarriedScale | None

    def forward(self, *tensors: Any) -> tuple[tuple[Any, ...], Callable]:
        """Return the outputs and last states, and their gradient: see `tf.custom_gradient`.

        Args:
            tensors: x, the fields of the initial state, and the weights that the cell has.
        """
        x, initial, weights = self._arguments(tensors)
        outputs, last, sequences = self._run(x, initial, weights)
        joined = [join(outputs)] if self.return_sequences else []
        joined += [join(states) for states in zip(*last, strict=True)]
        return tuple(joined), functools.partial(self._gradient, tensors, weights, sequences)

    def packed_forward(self, *tensors: Any) -> tuple[tuple[Any, ...], Callable]:
        """Return what `forward` returns, without computing masked steps and residuals.

        If there is a backward pass, it begins with the forward loop that saves the residuals.
        """
        x, initial, weights = self._arguments(tensors)
        outputs, last = self.programs.packed_forward(
            x, initial, weights, self.mask, self.return_sequences
        )

        def gradient(*arriving):
            _, _, sequences = self._run(x, initial, weights)
            return self._gradient(tensors, weights, sequences, *arriving)

        return (*([outputs] if self.return_sequences else []), *last), gradient

    def _run(self, x, initial, weights):
        """Return the outputs, last state and `Sequence` of each part."""
        results = [
            self.programs.forward(
                x[part],
                map_fields(lambda s, part=part: s[part], initial),
                weights,
                mask,
                dropout,
                self.return_sequences,
            )
            for part, mask, dropout in zip(
                self.parts, self._cut(self.mask), self._cut(self.recurrent_dropout), strict=True
            )
        ]
        return zip(*results, strict=True)

    def _arguments(self, tensors):
        # An outer tape must not record the operations inside: the gradient is complete.
        x, *others = [tf.stop_gradient(t) for t in tensors]
        count = len(self.equations.state._fields)
        initial, weights = others[:count], others[count:]
        return x, self.equations.state(*initial), Weights(*(*weights, None)[:3])

    def _gradient(self, tensors, weights, sequences, *arriving):
        """Return the gradients of `tensors` from those of the outputs and last states."""
        errors = [tf.stop_gradient(e) for e in arriving]
        injected = errors.pop(0) if self.return_sequences else None
        factors = None
        if self.carried_scale is not None:
            factors = self.carried_scale.factors(tensors[0], self.mask, self.backwards)
        initial_errors, preactivation_errors = self._backward(
            weights, sequences, injected, errors, factors
        )
        dx = join([self.programs.input_gradient(e, weights.kernel) for e in preactivation_errors])
        gradients = (
            dx,
            *(join(errors) for errors in zip(*initial_errors, strict=True)),
            *self._weight_gradients(weights, sequences, preactivation_errors),
        )
        return [differentiable_once(g, [*arriving, *tensors]) for g in gradients]

    def _backward(self, weights, sequences, injected, final_errors, factors):
        """Return the errors of the initial state and the preactivation errors, of each part."""
        final_errors = self.equations.state(*final_errors)
        results = [
            self.programs.backward(
                sequence,
                above,
                map_fields(lambda e, part=part: e[part], final_errors),
                weights,
                mask,
                dropout,
                scale,
            )
            for part, sequence, above, mask, dropout, scale in zip(
                self.parts,
                sequences,
                self._cut(injected),
                self._cut(self.mask),
                self._cut(self.recurrent_dropout),
                self._cut(factors),
                strict=True,
            )
        ]
        initial_errors, preactivation_errors, rows = zip(*results, strict=True)
        self.record.write(rows, self.recorded, self.backwards)
        return initial_errors, preactivation_errors

    def _weight_gradients(self, weights, sequences, preactivation_errors):
        """Return the gradients of the weights that the cell has.

        They are not in the programs: there, the large products of both parts would compete for the
        threads.
        """
        parts = [
            self.equations.weight_gradients(sequence, errors, StepOps(dropout), summed_outer)
            for sequence, errors, dropout in zip(
                sequences, preactivation_errors, self._cut(self.recurrent_dropout), strict=True
            )
        ]
        used = [place for place, weight in enumerate(weights) if weight is not None]
        return [tf.add_n([gradients[place] for gradients in parts]) for place in used]

    def _cut(self, tensor):
        return [None if tensor is None else tensor[part] for part in self.parts]


def differentiable_once(gradient: Any, sources: Sequence[Any]) -> Any:
    """Return a gradient whose own derivative by `sources` raises an error instead of lacking terms.

    Call it for each gradient separately: TensorFlow then still skips the gradients that nobody
    uses, such as dE/dx of a first layer.

    Raises:
        NotImplementedError: when the result is differentiated.
    """

    @tf.custom_gradient
    def first_order(*tensors):
        return tf.identity(tensors[0]), _refuse_second_order

    return first_order(gradient, *sources)


def _refuse_second_order(*_):
    raise NotImplementedError(
        "recurrent layers of errorflow have no second-order gradients: their backward pass is "
        "explicit BPTT. Use the layer of the same name in keras.layers, which takes the same "
        "weights"
    )


def halves(x: Any) -> tuple[slice, ...]:
    """Return two halves of the batch, for two threads; all of it on one core or with a GPU."""
    if (os.cpu_count() or 1) < 2 or tf.config.list_logical_devices("GPU") or x.shape[0] == 1:
        return (slice(None),)
    middle = (x.shape[0] or tf.shape(x)[0]) // 2
    return slice(None, middle), slice(middle, None)


def join(parts: Sequence[Any]) -> Any:
    """Put the results of parts of the batch together."""
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)
