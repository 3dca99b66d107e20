"""The one loop through time: a forward scan, and an explicit reverse scan (BPTT) that measures.

Every recurrent layer of errorflow is this loop around the *equations* of one cell: a hashable
object with `input_product`, `forward`, `backward`, `weight_gradients` and `input_errors` (read
`SimpleRNNEquations` first). The reverse scan is the real backward pass: the errors that it records
on its way are those that train the weights.

    forward    s_t = f(z_t, s_{t-1}),   z = x W_x + b for all steps at once      t = 1 … T
    backward   δ_t = carried_t + dE/dy_t,   (local_t, carried_{t-1}) = f'(δ_t)   t = T … 1
               dW from all local errors at once, as large matrix products outside the loop

All arrays inside are time-major, [T, B, ·]. In training, XLA compiles the scans (once for each
shape of a batch), and on a CPU the batch is cut in two programs that run side by side on two
threads. In inference and export the very same functions run as plain TensorFlow operations.
"""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from .statistics import lanes, squares, summarise

try:
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops
except ImportError:  # a TensorFlow that moved it: slower, never wrong
    gen_xla_ops: Any = None


class Sequence(NamedTuple):
    """What the forward scan keeps for the way back."""

    x: Any  # [T, B, D]
    states: tuple  # each [T+1, B, H]; entry 0 is the initial state
    saved: tuple  # each [T, B, H], named by the equations


def identity(tensor):
    return tensor


def xla_fence(tensor):
    """Stop XLA from fusing across this point.

    On CPU it turns slices and concatenations of gates fused with arithmetic into scalar loops and
    computes them twice; a fence around them makes those kernels four times faster.
    """
    if isinstance(tensor, tuple | list):
        return gen_xla_ops.xla_optimization_barrier(list(tensor))
    return gen_xla_ops.xla_optimization_barrier([tensor])[0]


def _leading(tensor, axes):
    """The first dimensions, static where they are known: shapes then survive the loop."""
    dynamic = tf.shape(tensor)
    return [tensor.shape[a] or dynamic[a] for a in range(axes)]


def product(x, kernel, bias=None):
    """x [T, B, D] · kernel [D, G] (+ bias [G]) as one matrix product: [T, B, G]."""
    flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel)
    flat = flat if bias is None else flat + bias
    return tf.reshape(flat, [*_leading(x, 2), kernel.shape[-1]])


def summed_outer(a, b):
    """Σ_t Σ_b a[t, b]ᵀ b[t, b]: a weight's gradient, [·, ·], in one matrix product."""
    return tf.matmul(
        tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(b, [-1, b.shape[-1]]), transpose_a=True
    )


def outer_per_step(a, b):
    """Σ_b a[t, b]ᵀ b[t, b] for each t: the copy of the weight used at step t, [T, ·, ·]."""
    return tf.matmul(a, b, transpose_a=True)


def kernel_gradients(inputs, errors, outer):
    """The gradients of W, R, … and b in x W + h R + … + b, for the inputs x, h, ….

    As one matrix product: side by side they are one input, and b is the kernel of a column of ones.
    """
    side_by_side = tf.concat([*inputs, tf.ones_like(inputs[0][:, :, :1])], axis=2)
    widths = [*(x.shape[-1] for x in inputs), 1]
    *kernels, bias = tf.split(outer(side_by_side, errors), widths, axis=-2)
    return *kernels, tf.squeeze(bias, -2)


def swap_batch_and_time(tensor):
    """[B, T, ·] ↔ [T, B, ·]"""
    return tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])


def _buffer(steps, like, width=None, dtype=None):
    """A TensorArray of `steps` entries shaped as `like` [B, H], or [B, width]."""
    shape = [like.shape[0], width or like.shape[-1]]
    return tf.TensorArray(
        dtype or like.dtype, size=steps, element_shape=shape, clear_after_read=False
    )


