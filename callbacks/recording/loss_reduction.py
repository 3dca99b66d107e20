"""Whether a model's loss is a mean or a sum over the examples."""

import warnings

import keras
import tensorflow as tf


def sums_over_examples(model: keras.Model) -> bool:
    """Return whether the compiled losses are sums over the examples, not means.

    Those with `reduction="none"` are: the gradient of a vector is that of its sum. If a model has
    losses of both kinds, a warning says so, and they count as means.
    """
    losses = [loss for loss in tf.nest.flatten(model.loss) if loss is not None]
    are_sums = [getattr(loss, "reduction", "mean") in ("sum", "none", None) for loss in losses]
    if any(are_sums) and not all(are_sums):
        warnings.warn(
            "ErrorFlow: some losses of the model are sums over the examples and others means; the "
            "recorded errors of those that are sums are as many times larger as a batch has "
            "examples. Give all losses the same `reduction`",
            stacklevel=2,
        )
    return bool(are_sums) and all(are_sums)
