"""Runs a training, and returns what our findings and the rules of others need, as one row.

Tracing a training step takes longer than the training itself. So trainings that differ only in
initial weights, data and learning rate share a compiled model: it gets fresh weights and a fresh
optimizer each time, and its callbacks start to count from step 1 again.
"""

import time

import keras
import numpy as np
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients
from errorflow.callbacks.findings.decay import decay
from errorflow.callbacks.findings.over_depth import first_to_last

from .ours import QUANTILES
from .rules import OtherRules
from .training import BATCH, EPOCHS, VALIDATION, Training, figure, take


class Workshop:
    """Runs trainings; keeps the compiled model of the latest one for the next."""

    def __init__(self):
        self._key, self._model, self._fresh, self._callbacks = None, None, [], []

    def run(self, training: Training, level: float, seed: int) -> dict:
        """Train, and return the row of the recordings."""
        began, processor = time.perf_counter(), time.process_time()
        (x, y), (x_val, y_val) = training.split(level, seed)
        model, recorders = self._prepared(training, level, seed, x, y)
        losses = model.fit(
            _batches(x, y, BATCH),
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
            callbacks=recorders,
            validation_data=_batches(x_val, y_val, VALIDATION),
        ).history["val_loss"]
        *ours, others = recorders
        return {
            "name": training.name,
            "level": level,
            "seed": seed,
            "figure": figure(losses, y_val),
            "curve": [float(loss) for loss in losses],
            "findings": [_as_row(f) for recorder in ours for f in recorder.findings()],
            "ours": _numbers(model, ours),
            "others": others.checks,
            "seconds": time.perf_counter() - began,
            "processor": time.process_time() - processor,
        }

    def _prepared(self, training, level, seed, x, y):
        key = training.name, level if training.changes_graph else None
        keras.utils.set_random_seed(seed)
        if key == self._key and not training.at_every_step:
            fresh = training.build(level)
            self._model.set_weights(fresh.get_weights())
            for variable, value in zip(self._model.optimizer.variables, self._fresh, strict=True):
                variable.assign(value)
            self._model.optimizer.learning_rate = fresh.optimizer.learning_rate.numpy()
            self._callbacks[-1].begin(x, y)
            return self._model, self._callbacks
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        self._key, self._model = key, training.build(level)
        self._model.optimizer.build(self._model.trainable_variables)
        self._fresh = [v.numpy() for v in self._model.optimizer.variables]
        self._callbacks = [*callbacks_for(training, self._model, x, y), OtherRules(self._model)]
        self._callbacks[-1].begin(x, y)
        return self._model, self._callbacks


def callbacks_for(training, model, x, y):
    """Return the callbacks of errorflow that record this training."""
    layers = list(model._flatten_layers())
    callbacks = [LayerGradients()]
    if any(isinstance(layer, keras.layers.RNN) for layer in layers):
        joined = {"both": training.joined} if training.joined else None
        callbacks.append(ErrorFlow(joined=joined, probe=(x, y) if training.at_every_step else None))
    if any("LSTM" in type(layer).__name__ or "GRU" in type(layer).__name__ for layer in layers):
        callbacks.append(Gates(take(x, slice(32))))
    return callbacks


def _batches(x, y, size):
    """Batches without the threads and optimizations that large data sets need."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    options.experimental_optimization.apply_default_optimizations = False
    x = tuple(x) if isinstance(x, list) else x
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size).with_options(options)


def _as_row(finding):
    evidence = {
        name: value if isinstance(value, str | int | bool) else float(value)
        for name, value in finding.evidence.items()
        if np.isscalar(value)
    }
    return {
        "layer": finding.layer,
        "kind": finding.kind,
        "severity": finding.severity,
        "headline": finding.headline,
        "evidence": evidence,
    }


def _numbers(model, recorders) -> dict:
    """The numbers behind our findings, also where no threshold is passed."""
    numbers = {}
    for recorder in recorders:
        if isinstance(recorder, LayerGradients):
            numbers |= _over_depth(model, recorder.history)
        elif isinstance(recorder, Gates):
            numbers["closed"] = _closed(recorder.history)
        else:
            numbers["over_time"] = {
                layer: _quantiles(decay(tables).each) for layer, tables in recorder.history.items()
            }
    return numbers


def _quantiles(shares) -> list[float] | None:
    """log10 of the shares of all training steps, from the smallest to the largest."""
    shares = shares[np.isfinite(shares)]
    if not len(shares):
        return None
    return (
        np.log10(np.maximum(np.quantile(shares, np.linspace(0, 1, QUANTILES)), 1e-45))
        .round(2)
        .tolist()
    )


def _over_depth(model, history) -> dict:
    norm, ratio = history["norm"], history["ratio"]
    finite = np.isfinite(norm).all(axis=1)
    recent = slice(-max(1, int(np.ceil(0.2 * finite.sum()))), None)
    numbers = {"not_finite": float(np.mean(~finite)), "global_norm": _global_norm(norm)}
    if not finite.any():
        return numbers
    over_depth = _quantiles(first_to_last(ratio[finite])[0])
    norm, ratio, dead = norm[finite][recent], ratio[finite][recent], history["dead"][finite][recent]
    shares, _ = first_to_last(ratio)
    numbers |= {
        "first_to_last": _median(shares),
        "dead": max([0.0, *np.nan_to_num(np.median(dead, axis=0))]),
        "silent": float(np.mean((norm == 0).all(axis=0))),
    }
    if limit := model.optimizer.global_clipnorm:
        total = np.sqrt((norm.astype(np.float64) ** 2).sum(axis=1))
        numbers |= {"clipped": float(np.mean(total > limit)), "excess": _median(total) / limit}
    return {n: float(value) for n, value in numbers.items()} | {"over_depth": over_depth}


def _global_norm(norm):
    return _median(np.linalg.norm(norm.astype(np.float64), axis=1))


def _median(values):
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _closed(history) -> dict:
    """The share of closed values of each gate in the last epoch, and the means of forget gates."""
    return {
        f"{layer}/{name}": float(np.nanmean(tables[name][-1]))
        for layer, tables in history.items()
        for name in tables
        if name.endswith("_closed") or name == "forget"
    }