def read_only(stack):
    """An array over time, to be read step by step; or anything that has `read(t)` as it is."""
    if hasattr(stack, "read"):
        return stack
    return tf.TensorArray(
        stack.dtype, size=tf.shape(stack)[0], element_shape=stack.shape[1:], clear_after_read=False
    ).unstack(stack)


def _where(mask, new, old):
    return tuple(tf.where(mask, n, o) for n, o in zip(new, old, strict=True))


def forward_scan(cell, x, states, weights, mask, keep, fence) -> Sequence:
    """s_t for t = 1 … T. A masked step copies the state before it.

    Args:
        x: [T, B, D]. states: initial states, each [B, H]. mask: [T, B, 1] bool or None.
        keep: recurrent dropout, applied to h before every recurrent product.
    """
    steps = tf.shape(x)[0]
    z = read_only(cell.input_product(x, weights))
    valid = None if mask is None else read_only(mask)
    # ONNX has no loop that writes behind an entry written before it; XLA saves a copy by that.
    lead, initial = int(fence is not identity), states
    history = tuple(_buffer(steps + lead, s) for s in states)
    if lead:
        history = tuple(a.write(0, s) for a, s in zip(history, states, strict=True))
    saved = tuple(_buffer(steps, states[0]) for _ in cell.saved_names)

    def step(t, states, history, saved):
        new, kept = cell.forward(z.read(t), states, weights, keep, fence)
        if valid is not None:
            new = _where(valid.read(t), new, states)
        history = tuple(a.write(t + lead, s) for a, s in zip(history, new, strict=True))
        saved = tuple(a.write(t, s) for a, s in zip(saved, kept, strict=True))
        return t + 1, new, history, saved

    _, _, history, saved = tf.while_loop(
        lambda t, *_: t < steps, step, (0, states, history, saved), maximum_iterations=steps
    )
    history = tuple(a.stack() for a in history)
    if not lead:
        history = tuple(tf.concat([s[None], h], 0) for s, h in zip(initial, history, strict=True))
    return Sequence(x, history, tuple(a.stack() for a in saved))


def backward_scan(cell, sequence, injected, final_errors, weights, mask, keep, fence, start=None):
    """BPTT: the errors of step t from those of step t+1, down to the initial state.

    Args:
        injected: dE/dy_t from above, [T, B, H], or None where only the last state is used.
        weights: here the recurrent kernel is transposed, once for all steps.
        final_errors: dE/d(last states), each [B, H].
        start: the last step that any error enters; later ones are left out.
        All but `sequence.x` may be anything that has `read(t)` in the place of an array over time.

    Returns:
        (local, initial_errors, norms): the local errors of the equations, each [T, B, ·];
        dE/d(initial states); and ‖·‖² [T, B] of δ_t, of its carried part and of further states.
    """
    steps = tf.shape(sequence.x)[0]
    states = tuple(read_only(s) for s in sequence.states)
    saved = tuple(read_only(s) for s in sequence.saved)
    valid = None if mask is None else read_only(mask)
    above = None if injected is None else read_only(injected)
    h = final_errors[0]  # [B, H], for its shape
    weights = (weights[0], tf.transpose(weights[1]), weights[2])
    local = tuple(_buffer(steps, h, width * h.shape[-1]) for width in cell.local_widths)
    norms = tuple(_buffer(steps, h, lanes(h.shape[-1]), tf.float64) for _ in range(len(states) + 1))

    def step(t, carried, waiting, local, norms):
        # `waiting`: error injected at masked steps behind t, which belongs to the last valid one.
        arriving = [*waiting] if above is None else [*waiting, above.read(t)]
        errors = (tf.add_n([carried[0], *arriving]), *carried[1:])
        before = tuple(s.read(t) for s in states)
        after = tuple(s.read(t + 1) for s in states)
        local_now, sent_back, totals = cell.backward(
            errors, before, after, tuple(s.read(t) for s in saved), weights, keep, fence
        )
        measured = fence((totals[0], carried[0], *totals[1:]))
        if valid is not None:
            now = valid.read(t)
            local_now = tuple(tf.where(now, e, tf.zeros_like(e)) for e in local_now)
            sent_back = _where(now, sent_back, carried)
            waiting = [tf.where(now, tf.zeros_like(carried[0]), tf.add_n(arriving))]
        local = tuple(a.write(t, e) for a, e in zip(local, local_now, strict=True))
        norms = tuple(a.write(t, squares(e)) for a, e in zip(norms, measured, strict=True))
        return t - 1, tuple(sent_back), waiting, local, norms

    carried, waiting = final_errors, []
    if valid is not None:
        carried = (tf.zeros_like(final_errors[0]), *final_errors[1:])
        waiting = [final_errors[0]]
    _, initial, waiting, local, norms = tf.while_loop(
        lambda t, *_: t >= 0,
        step,
        (steps - 1 if start is None else start, carried, waiting, local, norms),
        maximum_iterations=steps,
    )
    initial = (tf.add_n([initial[0], *waiting]), *initial[1:])
    norms = [tf.reduce_sum(a.stack(), -1) for a in norms]
    if valid is None:  # dE/d(last state) is injected at the last step, not carried to it
        norms[1] = tf.concat([norms[1][:-1], tf.zeros_like(norms[1][-1:])], axis=0)
    return tuple(a.stack() for a in local), initial, norms


