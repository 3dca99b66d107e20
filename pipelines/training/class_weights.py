"""Weights of the classes in the loss, so that rare ones count."""

from typing import Any

import keras
import numpy as np


def class_weights(labels: np.ndarray, balance: float, classes: int = 0) -> np.ndarray:
    """Return w_c ∝ n_c^-balance, with mean 1 over the training examples, [C] float32.

    Args:
        labels: index of the class of each training example, of any shape.
        balance: the exponent; 0 gives equal weights.
        classes: C, if it may be larger than the largest index and one; n_c is 1 at least.
    """
    counts = np.maximum(np.bincount(labels.ravel(), minlength=classes), 1)
    weights = counts**-balance
    return (weights / weights[labels].mean()).astype(np.float32)


def balanced_loss(labels: np.ndarray, balance: float, classes: int) -> Any:
    """Return a loss: the crossentropy of each label, of any shape, times the weight of its class.

    Figures of a training with this loss stay unweighted, which they do not with sample weights.

    Args:
        labels: index of the class of each training example, of any shape.
        balance: the exponent of the class weights; 0 gives the plain crossentropy.
        classes: number of classes.
    """
    if not balance:
        return "sparse_categorical_crossentropy"
    weights = keras.ops.convert_to_tensor(class_weights(labels, balance, classes))

    def crossentropy(true: Any, predicted: Any) -> Any:
        losses = keras.losses.sparse_categorical_crossentropy(true, predicted)
        return losses * keras.ops.take(weights, keras.ops.cast(true, "int32"))

    return crossentropy
