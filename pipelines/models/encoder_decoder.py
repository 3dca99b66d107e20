"""Encoder and decoder: one sequence in, another sequence out (Cho et al. 2014, Sutskever et al.
2014), optionally with attention (Bahdanau et al. 2015).

The network consists of two nested models, "encoder" and "decoder". The decoder takes initial states
and a target of any length: the whole target in training (teacher forcing), one symbol at a time in
`BeamSearch`.
"""

import itertools
from typing import Any

import keras

from ...layers.text.sequences import ReplaceSymbol, Reverse
from ...layers.text.symbols import START
from .recurrent import Recurrent, class_probabilities, normalized


def encoder_decoder(
    recurrent: Recurrent,
    *,
    source_symbols: int,
    target_symbols: int,
    embedding: int,
    units: int,
    layers: int = 1,
    bidirectional: bool = False,
    reverse: bool = False,
    attention: bool = False,
    dropout: float = 0.0,
    normalization: str = "none",
) -> keras.Model:
    """{"source": ids [B, S], "target": ids [B, T]} → probabilities [B, T, K] of the next symbols.

    The initial states of each decoder layer are the last states of the encoder layer of the same
    number, those of both directions concatenated if it is bidirectional.

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        source_symbols: size of the source vocabulary, special ids included.
        target_symbols: size of the target vocabulary, special ids included, K.
        embedding: size of a symbol's vector, in encoder and decoder.
        units: size of each encoder layer and direction; a decoder layer has the size of all
            directions together.
        layers: number of layers, of encoder and decoder each.
        bidirectional: the encoder reads from both ends.
        reverse: the encoder reads the source from its end (Sutskever et al. 2014).
        attention: see `decoder`.
        dropout: rate after the embeddings and after each recurrent layer.
        normalization: see `recurrent.normalized`.
    """
    shared: dict[str, Any] = {
        "embedding": embedding,
        "layers": layers,
        "dropout": dropout,
        "normalization": normalization,
    }
    encoder_model = encoder(
        recurrent,
        symbols=source_symbols,
        units=units,
        bidirectional=bidirectional,
        reverse=reverse,
        **shared,
    )
    decoder_model = decoder(
        recurrent,
        symbols=target_symbols,
        units=units * (1 + bidirectional),
        memory=units * (1 + bidirectional) if attention else 0,
        states=len(encoder_model.output["states"]) // layers,
        **shared,
    )
    source = keras.Input([None], dtype="int32", name="source")
    target = keras.Input([None], dtype="int32", name="target")
    outputs = decoder_model(decoder_inputs(decoder_model, encoder_model(source), target))
    return keras.Model({"source": source, "target": target}, outputs["probabilities"], name="core")


def decoder_inputs(decoder: keras.Model, encoded: dict[str, Any], target: Any) -> dict[str, Any]:
    """Return the inputs of a decoder, from the encoder's outputs and a target."""
    available = {**encoded, "target": target}
    return {name: available[name] for name in decoder.input}


def encoder(
    recurrent: Recurrent,
    *,
    symbols: int,
    embedding: int,
    units: int,
    layers: int,
    bidirectional: bool,
    reverse: bool,
    dropout: float,
    normalization: str = "none",
) -> keras.Model:
    """ids [B, S] → {"memory": [B, S, M], "valid": [B, S], "states": of all layers, each [B, M]}.

    The arguments are those of `encoder_decoder`; `symbols` is the size of the source vocabulary.
    """
    ids = keras.Input([None], dtype="int32", name="source")
    valid = keras.ops.not_equal(ids, 0)
    ordered = Reverse(name="reverse")(ids, valid) if reverse else ids
    x = keras.layers.Embedding(symbols, embedding, mask_zero=True, name="embedding")(ordered)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, S, D]
    x, states = recurrent_encoder(
        x,
        valid,
        recurrent,
        units=units,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        normalization=normalization,
    )
    memory = Reverse(name="reverse_back")(x, valid) if reverse else x
    return keras.Model(ids, {"memory": memory, "valid": valid, "states": states}, name="encoder")


def recurrent_encoder(
    x: Any,
    valid: Any,
    recurrent: Recurrent,
    *,
    units: int,
    layers: int,
    bidirectional: bool = False,
    dropout: float = 0.0,
    normalization: str = "none",
) -> tuple[Any, list[Any]]:
    """Stack recurrent layers and return the last states of all of them.

    Args:
        x: [B, S, D].
        valid: [B, S] bool, False for padding.
        recurrent, units, layers, bidirectional, dropout, normalization: as in `encoder_decoder`.

    Returns:
        The outputs [B, S, M], 0 where not valid, and the states, each [B, M].
    """
    states = []
    for number in range(1, layers + 1):
        layer = recurrent(units, return_sequences=True, return_state=True, name=f"rnn_{number}")
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"rnn_{number}")
        x = normalized(x, normalization, f"rnn_{number}")
        x, *last = layer(x, mask=valid)
        states += _concatenate_directions(last) if bidirectional else last
        x = keras.layers.Dropout(dropout, name=f"rnn_{number}_dropout")(x)
    return keras.ops.where(valid[:, :, None], x, 0.0), states


