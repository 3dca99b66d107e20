"""Published rules of others, applied in the same trainings. Their thresholds are theirs.

AUTOTRAINER (X. Zhang et al.: AUTOTRAINER: an automatic DNN training problem detection and repair
system, ICSE 2021; github.com/shiningrain/AUTOTRAINER, utils/monitor.py) looks at the gradients of
the first batch at the end of an epoch. Vanishing: the norm of the first kernel's gradient is below
1e-3 of the last kernel's, and below 1e-4. Exploding: it is above 70 of the last kernel's. Dying
ReLU: 70 % of all gradients are zero. (It asks first whether the accuracy is poor, which is our
ground truth, so this condition is left out.)

SageMaker Debugger's built-in rules (docs.aws.amazon.com, "List of Debugger built-in rules"):
VanishingGradient, the mean of a gradient's absolute values is below 1e-7; ExplodingTensor, a number
is not finite; DeadRelu, more than 50 % of a layer's units are active for less than 1 % of the
examples; WeightUpdateRatio, the change of weights in one training step is above 10 or below 1e-8
of the weights.

Loggers plot the norm of the gradient; guides name 1e-7 and 100 as signs of trouble.

All are checked at the end of each epoch, and raise an alarm if they do at any.
"""

import keras
import numpy as np
import tensorflow as tf

from .training import BATCH, take

EXAMPLES = 128  # for the activity of ReLUs


class OtherRules(keras.callbacks.Callback):
    """Measures the statistics of the rules after each epoch; `checks` has one row for each."""

    def __init__(self, model: keras.Model):
        super().__init__()
        self.checks: list[dict] = []
        kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
        self._kernels = kernels

        @tf.function(jit_compile=False)
        def gradients(x, y):
            with tf.GradientTape() as tape:
                loss = model.compute_loss(x, y, model(x, training=False))
            found = tape.gradient(loss, model.trainable_variables)
            return [tf.convert_to_tensor(g) for g in found]

        self._gradients = gradients
        outputs = [layer.output for layer in model.layers if _has_relu(layer)]
        relus = keras.Model(model.inputs, outputs) if outputs else None
        self._activations = tf.function(relus, jit_compile=False) if relus else None

    def begin(self, x, y) -> None:
        """Forget what was measured; look at these data in the training to come."""
        self.checks = []
        self._batch = (_tensors(take(x, slice(BATCH))), tf.constant(y[:BATCH]))
        self._examples = _tensors(take(x, slice(EXAMPLES)))
        self._before = []

    def on_train_batch_end(self, batch, logs=None):
        if batch >= self.params["steps"] - 2:
            before, self._before = self._before, [v.numpy() for v in self._kernels]
            if batch == self.params["steps"] - 1:
                self._updates = [_relative(b, a) for b, a in zip(before, self._before, strict=True)]

    def on_epoch_end(self, epoch, logs=None):
        gradients = [g.numpy() for g in self._gradients(*self._batch)]
        kernels = [g for g in gradients if g.ndim > 1]
        first, last = (float(np.linalg.norm(kernels[n])) for n in (0, -1))
        zeros, size = sum(int(np.sum(g == 0)) for g in gradients), sum(g.size for g in gradients)
        finite = all(np.isfinite(array).all() for array in [*gradients, *self._before])
        with np.errstate(all="ignore"):
            self.checks.append(
                {
                    "first": first,
                    "last": last,
                    "zeros": zeros / size,
                    "mean": float(min(np.mean(np.abs(g)) for g in gradients)),
                    "finite": finite and bool(np.isfinite(logs["loss"])),
                    "inactive": self._inactive(),
                    "largest_update": float(np.max(self._updates)),
                    "smallest_update": float(np.min(self._updates)),
                    "norm": float(
                        np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients))
                    ),
                }
            )

    def _inactive(self) -> float:
        """The largest share of units in a layer that are active for less than 1 % of examples."""
        if self._activations is None:
            return 0.0
        shares = []
        for activations in tf.nest.flatten(self._activations(self._examples)):
            active = (activations.numpy() > 0).reshape(-1, activations.shape[-1])
            shares.append(float(np.mean(active.mean(axis=0) < 0.01)))
        return max(shares)


def _relative(before, after):
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(after - before) / (np.linalg.norm(before) + 1e-9))


def _norm(gradients):
    return float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))


def _has_relu(layer):
    return getattr(getattr(layer, "activation", None), "__name__", "") == "relu"


def _tensors(x):
    return [tf.constant(part) for part in x] if isinstance(x, list) else tf.constant(x)


def _vanishing(check):
    return _log(check["last"]) - _log(check["first"])


def _log(number):
    """log10, of numbers that may be zero, infinite or NaN."""
    return float(np.log10(np.clip(np.nan_to_num(number, nan=1e30, posinf=1e30), 1e-45, 1e30)))


# For each rule: its statistic for a check, which is larger where the fault is worse, and whether
# the rule raises an alarm.
RULES = {
    "AUTOTRAINER vanishing": (
        _vanishing,
        lambda c: c["first"] < 1e-3 * c["last"] and c["first"] < 1e-4,
    ),
    "AUTOTRAINER exploding": (
        lambda c: -_vanishing(c),
        lambda c: c["first"] > 70 * c["last"] or not c["finite"],
    ),
    "AUTOTRAINER dying ReLU": (lambda c: c["zeros"], lambda c: c["zeros"] >= 0.7),
    "SageMaker VanishingGradient": (lambda c: -_log(c["mean"]), lambda c: c["mean"] < 1e-7),
    "SageMaker ExplodingTensor": (lambda c: not c["finite"], lambda c: not c["finite"]),
    "SageMaker DeadRelu": (lambda c: c["inactive"], lambda c: c["inactive"] > 0.5),
    "SageMaker WeightUpdateRatio, large": (
        lambda c: _log(c["largest_update"]),
        lambda c: c["largest_update"] > 10,
    ),
    "SageMaker WeightUpdateRatio, small": (
        lambda c: -_log(c["smallest_update"]),
        lambda c: c["smallest_update"] < 1e-8,
    ),
    "small gradient norm": (lambda c: -_log(c["norm"]), lambda c: c["norm"] < 1e-7),
    "large gradient norm": (
        lambda c: _log(c["norm"]),
        lambda c: c["norm"] > 100 or not c["finite"],
    ),
}


def score(rule: str, checks: list[dict], latest: bool = False) -> float:
    """Return a rule's statistic for a training: the largest of all checks, or the latest one."""
    values = [float(RULES[rule][0](check)) for check in checks]
    return values[-1] if latest else max(values)


def alarms(rule: str, checks: list[dict]) -> bool:
    return any(RULES[rule][1](check) for check in checks)
