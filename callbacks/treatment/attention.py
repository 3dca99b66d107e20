"""Attention in a Keras model, over all steps of a recurrent layer that hands over its last one."""

from typing import Any

import keras

from ...layers.paths import walk
from .facts import Facts, NotApplicable
from .of_recurrent_layers import RECURRENT, Evidence
from .rewriting import Change, copied, rewritten


def attention(model: keras.Model, facts: Facts, evidence: Evidence) -> keras.Model:
    """Add to the last output of a recurrent layer what it attends to among all its outputs.

    The output y becomes y + Σ_t softmax_t(y · y_t) y_t, dot-product attention. An encoder that
    hands its states to a decoder keeps its output; the decoder's outputs attend to those of the
    encoder in the same way.
    """
    readers = {id(part) for layer in _readers(model) for part in _directions(layer)}

    def rule(layer):
        if id(layer) not in readers:
            return None
        return Change(copied(layer, return_sequences=True, return_state=True))

    attend = _Attention(readers)
    new = rewritten(model, rule, attend)
    if not attend.count:
        raise NotApplicable(
            "no recurrent layer returns its last output, or hands its states to a decoder of the "
            "same size"
        )
    return new


def _readers(model) -> list[Any]:
    """Return recurrent layers, or `Bidirectional`, that read a sequence into a vector or states."""
    wrapped = {
        id(part)
        for _, layer in walk(model)
        if isinstance(layer, keras.layers.TimeDistributed)
        for _, part in walk(layer)
    }
    return [
        layer
        for _, layer in walk(model)
        if id(layer) not in wrapped and _is_reader(layer) and not _is_part_of_a_pair(layer, model)
    ]


def _is_reader(layer):
    if type(layer) is keras.layers.Bidirectional:
        return layer.merge_mode == "concat" and _is_reader(layer.forward_layer)
    return isinstance(layer, RECURRENT) and (layer.return_state or not layer.return_sequences)


def _is_part_of_a_pair(layer, model):
    pairs = [part for _, part in walk(model) if type(part) is keras.layers.Bidirectional]
    return any(layer is part for pair in pairs for part in _directions(pair))


def _directions(layer):
    if type(layer) is keras.layers.Bidirectional:
        return layer.forward_layer, layer.backward_layer
    return (layer,)


class _Attention:
    """Calls recurrent layers with attention.

    Attributes:
        count: the number of layers with attention.
    """

    def __init__(self, readers: set[int]):
        self._readers = readers
        self._encoded: dict[int, tuple[Any, Any]] = {}  # a state, and all outputs of its encoder
        self.count = 0

    def __call__(self, layer, run, *args, **kwargs):
        encoded = self._encoder_outputs(args, kwargs)
        outputs = run(*args, **kwargs)
        if id(_directions(layer)[0]) in self._readers if _is_recurrent(layer) else False:
            outputs = self._read(layer, *outputs)
        if encoded is None:
            return outputs
        output, *states = outputs if isinstance(outputs, list | tuple) else (outputs,)
        if layer.return_sequences and output.shape[-1] == encoded.shape[-1]:
            output = self._attend(layer, output, encoded)
        return (output, *states) if states else output

    def _read(self, layer, sequence, *states):
        """Return what the layer of the present model returns."""
        directions = len(_directions(layer))
        hidden = [states[n * len(states) // directions] for n in range(directions)]
        self._encoded[id(states[0])] = states[0], sequence
        options = {"dtype": layer.dtype_policy}
        last = hidden[0]
        if directions == 2:
            name = f"{layer.name}_last"
            last = keras.layers.Concatenate(name=name, **options)(hidden)
        if layer.return_state:
            return (sequence if layer.return_sequences else last, *states)
        units = last.shape[-1]
        query = keras.layers.Reshape((1, units), name=f"{layer.name}_query", **options)(last)
        both = self._attend(layer, query, sequence)
        return keras.layers.Reshape((units,), name=f"{layer.name}_output", **options)(both)

    def _attend(self, layer, query, sequence):
        self.count += 1
        options = {"dtype": layer.dtype_policy}
        name = f"{layer.name}_attention_{self.count}"
        context = keras.layers.Attention(name=name, **options)([query, sequence])
        return keras.layers.Add(name=f"{name}_sum", **options)([query, context])

    def _encoder_outputs(self, args, kwargs):
        """Return the outputs of the encoder whose state a layer starts from; None if there is none.

        Args:
            args, kwargs: the arguments with which the layer is called.
        """
        states = args[1] if len(args) > 1 else kwargs.get("initial_state")
        state = states[0] if isinstance(states, list | tuple) and states else states
        _, sequence = self._encoded.get(id(state), (None, None))
        return sequence


def _is_recurrent(layer):
    return isinstance(layer, (*RECURRENT, keras.layers.Bidirectional))