def _concatenate_directions(states: list[Any]) -> list[Any]:
    """[h, c] of the forward layer, then [h, c] of the backward layer → [h, c], each [B, 2H]."""
    forward, backward = states[: len(states) // 2], states[len(states) // 2 :]
    return [keras.ops.concatenate(pair, axis=-1) for pair in zip(forward, backward, strict=True)]


def decoder(
    recurrent: Recurrent,
    *,
    symbols: int,
    embedding: int,
    units: int,
    layers: int,
    states: int,
    dropout: float,
    memory: int = 0,
    attentional: bool = False,
    image: bool = False,
    normalization: str = "none",
) -> keras.Model:
    """{"target": ids [B, T], "states": […], …} → {"probabilities": [B, T, K], "states": […], …}.

    With attention it also takes "memory" [B, S, M] and "valid" [B, S], and returns "alignment"
    [B, T, S], the weight of input step s for output step t:

        a_ts = softmax_s(vᵀ tanh(W h_t + U m_s)),   context_t = Σ_s a_ts m_s

    where h_t is the output of the first layer. The context is concatenated to h_t for the next
    layer, and to the inputs of the output layer. Bahdanau et al. (2015) compute the weights from
    h_{t-1} and feed the context to the same layer; with h_t instead, each layer is one scan over
    the target (as in Wu et al. 2016).

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        symbols: size of the target vocabulary, K.
        embedding: size of a symbol's vector.
        units: size of each layer.
        layers: number of layers.
        states: number of states of each layer: 2 for an LSTM, 1 for the others.
        dropout: rate after the embedding and after each recurrent layer.
        memory: M; 0: no attention.
        attentional: the output layer reads tanh(W [h_t; context_t]) (Luong et al. 2015, equation 5)
            instead of [h_t; context_t]. Without this nonlinearity, the output of a one-layer
            decoder cannot depend on h_t and the context jointly, so it cannot choose between
            several things in the context.
        image: also take "image" [B, D], which replaces the vector of the start symbol; D is
            `embedding`.
        normalization: see `recurrent.normalized`.
    """
    target = keras.Input([None], dtype="int32", name="target")
    initial_states = [
        [keras.Input([units], name=f"state_{number}_{which}") for which in range(1, states + 1)]
        for number in range(1, layers + 1)
    ]
    inputs: dict[str, Any] = {"target": target, "states": [*itertools.chain(*initial_states)]}
    outputs: dict[str, Any] = {"states": []}
    if memory:
        inputs["memory"] = keras.Input([None, memory], name="memory")
        inputs["valid"] = keras.Input([None], dtype="bool", name="valid")
    valid = keras.ops.not_equal(target, 0)
    x = keras.layers.Embedding(symbols, embedding, mask_zero=True, name="embedding")(target)
    if image:
        inputs["image"] = keras.Input([embedding], name="image")
        x = ReplaceSymbol(START, name="image_first")(x, target, inputs["image"])
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, T, D]
    context = None
    for number, initial in enumerate(initial_states, start=1):
        name = f"rnn_{number}"
        layer = recurrent(units, return_sequences=True, return_state=True, name=name)
        x = normalized(x, normalization, name)
        # The mask is passed explicitly: Keras 3.15 drops it if there are initial states.
        x, *last = layer(x, initial_state=initial, mask=valid)
        outputs["states"] += last
        if memory and number == 1:
            context, outputs["alignment"] = attend(x, inputs["memory"], inputs["valid"], units)
            x = keras.layers.Concatenate(name="with_context")([x, context])
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    if memory and layers > 1:
        x = keras.layers.Concatenate(name="readout")([x, context])
    if memory and attentional:
        x = keras.layers.Dense(units, activation="tanh", name="attentional")(x)
    outputs["probabilities"] = class_probabilities(x, symbols)
    return keras.Model(inputs, outputs, name="decoder")


def attend(states: Any, memory: Any, valid: Any, units: int) -> tuple[Any, Any]:
    """h [B, T, H], memory [B, S, M] → context [B, T, M], alignment [B, T, S].

    Args:
        states: h.
        memory: m.
        valid: [B, S], False for padding; None: there is none.
        units: size of queries and keys.
    """
    query = keras.layers.Dense(units, name="attention_query")(states)
    keys = keras.layers.Dense(units, use_bias=False, name="attention_key")(memory)
    attention = keras.layers.AdditiveAttention(name="attention")
    return attention([query, memory, keys], mask=[None, valid], return_attention_scores=True)


def has_attention(core: keras.Model) -> bool:
    """Return whether an encoder-decoder has attention."""
    return "alignment" in core.get_layer("decoder").output


def alignment(core: keras.Model, source: Any, target: Any) -> Any:
    """Return the attention weights [B, T, S] for targets, ids [B, T], and sources [B, S]."""
    encoder, decoder = core.get_layer("encoder"), core.get_layer("decoder")
    return decoder(decoder_inputs(decoder, encoder(source), target))["alignment"]
