"""The error of every loss step at every earlier step, from one batched reverse scan."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..rnn.matrix_products import swap_batch_and_time
from ..rnn.over_time import over_map
from ..rnn.watch import made_visible
from .matrix_result import ErrorMatrix
from .recorded_calls import Call, index_of_call, record_calls
from .reverse_scan import Injected, reverse_scan

CHUNK = 10  # losses in one scan: few, so that they stay in the cache and start near each other


def error_matrix(model: keras.Model, x: Any, y: Any, layer: str | None = None) -> ErrorMatrix:
    """Return how much of the error of each loss step i arrives at each step k of a recurrent layer.

    With E_i the loss of step i, its mean over the batch of B examples, entry [i, k] is the rms over
    the examples b of ‖δ_i^(k)(b)‖, where δ_i^(k)(b) = d(B·E_i)/dh_k(b): the error of loss i alone,
    propagated back through time to step k. It is 0 for k > i, unless the layer, or one above it,
    runs backwards. Masked steps are left out on both axes.

    The loss function that the model was compiled with is applied to each step, without its mean
    over steps, at `training=False`. The losses go through the reverse scan as if each were another
    example of the batch. The loss of a predicted image is the mean over its pixels.

    RNNbow (Cashman et al. 2018, "RNNbow: Visualizing Learning via Backpropagation Gradients in
    RNNs", IEEE Computer Graphics and Applications 38, arXiv:1907.12545) is the ancestor of this
    matrix: it showed the gradient of each loss step by the step that it reaches.

    Args:
        model: a compiled model with recurrent layers of errorflow or Keras, and one output.
        x, y: a batch.
        layer: the name of a recurrent layer, with its path if it is inside another layer
            ("bidirectional/forward_lstm"). None: the layer that is called last.

    Returns:
        An array with a figure and a sentence (see `ErrorMatrix`), which a notebook shows:
        float32 [T, T] for a model with an output at each step; [1, T] for one with a single output;
        [N, T] if the model has N output steps and the layer T steps. NaN where no example has both
        steps.

    Raises:
        ValueError: the model is not compiled or has several outputs, its loss is not one number per
            example (and step), or there is no such layer or it is called more than once. Also as
            `watch`.
        TypeError: as `watch`.
    """
    with made_visible(model) as visible, record_calls(visible) as (tape, calls):
        outputs = visible(x, training=False)
        losses, counted = _losses(model, y, outputs, calls)  # [B, N]
    calls = calls[index_of_call(calls, layer, "error_matrix") :]  # errors reach the layer via these
    sums = _Errors(tape, losses, calls).squares()
    call = calls[0]
    valid = tf.ones(call.sequence.x.shape[:2]) if call.mask is None else call.mask[:, :, 0]
    counts = counted.numpy().T.astype(float) @ valid.numpy().T.astype(float)  # [N, T]
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.sqrt(sums / counts).astype(np.float32)
    return ErrorMatrix(matrix[:, ::-1] if call.backwards else matrix, call.name)


def _losses(model, y, outputs, calls):
    """Return the loss of each example and step [B, N], and which of them count [B, N]."""
    if not model.compiled or not model.loss:
        raise ValueError(f"error_matrix: model {model.name!r} has no loss yet: compile it first")
    if len(tf.nest.flatten(outputs)) != 1 or len(tf.nest.flatten(model.loss)) != 1:
        raise ValueError(
            f"error_matrix: model {model.name!r} has several outputs; make a "
            "keras.Model(inputs, one output) of it, which shares the weights, and compile that"
        )
    (outputs,), (y,), (loss,) = map(tf.nest.flatten, (outputs, y, model.loss))
    function = keras.losses.get(loss)
    function = function.call if isinstance(function, keras.losses.Loss) else function
    losses = tf.convert_to_tensor(function(tf.convert_to_tensor(y), outputs))
    losses = _over_maps(losses, calls)
    if losses.shape.rank not in (1, 2):
        raise ValueError(
            f"error_matrix: the loss {loss!r} returns values of shape {tuple(losses.shape)}, "
            "not one for each example (and step)"
        )
    losses = losses[:, None] if losses.shape.rank == 1 else losses
    mask = getattr(outputs, "_keras_mask", None)
    if mask is None or mask.shape != losses.shape:
        return losses, tf.ones_like(losses, tf.bool)
    return tf.where(mask, losses, tf.zeros_like(losses)), mask


def _over_maps(losses, calls):
    """Return the mean over maps, as of predicted images: [B, N, *map] → [B, N], [B, *map] → [B].

    The second axis is that of time if the last recurrent layer returns as many steps.
    """
    if losses.shape.rank is None or losses.shape.rank < 3 or not calls:
        return losses
    steps = calls[-1].sequence.x.shape[0]
    over_time = calls[-1].returns_sequences and losses.shape[1] == steps
    return tf.reduce_mean(losses, [*range(2 if over_time else 1, losses.shape.rank)])


class _Errors:
    """The errors of all losses on their way from the last recurrent call down to the first.

    Where loss i acts on h_i and on no other step (this is verified), a single backward pass gives
    the injected errors of all losses. Elsewhere, and between the calls, the operations on the tape
    are applied to each loss as a vector-Jacobian product.
    """

    def __init__(self, tape: tf.GradientTape, losses: Any, calls: Sequence[Call]):
        self.shape, self.dtype = losses.shape, losses.dtype
        self.calls = calls
        self.direct = [_direct(tape, losses, call) for call in calls]  # each [T, B, H] or None
        outputs = [call.outputs for call in calls]
        indirect = [() if d is not None else o for o, d in zip(outputs, self.direct, strict=True)]
        self.from_losses = _pull_back(tape, [losses], indirect)
        self.from_call = [_pull_back(tape, c.inputs, outputs[:n]) for n, c in enumerate(calls)]

    def squares(self) -> np.ndarray:
        """Return Σ_b ‖δ_i^(k)(b)‖² [N, T], k in the order in which the first call reads."""
        count = self.shape[1]
        chunks = np.arange(-(-count // CHUNK) * CHUNK).reshape(-1, CHUNK)
        chunks = np.where(chunks < count, chunks, -1)  # all of one size: compiled once
        with ThreadPoolExecutor(2) as pool:  # the chunk with the longest scan first
            rows = list(pool.map(self._chunk, chunks[::-1]))
        return np.concatenate(rows[::-1])[:count]

    def _chunk(self, numbers):
        """Return [C, T] for the losses with these indices, where -1 stands for no loss."""
        chosen = tf.cast(numbers[:, None] == np.arange(self.shape[1]), self.dtype)  # [C, N]
        one_hot = tf.broadcast_to(chosen[:, None], [CHUNK, *self.shape])
        errors = [
            pulled or (None,) * len(call.outputs)
            for pulled, call in zip(self.from_losses([one_hot]), self.calls, strict=True)
        ]
        for place in reversed(range(1, len(self.calls))):
            _, input_errors = self._scan(place, numbers, errors[place], below=True)
            further = self.from_call[place](input_errors)
            errors = [_sum(*pair) for pair in zip(errors[:place], further, strict=True)]
        return self._scan(0, numbers, errors[0], below=False)[0].numpy()

    def _scan(self, place, numbers, errors, below):
        call, direct = self.calls[place], self.direct[place]
        indirect, last = call.split(errors)
        if direct is not None and call.backwards:
            numbers = np.where(numbers < 0, -1, len(direct) - 1 - numbers)
        injected = Injected(tf.constant(numbers, tf.int32), direct, indirect, last)
        scan = reverse_scan(call.equations, CHUNK, below)
        return scan(call.sequence, call.weights, call.mask, injected, call.factors)


def _direct(tape, losses, call):
    """Return dL_t/dh_t of all steps [T, B, H], or None if a loss acts on h of another step too.

    It is verified by a second backward pass with each loss times a power of two: where loss t alone
    acts on h_t, the gradient grows by exactly that factor.
    """
    steps, batch = call.sequence.x.shape[:2]
    if not call.returns_sequences or losses.shape != (batch, steps):
        return None
    gradient, *others = tape.gradient(losses, call.outputs)
    if gradient is None or any(other is not None for other in others):
        return None
    factors = tf.cast(2.0 ** np.random.default_rng(0).integers(-4, 5, losses.shape), losses.dtype)
    scaled = tape.gradient(losses, call.outputs[0], factors)
    factors = tf.reverse(factors, [1]) if call.backwards else factors
    expected = gradient * over_map(tf.cast(factors, gradient.dtype)[:, :, None], gradient)
    of_step = [*range(2, len(gradient.shape))]
    tolerance = 1e-4 * tf.reduce_max(tf.abs(expected), axis=of_step, keepdims=True)
    if not tf.reduce_all(tf.abs(scaled - expected) <= tolerance):
        return None
    return swap_batch_and_time(gradient)


def _pull_back(tape, targets, sources) -> Callable:
    """Return the function from errors of the targets, each [C, …], to those of the sources.

    Sources that no target depends on have None for errors.
    """
    flat = tf.nest.flatten(sources)
    connected = [g is not None for g in tape.gradient(targets, flat)]
    used = [source for source, c in zip(flat, connected, strict=True) if c]

    def of_one_loss(errors):
        return tape.gradient(
            targets, used, errors, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    of_all = tf.function(lambda errors: tf.vectorized_map(of_one_loss, errors), autograph=False)

    def pull_back(errors):
        gradients = iter(of_all(errors) if used else ())
        return tf.nest.pack_sequence_as(
            sources, [next(gradients) if c else None for c in connected]
        )

    return pull_back


def _sum(errors, further):
    """Add tensors or Nones, pair by pair."""
    pairs = [[e for e in pair if e is not None] for pair in zip(errors, further, strict=True)]
    return tuple(tf.add_n(pair) if pair else None for pair in pairs)
