"""Make the recurrent layers of a stock Keras model visible, without touching its weights."""

import contextlib
import warnings
from collections.abc import Iterator

import keras

from .cells import is_known
from .in_place import hide, is_shown_in_place, is_visible, why_not_in_place
from .rewriting import hidden_layers, is_plain, rebuilt, recurrent_layers
from .time_loop import Fused


def watch(model: keras.Model, *, fused: Fused = "auto") -> keras.Model:
    """Return the same model with layers that show the error they receive at every time step.

    The layers concerned are `keras.layers.SimpleRNN`, `LSTM`, `GRU` and `ConvLSTM1D`, `2D` and
    `3D`, and `RNN` over a cell of the first three, over a list of cells (`StackedRNNCells`), or
    over a cell that its author registered with `register_cell`; also in nested models,
    `Bidirectional`, `TimeDistributed` and other layers.

    * A `keras.Sequential` or functional model is rebuilt, and returned: each of these layers is
      replaced by the errorflow layer of the same name with the very same Variables. All other
      layers are the same objects. A compiled model is compiled as it was, with the same optimizer
      object and its state. So `fit` on either model trains both; `model` itself keeps its stock
      layers.
    * A model with code or attributes of its own (a subclass with its own `call` or `train_step`, a
      metric that was set on it) is changed in place, and returned itself: its recurrent layers keep
      their class, Variables, options and names, and get another loop over time. Your own code runs
      unchanged; functions that you traced with `tf.function` before have to be traced again. The
      same happens to layers inside other layers and to those without an errorflow layer of the same
      name, so `model` shows their errors too.

    Outputs and gradients are those of `model` up to rounding. One thing differs: an LSTM or GRU
    with `recurrent_dropout` (or `implementation=1`) draws one dropout mask for all gates, where
    Keras draws one per gate. `unroll=True` is accepted and has no effect.

    The cells of a stack show one error each: their paths are "rnn/lstm_cell", "rnn/lstm_cell_1".

    Saved files: a layer that was replaced is saved as errorflow's, so load the file after
    `import errorflow.layers`. A layer that was changed in place is saved as what it is, a stock
    layer: call `watch` again after loading.

    Legacy .h5 files: whatever Keras loads can be watched. Keras does not load a model with a `call`
    of its own from .h5, although it saves it without an error (`load_weights` works on a new model
    that is built). It needs `compile=False` for files whose loss or metrics are names such as
    "mse", and refuses arguments that it no longer has, such as `time_major` of an LSTM: pass
    `custom_objects={"LSTM": …}`, a subclass of `keras.layers.LSTM` that takes and drops them.

    Args:
        model: a Keras model. A Sequential or functional one must be built.
        fused: which loop over time the layers run, see `TimeLoop`. By default, cuDNN's on a GPU
            where it does what a layer does, and errorflow's own everywhere else. The layers that
            are replaced keep the option in their configuration.

    Returns:
        A model of the same class; `model` itself if it was changed in place, or all its recurrent
        layers are visible already.

    Warns:
        UserWarning: some recurrent layers cannot be made visible. They are left as they are.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: no layer of `model` can be made visible, or `model` is not built; equations that
            were registered for a cell are not those of its `call`; or, with `fused=True`, a layer
            has an option that cuDNN does not support.
    """
    invisible, before = _check(model), _shown(model)
    watched = _visible(model, fused)
    if _shown(watched) != before:
        _forget_traces(watched)
    if invisible:
        warnings.warn(
            "watch: some recurrent layers are left as they are, and their errors are not recorded: "
            + "; ".join(invisible),
            stacklevel=2,
        )
    return watched


@contextlib.contextmanager
def made_visible(model: keras.Model) -> Iterator[keras.Model]:
    """Yield `watch(model)`; what it changes in place is undone at the end. Raises as `watch`."""
    _check(model)
    before = _shown(model)
    try:
        yield _visible(model, fused="auto")
    finally:
        _hide_again(model, before)


def _visible(model, fused):
    """Return what `watch` returns; a failure leaves the model as it was."""
    if not hidden_layers(model):
        return model
    before = _shown(model)
    try:
        with model.distribute_strategy.scope():
            watched = rebuilt(model, fused)
            if watched is not model and model.compiled:
                watched.compile(**_compilation(model))
    except BaseException:
        _hide_again(model, before)
        raise
    return watched


def _forget_traces(model):
    """Let Keras trace the steps of a model, and of those inside it, with the visible loops."""
    for part in model._flatten_layers():
        if isinstance(part, keras.Model):
            part.train_function = part.test_function = part.predict_function = None


def _shown(model):
    return {id(layer) for layer in recurrent_layers(model) if is_shown_in_place(layer)}


def _hide_again(model, before):
    for layer in recurrent_layers(model):
        if is_shown_in_place(layer) and id(layer) not in before:
            hide(layer)


def _check(model) -> list[str]:
    """Return what stays invisible and why; refuse a model in which everything does."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"watch: expected a Keras model, got {type(model).__name__}")
    recurrent = list(recurrent_layers(model))
    if recurrent and all(map(is_visible, recurrent)):
        return []
    if is_plain(model) and not model.built:
        raise ValueError(
            f"watch: model {model.name!r} is not built, so it has no weights to share yet; "
            "start it with keras.Input(...) or call it on a batch first"
        )
    invisible = _invisible(model, recurrent)
    if not invisible and not recurrent:
        raise ValueError(_no_layer(model))
    if not any(is_visible(layer) or why_not_in_place(layer) is None for layer in recurrent):
        raise ValueError(f"watch: {'; '.join(invisible)}")
    return invisible


def _invisible(model, recurrent):
    """Return a sentence for each recurrent layer, and each cell outside one, that stays hidden."""
    reasons = ((layer, why_not_in_place(layer)) for layer in recurrent)
    sentences = [f"layer {layer.name!r}, {reason}" for layer, reason in reasons if reason]
    within = {id(part) for layer in recurrent for part in layer._flatten_layers()}
    return sentences + [
        f"cell {part.name!r} is called by the model's own code, step by step; only the loop of a "
        "keras.layers.RNN over it could be seen"
        for part in model._flatten_layers()
        if id(part) not in within and is_known(part)
    ]


def _no_layer(model):
    advice = (
        "" if model.built else "; it is not built: if it makes layers in `build` or `call`, call "
        "it on a batch first"
    )  # fmt: skip
    return (
        f"watch: model {model.name!r} has no recurrent layer (SimpleRNN, LSTM or GRU), so no error "
        f"flows through time in it{advice}"
    )


def _compilation(model):
    """Return the arguments that compile another model as this one is."""
    return {
        **model._compile_config.config,
        "optimizer": model.optimizer,
        "auto_scale_loss": False,  # the optimizer is the same object, with its loss scaling
        "jit_compile": model.jit_compile,
    }
