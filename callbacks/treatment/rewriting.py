"""Rebuild a Keras model with other layers in place of some of its own, and the same weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from ...layers.rnn.rewriting import is_plain
from .facts import NotApplicable


@dataclass(frozen=True)
class Change:
    """What takes the place of one layer.

    Attributes:
        layer: the layer that takes over the weights that fit.
        fresh: the names of weights that keep the initial values of the new layer; None: all of
            them.
        before, after: further layers, which its input and its output pass.
    """

    layer: keras.layers.Layer
    fresh: frozenset[str] | None = frozenset()
    before: tuple[keras.layers.Layer, ...] = ()
    after: tuple[keras.layers.Layer, ...] = ()

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        return *self.before, self.layer, *self.after


Rule = Callable[[keras.layers.Layer], Change | None]
Call = Callable[..., Any]  # (layer of the model, its successor, *args, **kwargs) → outputs


def rewritten(model: keras.Model, rule: Rule, call: Call | None = None) -> keras.Model:
    """Return a model with other layers, not compiled, and with the weights that fit.

    No layer with weights belongs to both models. Layers in nested models, `Bidirectional` and
    `TimeDistributed` are included.

    Args:
        model: a Sequential or functional model that is built.
        rule: returns what takes the place of a layer, None for an equal one.
        call: calls a new layer with other inputs, or does more with its outputs: it receives the
            layer of `model`, a function in its place, and the arguments. A Sequential model then
            becomes a functional one.

    Raises:
        NotApplicable: the model has code of its own, is not built, or has a layer that cannot be
            made again from its configuration.
    """
    check_plain(model)
    if not model.built:
        raise NotApplicable("the model is not built yet")
    rewriting = _Rewriting(rule, call)
    new = rewriting.model(model)
    for old, change in rewriting.pairs:
        carry_over(old, change.layer, change.fresh)
    return new


def check_plain(model: keras.Model) -> None:
    """Raise `NotApplicable` if a model is more than its layers."""
    if not is_plain(model):
        raise NotApplicable(
            f"{type(model).__name__} has code or attributes of its own, so it cannot be rebuilt"
        )


def equal_model(model: keras.Model, carried: bool = True) -> keras.Model:
    """Return a new model, not compiled, with equal layers.

    Args:
        model: any model that Keras can save, also one with code of its own, or not built yet.
        carried: whether it gets the weights; if not, they are drawn anew.

    Raises:
        NotApplicable: the model, or one of its layers, cannot be made from its configuration.
    """
    fresh = frozenset() if carried else None
    if is_plain(model) and model.built:
        return rewritten(model, lambda layer: Change(copied(layer), fresh))
    try:
        new = type(model).from_config(model.get_config())
        if model.built and not new.built:
            new.build_from_config(model.get_build_config())
        if carried:
            new.set_weights(model.get_weights())
    except Exception as error:
        raise NotApplicable(
            f"{type(model).__name__} cannot be made again from its configuration "
            f"({type(error).__name__})"
        ) from error
    return new


class _Rewriting:
    """The successor of each layer, the same one wherever the layer is used again."""

    def __init__(self, rule: Rule, call: Call | None):
        self._rule, self._call = rule, call
        self._by_id: dict[int, Any] = {}
        self._originals: dict[int, Any] = {}  # by the id of the layer that takes the place
        self.pairs: list[tuple[keras.layers.Layer, Change]] = []

    def model(self, model):
        if isinstance(model, keras.Sequential) and self._call is None:
            (tensor,) = model.inputs
            start = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
            layers = [new for layer in model.layers for new in self._layers(layer)]
            return type(model)([start, *layers], name=model.name)
        structure = (model.inputs[0], model.outputs[0])
        if not isinstance(model, keras.Sequential):
            structure = (model.input, model.output)
        graph = keras.models.clone_model(
            keras.Model(*structure), clone_function=self._successor, call_function=self._run
        )
        kind = keras.Model if isinstance(model, keras.Sequential) else type(model)
        return kind(graph.input, graph.output, name=model.name)

    def _layers(self, layer):
        change = self._change(layer)
        return change.layers if isinstance(change, Change) else (change,)

    def _successor(self, layer):
        """Return the layer that takes the place of another one, for `clone_model`."""
        change = self._change(layer)
        new = change.layer if isinstance(change, Change) else change
        self._originals[id(new)] = layer
        return new

    def _run(self, new, *args, **kwargs):
        """Call the successor of a layer, and what goes with it, for `clone_model`."""
        layer = self._originals[id(new)]
        change = self._change(layer)

        def run(*args, **kwargs):
            if not isinstance(change, Change) or not (change.before or change.after):
                return new(*args, **kwargs)
            first, *others = args
            outputs = new(_through(change.before, first), *others, **kwargs)
            return _through(change.after, outputs)

        call = self._call
        return run(*args, **kwargs) if call is None else call(layer, run, *args, **kwargs)

    def _change(self, layer):
        """Return the `Change` of a layer, a new model for a nested one, or the operation itself."""
        if id(layer) not in self._by_id:
            self._by_id[id(layer)] = self._new(layer)
        return self._by_id[id(layer)]

    def _new(self, layer):
        if not isinstance(layer, keras.layers.Layer):
            return layer  # an operation, such as keras.ops.add, has no weights
        if is_plain(layer) and layer.built:
            return self.model(layer)
        change = changed(layer, self._rule) or Change(copied(layer))
        self.pairs.append((layer, change))
        return change


def _through(layers, tensor):
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def changed(layer: keras.layers.Layer, rule: Rule) -> Change | None:
    """Apply a rule to a layer, or to the layers inside a `Bidirectional` or `TimeDistributed`."""
    if type(layer) is keras.layers.Bidirectional:
        return _both_ways(layer, rule)
    if type(layer) is keras.layers.TimeDistributed:
        inner = changed(layer.layer, rule)
        if inner is None:
            return None
        wrapper = keras.layers.TimeDistributed(inner.layer, **_wrapper_options(layer))
        return Change(wrapper, inner.fresh, inner.before, inner.after)
    return rule(layer)


def _both_ways(layer, rule):
    ahead, back = rule(layer.forward_layer), rule(layer.backward_layer)
    if ahead is None or back is None:
        return None
    wrapper = keras.layers.Bidirectional(
        ahead.layer,
        backward_layer=back.layer,
        merge_mode=layer.merge_mode,
        **_wrapper_options(layer),
    )
    return Change(wrapper, ahead.fresh, ahead.before, ahead.after)


def _wrapper_options(layer):
    return {
        "name": layer.name,
        "dtype": layer.dtype_policy,
        "trainable": layer.trainable,
        "activity_regularizer": layer.activity_regularizer,
    }


def copied(layer: keras.layers.Layer, **options: Any) -> keras.layers.Layer:
    """Return a new layer with the same configuration, except for these options.

    Raises:
        NotApplicable: its class cannot make it from its configuration.
    """
    try:
        return type(layer).from_config({**layer.get_config(), **options})
    except Exception as error:
        if not options and not layer.variables:
            return layer  # as a Lambda, which two models may share
        raise NotApplicable(
            f"layer {layer.name!r} cannot be made again from its configuration "
            f"({type(error).__name__})"
        ) from error


def carry_over(
    old: keras.layers.Layer, new: keras.layers.Layer, fresh: frozenset[str] | None = frozenset()
) -> None:
    """Copy the weights of a layer to another one, where name and shape are the same.

    Args:
        old, new: the layers; weights of the same name are matched in their order.
        fresh: the names of weights that are not copied; None: all.
    """
    if fresh is None:
        return
    values = _by_name(old)
    for name, weights in _by_name(new).items():
        if name in fresh:
            continue
        for weight, value in zip(weights, values.get(name, []), strict=False):
            if tuple(weight.shape) == tuple(value.shape):
                weight.assign(value)


def _by_name(layer) -> Mapping[str, list[Any]]:
    named: dict[str, list[Any]] = {}
    for weight in layer.weights:
        named.setdefault(weight.name, []).append(weight)
    return named
