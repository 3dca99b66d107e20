"""Rebuild a Keras model around errorflow's recurrent layers, which share the Variables."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from . import in_place
from .base import RecurrentLayer
from .conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from .gru import GRU
from .lstm import LSTM
from .simple_rnn import SimpleRNN
from .time_loop import Fused

_VISIBLE: dict[type, type[RecurrentLayer]] = {
    keras.layers.SimpleRNNCell: SimpleRNN,
    keras.layers.LSTMCell: LSTM,
    keras.layers.GRUCell: GRU,
}
_VISIBLE |= {layer.cell_class: layer for layer in (SimpleRNN, LSTM, GRU)}
_STOCK = (keras.layers.RNN, keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)
_CONVOLUTIONAL: dict[type, type[RecurrentLayer]] = {  # all have cells of one class
    keras.layers.ConvLSTM1D: ConvLSTM1D,
    keras.layers.ConvLSTM2D: ConvLSTM2D,
    keras.layers.ConvLSTM3D: ConvLSTM3D,
}
# The public attributes that Keras itself gives to a model.
_OF_KERAS = {
    "activity_regularizer", "autocast", "build", "built", "call_signature_parameters", "compiled",
    "history", "loss", "name", "optimizer", "output_names", "predict_function", "quantize",
    "steps_per_execution", "stop_evaluating", "stop_predicting", "stop_training", "supports_jit",
    "test_function", "train_function", "unrolled_steps_per_execution",
}  # fmt: skip


def rebuilt(model: keras.Model, fused: Fused) -> keras.Model:
    """Return a model with visible layers in place of those that have an equivalent here.

    What has none, but can be visible in place, is made so: then it belongs to both models.

    Returns:
        The new model, or `model` itself if no layer had to be replaced.
    """
    return _Replacements(fused)(model)


def is_plain(model: Any) -> bool:
    """Return whether a model is nothing but its layers: no code and no attributes of its own."""
    kind = type(model)
    return (
        isinstance(model, keras.Model)
        and (isinstance(model, keras.Sequential) or hasattr(model, "operations"))
        and kind.__module__.startswith("keras.")
        and not {name for name in vars(model) if not name.startswith("_")} - _OF_KERAS
    )


class _Replacements:
    """The replacement of each layer, the same one wherever the layer is used again."""

    def __init__(self, fused: Fused):
        self._fused: Fused = fused
        self._by_id: dict[int, Any] = {}

    def __call__(self, layer: Any) -> Any:
        """Return the replacement of a layer or operation; most are returned unchanged."""
        if id(layer) not in self._by_id:
            self._by_id[id(layer)] = self._replacement(layer)
        return self._by_id[id(layer)]

    def _replacement(self, layer):
        if is_plain(layer) and layer.built:
            changed = [self(inside) is not inside for inside in layer.layers]
            return _rewrite(layer, self) if any(changed) else layer
        if _replaceable(layer):
            return _take_over(equivalent(layer, fused=self._fused), layer)
        if _is_bidirectional(layer) and all(map(_replaceable, _directions(layer))):
            return self._both_ways(layer)
        for recurrent in hidden_layers(layer):
            in_place.show(recurrent, self._fused)
        return layer

    def _both_ways(self, stock):
        visible = keras.layers.Bidirectional(
            equivalent(stock.forward_layer, fused=self._fused),
            backward_layer=equivalent(stock.backward_layer, fused=self._fused),
            merge_mode=stock.merge_mode,
            name=stock.name,
            dtype=stock.dtype_policy,
            trainable=stock.trainable,
            activity_regularizer=stock.activity_regularizer,
        )
        _take_over(visible.forward_layer, stock.forward_layer)
        _take_over(visible.backward_layer, stock.backward_layer)
        return visible


def equivalent(stock: Any, **options: Any) -> RecurrentLayer:
    """Return errorflow's layer with the name and the options of a stock layer, not built yet.

    Args:
        stock: a recurrent layer of Keras that has an equivalent here.
        **options: those that only errorflow's layer has.
    """
    cell = stock.cell
    of_cell = {name: getattr(cell, name) for name in cell.get_config()}
    visible = _visible_class(stock)
    assert visible is not None
    return visible(
        **{**of_cell, "name": stock.name, "dtype": stock.dtype_policy},
        return_sequences=stock.return_sequences,
        return_state=stock.return_state,
        go_backwards=stock.go_backwards,
        stateful=stock.stateful,
        zero_output_for_mask=stock.zero_output_for_mask,
        activity_regularizer=stock.activity_regularizer,
        **options,
    )


def recurrent_layers(layer: Any) -> Iterator[keras.layers.RNN]:
    """Yield the recurrent layers in a layer or model, itself included."""
    inside = layer._flatten_layers() if isinstance(layer, keras.Layer) else ()
    return (part for part in inside if isinstance(part, keras.layers.RNN))


def hidden_layers(layer: Any) -> list[keras.layers.RNN]:
    """Return the recurrent layers in a layer or model that are not visible, but can be in place."""
    return [
        part
        for part in recurrent_layers(layer)
        if not in_place.is_visible(part) and in_place.why_not_in_place(part) is None
    ]


def _rewrite(model, replace: Callable):
    """Return `model` rebuilt with `replace(layer)` for each layer."""
    if isinstance(model, keras.Sequential):
        (tensor,) = model.inputs
        start = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        layers = [start, *[replace(layer) for layer in model.layers]]
        return type(model)(layers, name=model.name)
    graph = keras.Model(model.input, model.output)  # not compiled: nothing else is cloned
    graph = keras.models.clone_model(graph, clone_function=replace)
    return type(model)(graph.input, graph.output, name=model.name)


def _is_bidirectional(layer):
    return type(layer) is keras.layers.Bidirectional


def _directions(layer):
    return layer.forward_layer, layer.backward_layer


def _replaceable(layer):
    """Return whether a layer is hidden and has an equivalent here."""
    return (
        isinstance(layer, keras.layers.RNN)
        and _visible_class(layer) is not None
        and layer.built
        and layer.cell.dtype_policy.name == layer.dtype_policy.name
        and not in_place.is_visible(layer)
        and in_place.why_not_in_place(layer) is None
    )


def _visible_class(stock):
    return (
        _VISIBLE.get(type(stock.cell)) if type(stock) in _STOCK else _CONVOLUTIONAL.get(type(stock))
    )


def _take_over(visible, stock):
    """Build `visible` around the Variables of `stock`: weights, dropout seed, carried states."""
    visible.cell.take_over(stock.cell)
    states = stock.states or []
    values = [state.numpy() for state in states]
    if states:  # untracked, as Keras leaves them; `build` would reset them
        vars(visible)["states"] = states
        visible._expected_batch_size = stock._expected_batch_size
    visible.build((states[0].shape[0] if states else None, None, *visible.cell.input_size))
    for state, value in zip(states, values, strict=True):
        state.assign(value)
    return visible
