"""Make the recurrent layers of a stock Keras model visible, without touching its weights."""

from collections.abc import Callable
from typing import Any

import keras

from .base import RecurrentLayer
from .conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from .error_record import ErrorRecord
from .fused import FusedLoop
from .gru import GRU, GRUCell
from .lstm import LSTM, LSTMCell
from .simple_rnn import SimpleRNN, SimpleRNNCell

_VISIBLE: dict[type, type[RecurrentLayer]] = {
    keras.layers.SimpleRNNCell: SimpleRNN,
    keras.layers.LSTMCell: LSTM,
    keras.layers.GRUCell: GRU,
    SimpleRNNCell: SimpleRNN,
    LSTMCell: LSTM,
    GRUCell: GRU,
}
_STOCK = (keras.layers.RNN, keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)
_CONVOLUTIONAL: dict[type, type[RecurrentLayer]] = {  # all have cells of one class
    keras.layers.ConvLSTM1D: ConvLSTM1D,
    keras.layers.ConvLSTM2D: ConvLSTM2D,
    keras.layers.ConvLSTM3D: ConvLSTM3D,
}


def watch(model: keras.Model, *, fused: bool = False) -> keras.Model:
    """Return the same model with layers that show the error they receive at every time step.

    Every `keras.layers.SimpleRNN`, `LSTM`, `GRU` and `ConvLSTM1D`, `2D` or `3D`, `Bidirectional` of
    these, and `RNN` around a cell of the first three is replaced by the errorflow layer of the same
    name, in nested models too. The replacement uses the very same Variables, and all other layers
    are the same objects. A compiled model is compiled as it was, with the same optimizer object and
    its state. So `fit` on either model trains both; `model` itself keeps its stock layers.

    Outputs and gradients are those of `model` up to rounding. One thing differs: an LSTM or GRU
    with `recurrent_dropout` (or `implementation=1`) draws one dropout mask for all gates, where
    Keras draws one per gate. `unroll=True` is accepted and has no effect.

    Args:
        model: a built `keras.Sequential` or functional model. It may be of a subclass that has no
            constructor, `call` or `compile` of its own.
        fused: run the stock layers' own loop, cuDNN's on a GPU, and read the error from the
            gradient of zeros in its input (`fused_errors.py`): H more columns, 3H for a GRU. It
            supports what cuDNN does, so no recurrent dropout, and only masks that leave one block
            of steps. It is exact on CPU (tested), where it is slower; it was neither run nor timed
            on a GPU. A model that is saved and loaded has errorflow's own loop again.

    Returns:
        A model of the same class; `model` itself if all its recurrent layers are visible already.

    Raises:
        TypeError: `model` is not a Keras model, or is a subclassed one whose `call` cannot be
            rewritten.
        ValueError: `model` is not built, has no recurrent layer, or has one without an equivalent
            here; or, with `fused`, a layer has an option that cuDNN does not support.
    """
    recurrent = _check(model)
    if all(map(is_visible, recurrent)):
        return model
    with model.distribute_strategy.scope():
        watched = _rewrite(model, _Replacements(fused))
        _refuse_leftovers(watched)
        if model.compiled:
            watched.compile(**_compilation(model))
    return watched


def is_visible(layer: Any) -> bool:
    """Return whether a layer records the error of its backward pass."""
    return isinstance(getattr(layer, "error", None), ErrorRecord)