class Programs(NamedTuple):
    """The scans of one cell as functions of tensors, compiled or not."""

    forward: Callable
    backward: Callable
    input_gradient: Callable


@functools.cache
def programs(cell, compiled: bool, width: int, units: int) -> Programs:
    """A set for each size of x_t and h_t, so that only batch and time are traced as unknown."""
    fence = xla_fence if compiled and gen_xla_ops else identity

    def forward(x, states, weights, mask, keep, return_sequences):
        """x [B, T, D] → (outputs [B, T, H] or None, last states, Sequence)"""
        mask = None if mask is None else swap_batch_and_time(mask)
        sequence = forward_scan(
            cell, swap_batch_and_time(x), states, weights, mask, _dropout(keep), fence
        )
        outputs = swap_batch_and_time(sequence.states[0][1:]) if return_sequences else None
        return outputs, tuple(s[-1] for s in sequence.states), sequence

    def backward(sequence, injected, final_errors, weights, mask, keep):
        """→ (dE/d(initial states), local errors, the record's row)"""
        mask = None if mask is None else swap_batch_and_time(mask)
        injected = None if injected is None else swap_batch_and_time(injected)
        local, initial, norms = backward_scan(
            cell, sequence, injected, final_errors, weights, mask, _dropout(keep), fence
        )
        hidden, carried, cell_norms = (*norms, None)[:3]
        return initial, local, summarise(hidden, carried, cell_norms, mask)

    def input_gradient(local, kernel):
        """→ dE/dx [B, T, D]"""
        return swap_batch_and_time(product(cell.input_errors(local), tf.transpose(kernel)))

    compile_ = functools.partial(
        tf.function, autograph=False, jit_compile=compiled or None, reduce_retracing=True
    )
    return Programs(compile_(forward), compile_(backward), compile_(input_gradient))


def _dropout(keep):
    """Recurrent dropout with the mask `keep` [B, H], or nothing; its own transpose."""
    return identity if keep is None else lambda h: h * keep


