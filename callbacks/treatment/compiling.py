"""Compile a model as another one is compiled, with an optimizer of its own."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

Options = Mapping[str, Any]


def compile_as(
    new: keras.Model, model: keras.Model, options: Callable[[Options], Options] | None = None
) -> keras.Model:
    """Compile `new` as `model` is, and return it.

    Loss, loss weights, metrics, `jit_compile`, `steps_per_execution` and loss scaling stay. The
    optimizer is a new one with the same configuration, and so are metrics that hold a state.

    Args:
        new: any Keras model; it may be `model` itself.
        model: a compiled model.
        options: returns the configuration of the new optimizer, from that of the present one.
    """
    compilation = model._compile_config.config  # what `compile` received, as objects
    new.compile(
        **{
            **compilation,
            "optimizer": fresh_optimizer(model.optimizer, options),
            "metrics": _fresh(compilation.get("metrics")),
            "weighted_metrics": _fresh(compilation.get("weighted_metrics")),
            "jit_compile": model.jit_compile,
            "auto_scale_loss": False,  # the new optimizer scales the loss if the present one does
        }
    )
    return new


def fresh_optimizer(
    optimizer: Any, options: Callable[[Options], Options] | None = None
) -> keras.optimizers.Optimizer:
    """Return a new optimizer, without a state, with the configuration of a present one.

    Args:
        optimizer: a Keras optimizer; of a `LossScaleOptimizer`, the inner one gets the options.
        options: returns the configuration of the new optimizer.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        config = {k: v for k, v in optimizer.get_config().items() if k != "inner_optimizer"}
        inner = fresh_optimizer(optimizer.inner_optimizer, options)
        return keras.optimizers.LossScaleOptimizer(inner, **config)
    config = optimizer.get_config()
    return type(optimizer).from_config(dict(config if options is None else options(config)))


def plain_optimizer(model: keras.Model) -> Any:
    """Return the optimizer of a model, that inside if it is a `LossScaleOptimizer`."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _fresh(metrics):
    """Return metrics in the same structure, new ones for those that hold a state."""
    if isinstance(metrics, Mapping):
        return {name: _fresh(each) for name, each in metrics.items()}
    if isinstance(metrics, list | tuple):
        return [_fresh(each) for each in metrics]
    if isinstance(metrics, keras.metrics.Metric):
        return type(metrics).from_config(metrics.get_config())
    return metrics