def _check(model):
    """Return the recurrent layers of a model; refuse a model that cannot be rewritten."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"watch: expected a Keras model, got {type(model).__name__}")
    recurrent = _recurrent_layers(model)
    if recurrent and all(map(is_visible, recurrent)):
        return recurrent
    if not (isinstance(model, keras.Sequential) or hasattr(model, "operations")):
        raise TypeError(
            f"watch: {type(model).__name__} is a subclassed model, its `call` cannot be rewritten; "
            "use errorflow.layers.SimpleRNN, LSTM or GRU in its code instead of Keras' layers"
        )
    if not model.built:
        raise ValueError(
            f"watch: model {model.name!r} is not built, so it has no weights to share yet; "
            "start it with keras.Input(...) or call it on a batch first"
        )
    if not recurrent:
        raise ValueError(
            f"watch: model {model.name!r} has no recurrent layer (SimpleRNN, LSTM or GRU), "
            "so no error flows through time in it"
        )
    _refuse_own_methods(model)
    return recurrent


def _recurrent_layers(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]


def _refuse_own_methods(model):
    for owner in type(model).__mro__:
        if owner.__module__.startswith("keras."):
            return
        for method in {"__init__", "call", "compile"} & set(vars(owner)):
            raise TypeError(
                f"watch: {owner.__name__} has a `{method}` of its own, so the model cannot be "
                "rebuilt around other layers; use errorflow.layers in its code instead"
            )


def _refuse_leftovers(watched):
    for layer in _recurrent_layers(watched):
        if not is_visible(layer):
            raise ValueError(
                f"watch: layer {layer.name!r} ({type(layer).__name__}) is inside a layer that "
                "cannot be rewritten; only Bidirectional and nested models can be"
            )


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


class _Replacements:
    """The replacement of each layer, the same one wherever the layer is used again."""

    def __init__(self, fused: bool):
        self._fused = fused
        self._by_id: dict[int, Any] = {}

    def __call__(self, layer: Any) -> Any:
        """Return the replacement of a layer or operation; most are returned unchanged."""
        if id(layer) not in self._by_id:
            self._by_id[id(layer)] = self._replacement(layer)
        return self._by_id[id(layer)]

    def _replacement(self, layer):
        if isinstance(layer, keras.layers.Bidirectional):
            return self._both_ways(layer)
        if isinstance(layer, keras.layers.RNN) and not is_visible(layer):
            return _take_over(_visible(layer), layer, self._fused)
        if isinstance(layer, keras.Model) and not all(map(is_visible, _recurrent_layers(layer))):
            _refuse_own_methods(layer)
            return _rewrite(layer, self)
        return layer

    def _both_ways(self, stock):
        if is_visible(stock.forward_layer) and is_visible(stock.backward_layer):
            return stock
        visible = keras.layers.Bidirectional(
            _visible(stock.forward_layer),
            backward_layer=_visible(stock.backward_layer),
            merge_mode=stock.merge_mode,
            name=stock.name,
            dtype=stock.dtype_policy,
            trainable=stock.trainable,
            activity_regularizer=stock.activity_regularizer,
        )
        _take_over(visible.forward_layer, stock.forward_layer, self._fused)
        _take_over(visible.backward_layer, stock.backward_layer, self._fused)
        return visible


def _visible(stock):
    """Return errorflow's layer with the name and the options of `stock`, not built yet."""
    cell = stock.cell
    visible = _CONVOLUTIONAL.get(type(stock))
    if type(stock) in _STOCK:
        visible = _VISIBLE.get(type(cell))
    if visible is None:
        raise ValueError(
            f"watch: layer {stock.name!r}, {type(stock).__name__} around {type(cell).__name__}, "
            "has no visible equivalent; SimpleRNN, LSTM, GRU and ConvLSTM have one, and so has RNN "
            "around a cell of the first three"
        )
    if cell.dtype_policy.name != stock.dtype_policy.name:
        raise ValueError(
            f"watch: layer {stock.name!r} has dtype {stock.dtype_policy.name}, its cell "
            f"{cell.dtype_policy.name}; give both the same dtype"
        )
    options = {name: getattr(cell, name) for name in cell.get_config()}
    try:
        return visible(
            **{**options, "name": stock.name, "dtype": stock.dtype_policy},
            return_sequences=stock.return_sequences,
            return_state=stock.return_state,
            go_backwards=stock.go_backwards,
            stateful=stock.stateful,
            zero_output_for_mask=stock.zero_output_for_mask,
            activity_regularizer=stock.activity_regularizer,
        )
    except ValueError as error:
        raise ValueError(f"watch: layer {stock.name!r}: {error}") from error


def _take_over(visible, stock, fused):
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
    if fused:
        visible.loop = FusedLoop(stock)
        visible.supports_jit = visible.loop.stock.supports_jit
    return visible


def _compilation(model):
    """Return the arguments that compile another model as this one is."""
    return {
        **model._compile_config.config,
        "optimizer": model.optimizer,
        "auto_scale_loss": False,  # the optimizer is the same object, with its loss scaling
        "jit_compile": model.jit_compile,
    }