def unroll(
    cell, x, states, weights, record, *, mask, keep, return_sequences, backwards, compiled
) -> tuple[Any, tuple]:
    """Run a cell over a sequence, and back-propagate through time when the gradient is asked for.

    Args:
        cell: the equations. x: [B, T, D], already in the order in which it is read.
        states: initial states, each [B, H]. weights: (kernel, recurrent_kernel, bias or None).
        record: the `ErrorRecord` that gets a row at each backward pass.
        mask: [B, T, 1] bool or None. keep: recurrent dropout mask [B, H] or None.
        backwards: x was reversed (for the record). compiled: let XLA compile the scans.

    Returns:
        (h [B, T, H] or None, last states).
    """
    record.make_room(x.shape[1])
    # In a graph, each call has functions of its own: ONNX converters rewrite the bodies of shared
    # loops, such as those of both directions of a Bidirectional, and fail on the second one.
    made = programs if compiled or tf.executing_eagerly() else programs.__wrapped__
    run = made(cell, compiled, x.shape[-1], states[0].shape[-1])
    used = tuple(w for w in weights if w is not None)
    cuts = _cuts(x) if compiled else (slice(None),)

    def cut(tensor):
        return [None if tensor is None else tensor[c] for c in cuts]

    @tf.custom_gradient
    def scan(*tensors):
        # The inner functions must not be recorded by an outer tape: this gradient is all there is.
        x, *rest = [tf.stop_gradient(t) for t in tensors]
        states, given = tuple(rest[: len(rest) - len(used)]), rest[len(rest) - len(used) :]
        weights = (*given, None)[:3]
        parts = [
            run.forward(x[c], tuple(s[c] for s in states), weights, m, k, return_sequences)
            for c, m, k in zip(cuts, cut(mask), cut(keep), strict=True)
        ]
        outputs, last, sequences = zip(*parts, strict=True)
        outputs = [_join(outputs)] if return_sequences else []

        def gradient(*arriving):
            errors = [tf.stop_gradient(e) for e in arriving]
            injected = errors[0] if return_sequences else None
            final = errors[len(outputs) :]
            back = [
                run.backward(q, i, tuple(e[c] for e in final), weights, m, k)
                for c, q, i, m, k in zip(
                    cuts, sequences, cut(injected), cut(mask), cut(keep), strict=True
                )
            ]
            initial, local, rows = zip(*back, strict=True)
            record.write(rows, backwards)
            # Not in the programs: there, the large products of both would fight for the threads.
            gradients = [
                cell.weight_gradients(q, e, _dropout(k), summed_outer)[: len(used)]
                for q, e, k in zip(sequences, local, cut(keep), strict=True)
            ]
            dx = _join([run.input_gradient(e, weights[0]) for e in local])
            d_states = [_join(s) for s in zip(*initial, strict=True)]
            d_weights = [tf.add_n(g) for g in zip(*gradients, strict=True)]
            sources = [*arriving, *tensors]
            return [differentiable_once(g, sources) for g in (dx, *d_states, *d_weights)]

        return (*outputs, *[_join(s) for s in zip(*last, strict=True)]), gradient

    results = scan(x, *states, *used)
    for result in results:  # shared programs forget which batch and which length this call has
        result.set_shape([*x.shape[: len(result.shape) - 1], None])
    return (results[0] if return_sequences else None), tuple(results[return_sequences:])


def differentiable_once(gradient, sources):
    """A gradient as it is. A derivative of it would lack terms, so asking for that fails.

    One by one: TensorFlow leaves out what nobody uses, such as dE/dx of a first layer.
    """

    @tf.custom_gradient
    def first_order(*tensors):
        def refuse(*_):
            raise NotImplementedError(
                "a recurrent layer of errorflow has no second-order gradients: its backward pass "
                "is explicit BPTT. Use the layer of the same name from keras.layers, which takes "
                "the same weights"
            )

        return tf.identity(tensors[0]), refuse

    return first_order(gradient, *sources)


def _cuts(x):
    """Two halves of the batch, for two threads; one piece where there is one core or a GPU."""
    if (os.cpu_count() or 1) < 2 or tf.config.list_logical_devices("GPU") or x.shape[0] == 1:
        return (slice(None),)
    middle = (x.shape[0] or tf.shape(x)[0]) // 2
    return slice(None, middle), slice(middle, None)


def _join(parts):
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)
