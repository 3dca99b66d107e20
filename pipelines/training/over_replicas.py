"""Train over several replicas, on one machine or many, with the results of one process.

Keras computes loss and gradients for each replica's share of a batch. The mean over the replicas is
that of the whole batch only if nothing but plain means over equal shares lies between. Clipping,
masks and batch normalisation lie between; here they see the whole batch. With one replica, all is
Keras' own.

Call all functions in the scope of the distribution strategy.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ...layers.paths import walk
from ...layers.workers import worker_count, worker_index
from ..core.console import note
from .shares import replicas

SEED_STRIDE = 7_919  # between the dropout seeds of two workers


# Gradients


def make_optimizer(kind: type[keras.optimizers.Optimizer], **options: Any) -> Any:
    """Return an optimizer that sums the gradients over the replicas before it clips them."""
    return (kind if replicas() == 1 else _summing_first(kind))(**options)


def with_loss_scale(optimizer: Any, model: keras.Model) -> Any:
    """Return the optimizer that trains a model: with float16, one that scales the loss.

    It sums the gradients before it looks for overflows, so that all replicas skip the same steps.
    """
    if replicas() == 1 or model.dtype_policy.name != "mixed_float16":
        return optimizer  # `compile` scales the loss
    return _summing_first(keras.optimizers.LossScaleOptimizer)(
        optimizer, name="loss_scale_optimizer"
    )


def _summing_first(kind: type[keras.optimizers.Optimizer]) -> Any:
    """Return a kind of optimizer that sums the gradients before, not after, it works on them."""

    class SummingFirst(kind):
        sums_first = True  # those who observe it must not sum a second time

        def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
            gradients, variables = zip(*grads_and_vars, strict=True)
            sums = _sum_over_replicas(gradients)
            return super().apply_gradients(zip(sums, variables, strict=True))

        def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
            return grads_and_vars

    return SummingFirst


def _sum_over_replicas(gradients: Sequence[Any]) -> list[Any]:
    """Return the sums of gradients over the replicas; sparse ones, of embeddings, stay sparse.

    XLA cannot compile TensorFlow's own sum of sparse gradients. All replicas must have equally many
    slices, which equal shares of a padded batch have.
    """
    sparse = [g for g in gradients if isinstance(g, tf.IndexedSlices)]
    indices = _all_reduced([_beside_others(g.indices) for g in sparse])
    values = _all_reduced([_values(g) for g in gradients if g is not None])

    def total(gradient: Any) -> Any:
        if isinstance(gradient, tf.IndexedSlices):
            return tf.IndexedSlices(next(values), next(indices), gradient.dense_shape)
        return None if gradient is None else next(values)

    return [total(gradient) for gradient in gradients]


def _all_reduced(tensors: list[Any]) -> Iterator[Any]:
    """Yield the sum of each tensor over the replicas, which takes one exchange for all of them."""
    context: Any = tf.distribute.get_replica_context()
    return iter(context.all_reduce(tf.distribute.ReduceOp.SUM, tensors) if tensors else ())


def _values(gradient: Any) -> Any:
    is_sparse = isinstance(gradient, tf.IndexedSlices)
    return _beside_others(gradient.values) if is_sparse else gradient


def _beside_others(slices: Any) -> Any:
    """Return slices [n, …] at the place of this replica among zeros, [replicas · n, …]."""
    context: Any = tf.distribute.get_replica_context()
    own, of = context.replica_id_in_sync_group, context.num_replicas_in_sync
    places = tf.tensordot(tf.one_hot(own, of, dtype=slices.dtype), slices, axes=0)
    return tf.concat(tf.unstack(places), axis=0)


# Losses


def make_loss(losses: Any) -> Any:
    """Return the losses that `compile` takes so that each is the mean over the whole batch."""
    if replicas() == 1:
        return losses
    if isinstance(losses, Mapping):
        return {name: MeanOverReplicas(loss) for name, loss in losses.items()}
    return MeanOverReplicas(losses)


class MeanOverReplicas(keras.losses.Loss):
    """A loss whose mean over the replicas is its mean over all steps that are not masked.

    Keras divides by the number of valid steps in each replica's own share of the batch, so that a
    step counts for more where there are few.

    Args:
        loss: one loss that is a mean, as `keras.Model.compile` takes it.
    """

    def __init__(self, loss: Any):
        function = keras.losses.get(loss)
        super().__init__(
            reduction=getattr(function, "reduction", "sum_over_batch_size"),
            dtype=getattr(function, "dtype", None),
        )
        self._function = function.call if isinstance(function, keras.losses.Loss) else function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(y_true, y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        loss = super().__call__(y_true, y_pred, sample_weight)
        mask = getattr(y_pred, "_keras_mask", None)  # [B, T]
        context = tf.distribute.get_replica_context()
        if mask is None or context is None:
            return loss
        valid, examples = tf.reduce_sum(tf.cast(mask, loss.dtype)), tf.shape(mask)[0]
        own = tf.stack([valid, tf.cast(examples, loss.dtype)])
        total = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
        of_valid, of_examples = tf.unstack(tf.math.divide_no_nan(own, total))
        return loss * of_valid / of_examples


# Layers


def make_model(network: keras.Model, jit: Any) -> tuple[keras.Model, Any]:
    """Return a model to compile that shares the layers of a network, and the `jit_compile` for it.

    Batch normalisation takes the statistics of the whole batch. XLA cannot compile what workers
    exchange on CPUs (TensorFlow 2.21): several workers compile the network and its gradient, and
    not the step around them; and a network that exchanges statistics not at all.

    Args:
        network: the network to train.
        jit: True, False, or "auto": True if all layers support it.
    """
    layers = [layer for _, layer in walk(network)]
    normalizations = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    if replicas() > 1:
        for normalization in normalizations:
            normalization.synchronized = True
    parts: tuple[Any, Any, str] = network.input, network.output, network.name
    if worker_count(tf.distribute.get_strategy()) == 1:
        return keras.Model(parts[0], parts[1], name=parts[2]), jit
    exchanges = any(normalization.trainable for normalization in normalizations)
    if jit is True and exchanges:
        note("--jit on: not used, as workers exchange the statistics of batch normalisation")
    is_compiled = jit is True or (jit == "auto" and all(layer.supports_jit for layer in layers))
    kind = CompiledCall if is_compiled and not exchanges else keras.Model
    return kind(parts[0], parts[1], name=parts[2]), False


class CompiledCall(keras.Model):
    """A functional model whose call and gradient XLA compiles within a step that it does not."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        plain = functools.partial(super().call, training=training, mask=mask)
        # Keras also calls it for the shapes of outputs, and callbacks do to see the layers.
        if not (tf.distribute.has_strategy() and tf.distribute.get_replica_context()):
            return plain(inputs)

        def with_masks(inputs: Any) -> Any:
            outputs = plain(inputs)
            return outputs, [getattr(x, "_keras_mask", None) for x in tf.nest.flatten(outputs)]

        # A function of its own for each replica, whose variables it holds.
        outputs, masks = tf.function(with_masks, jit_compile=True, autograph=False)(inputs)
        for output, of_output in zip(tf.nest.flatten(outputs), masks, strict=True):
            if of_output is not None:
                output._keras_mask = of_output
        return outputs


def separate_dropout(model: keras.Model) -> None:
    """Give the dropout of each worker seeds of its own; else all workers drop the same units.

    Call it after the seeds were restored from a backup, which holds those of the chief.
    """
    strategy: Any = tf.distribute.get_strategy()
    offset = SEED_STRIDE * worker_index(strategy)
    if not offset:
        return
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            seeds = tf.convert_to_tensor(variable) + tf.constant([offset, 0], variable.dtype)
            strategy.extended.update(variable.value, lambda copy, new: copy.assign(new), (seeds,))
