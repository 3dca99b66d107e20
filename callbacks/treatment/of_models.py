"""Remedies for a Keras model: a new model, or the present one compiled in another way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from ..findings.remedies import remedy
from . import of_depth, of_recurrent_layers, of_training
from .attention import attention
from .compiling import Options, compile_as
from .facts import Facts, NotApplicable
from .rewriting import check_plain, equal_model
from .shortcuts import shortcuts

Evidence = Mapping[str, Any]
_Rewrite = Callable[[keras.Model, Facts, Evidence], keras.Model]
_Recompile = Callable[[keras.Model, Facts, Evidence], Options]

_REWRITES: Mapping[str, _Rewrite] = {
    "lstm": of_recurrent_layers.lstm,
    "gru": of_recurrent_layers.gru,
    "forget-bias": of_recurrent_layers.forget_bias,
    "chrono": of_recurrent_layers.chrono,
    "orthogonal": of_recurrent_layers.orthogonal,
    "identity": of_recurrent_layers.identity,
    "reverse": of_recurrent_layers.reverse,
    "truncate": of_recurrent_layers.truncate,
    "relu": of_depth.relu,
    "leaky-relu": of_depth.leaky_relu,
    "initial-weights": of_depth.initial_weights,
    "batch-normalization": of_depth.batch_normalization,
    "layer-normalization": of_depth.layer_normalization,
    "shortcuts": shortcuts,
    "attention": attention,
}
_RECOMPILES: Mapping[str, _Recompile] = {
    "clip-norm": of_training.clip_norm,
    "learning-rate": of_training.learning_rate,
    "warm-up": of_training.warm_up,
}
_NOT_APPLICABLE = {
    "auxiliary": "a model of your own has to say where a further loss enters",
}


def treated(
    model: keras.Model,
    names: Sequence[str],
    facts: Facts | None = None,
    evidence: Evidence | None = None,
) -> keras.Model:
    """Return a new compiled model with remedies, and with the weights that fit.

    The optimizer is a new one with the same configuration; loss and metrics stay. The present model
    is not changed.

    Args:
        model: a compiled model. Only a Sequential or functional one without code of its own can get
            other layers.
        names: the names of the remedies, applied one after the other.
        facts: figures of a training without remedies, for the strength of some of them.
        evidence: that of the finding to treat.

    Raises:
        NotApplicable: a remedy cannot be applied; the message is a clause that says why.
        ValueError: there is no such remedy, or the model is not compiled.
    """
    if not model.compiled:
        raise ValueError(f"the model {model.name!r} is not compiled: call its `compile` first")
    facts, evidence = facts or Facts(), evidence or {}
    for name in names:
        model = _with_remedy(model, remedy(name).name, facts, evidence)
    return model


def _with_remedy(model, name, facts, evidence):
    if name in _NOT_APPLICABLE:
        raise NotApplicable(_NOT_APPLICABLE[name])
    if name in _REWRITES:
        return compile_as(_rewritten(model, name, facts, evidence), model)
    options = _RECOMPILES[name](model, facts, evidence)
    return compile_as(equal_model(model), model, lambda _: options)


def _rewritten(model, name, facts, evidence):
    check_plain(model)
    try:
        return _REWRITES[name](model, facts, evidence)
    except NotApplicable:
        raise
    except Exception as error:  # of Keras, or of a layer of the reader's own
        first, *_ = (str(error).strip() or "no message").splitlines()
        raise NotApplicable(
            f"the network cannot be rebuilt with it ({type(error).__name__}: {first})"
        ) from error


def changed_options(before: Any, after: Any) -> Options:
    """Return the options of an optimizer that another one has with another value.

    Args:
        before, after: Keras optimizers; of a `LossScaleOptimizer`, the inner one counts.
    """
    old, new = (getattr(each, "inner_optimizer", each).get_config() for each in (before, after))
    return {name: value for name, value in new.items() if old.get(name) != value}
