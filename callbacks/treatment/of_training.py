"""Remedies for the way a Keras model is trained: its optimizer."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import keras

from . import strength
from .compiling import Options, plain_optimizer
from .facts import Facts, NotApplicable

Evidence = Mapping[str, Any]
_CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")  # of which Keras allows one
_RATES = ("initial_learning_rate", "end_learning_rate", "warmup_target")  # of Keras' schedules
WARM_UP_START = 0.01  # of the learning rate
USUAL = 10.0  # times the default rate of the optimizer: a rate that is not unusually large


def clip_norm(model: keras.Model, facts: Facts, evidence: Evidence) -> Options:
    """Return the configuration of the optimizer with the global norm of the gradient clipped."""
    config = plain_optimizer(model).get_config()
    threshold = strength.clip_threshold(config.get("global_clipnorm"), facts, evidence)
    return {**config, **dict.fromkeys(_CLIPPING), "global_clipnorm": threshold}


def learning_rate(model: keras.Model, facts: Facts, evidence: Evidence) -> Options:
    """Return the configuration of the optimizer with a lower learning rate.

    It is a tenth, and at most ten times the rate that the optimizer has by default: of a rate that
    is too large by orders of magnitude, a tenth is still too large.
    """
    optimizer = plain_optimizer(model)
    config = optimizer.get_config()
    rate = _lower(_rate(config))
    rate = rate if isinstance(rate, Mapping) else min(rate, USUAL * _default_rate(optimizer))
    return {**config, "learning_rate": rate}


def warm_up(model: keras.Model, facts: Facts, evidence: Evidence) -> Options:
    """Return the configuration of the optimizer with a learning rate that first grows.

    It grows linearly from a hundredth, and then stays: `PolynomialDecay` from below.
    """
    config = plain_optimizer(model).get_config()
    rate = _rate(config)
    if isinstance(rate, Mapping):
        raise NotApplicable("the learning rate has a schedule already")
    schedule = keras.optimizers.schedules.PolynomialDecay(
        WARM_UP_START * rate, strength.warm_up_steps(facts), rate
    )
    return {**config, "learning_rate": keras.optimizers.schedules.serialize(schedule)}


def _default_rate(optimizer):
    """Return the learning rate that an optimizer of this class has by default, or infinity."""
    parameter = inspect.signature(type(optimizer)).parameters.get("learning_rate")
    default = getattr(parameter, "default", None)
    return default if isinstance(default, float) else math.inf


def _rate(config):
    """Return the learning rate of an optimizer, a number or the configuration of a schedule."""
    if "learning_rate" not in config:
        raise NotApplicable("the optimizer has no learning rate")
    return config["learning_rate"]


def _lower(rate):
    if not isinstance(rate, Mapping):
        return strength.lower_rate(rate)
    options = rate["config"]
    lower: dict[str, Any] = {k: strength.lower_rate(options[k]) for k in _RATES if options.get(k)}
    if "values" in options:  # of PiecewiseConstantDecay
        lower["values"] = [strength.lower_rate(value) for value in options["values"]]
    if not lower:
        raise NotApplicable(f"the schedule {rate['class_name']} is not one of Keras")
    return {**rate, "config": {**options, **lower}}
