"""Weights of the classes in the loss, so that rare ones count."""

import numpy as np


def class_weights(labels: np.ndarray, balance: float, classes: int | None = None) -> np.ndarray:
    """Return w_c ∝ n_c^-balance, with mean 1 over the training examples, [C] float32.

    Args:
        labels: index of the class of each training example, of any shape.
        balance: the exponent; 0 gives equal weights.
        classes: C; None: the largest index and one. A class without an example has n_c = 1.
    """
    counts = np.maximum(np.bincount(labels.ravel(), minlength=classes or 0), 1)
    weights = counts**-balance
    return (weights / weights[labels].mean()).astype(np.float32)
