"""Encoder and decoder: a sequence in, a sequence out, delayed (Cho et al. 2014, Sutskever et al.
2014), with attention between them if asked for (Bahdanau et al. 2015).

The network is two nested models, `encoder` and `decoder`. The decoder takes a target of any length
and the states to begin with: with the whole target it is trained (teacher forcing), with one symbol
at a time it answers, in `BeamSearch`.
"""

import functools
from typing import Any

import keras
import tensorflow as tf

from ...layers.text.beam_search import START, BeamSearch, search
from ...layers.text.text_layers import InPlaceOf, Reverse, Spelling
from . import text_serving as text
from .recurrent import Recurrent, probabilities
from .sequence_vocabulary import BETWEEN, FIRST, Side


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
) -> keras.Model:
    """{"source": ids [B, S], "target": ids [B, T]} → probabilities [B, T, K] of the next symbols.

    Each layer of the decoder begins with the last states of the encoder's layer of the same number;
    of a bidirectional one, with those of both directions side by side.

    Args:
        source_symbols, target_symbols: sizes of the vocabularies, special ids included; K is the
            latter.
        embedding: size of a symbol's vector, on both sides.
        units: H of each encoder layer and direction; a decoder layer has as many as both together.
        layers: of encoder and decoder each.
        bidirectional: the encoder reads from both ends.
        reverse: the encoder reads the source from its end (Sutskever et al. 2014).
        attention: see `decoder`.
        dropout: share left out of symbols' vectors and of what each layer puts out.
    """
    shared = {"embedding": embedding, "layers": layers, "dropout": dropout}
    encode = encoder(
        recurrent,
        symbols=source_symbols,
        units=units,
        bidirectional=bidirectional,
        reverse=reverse,
        **shared,
    )
    decode = decoder(
        recurrent,
        symbols=target_symbols,
        units=units * (1 + bidirectional),
        memory=units * (1 + bidirectional) if attention else 0,
        states=len(encode.output["states"]) // layers,
        **shared,
    )
    source = keras.Input([None], dtype="int32", name="source")
    target = keras.Input([None], dtype="int32", name="target")
    given = decode(decoder_inputs(decode, encode(source), target))
    return keras.Model({"source": source, "target": target}, given["probabilities"], name="core")


def decoder_inputs(decode: keras.Model, encoded: dict[str, Any], target: Any) -> dict[str, Any]:
    """What the decoder takes of what the encoder gives, and a target."""
    offered = {**encoded, "target": target}
    return {name: offered[name] for name in decode.input}


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
) -> keras.Model:
    """ids [B, S] → {"memory": [B, S, M], "valid": [B, S], "states": of all layers, each [B, M]}."""
    ids = keras.Input([None], dtype="int32", name="source")
    valid = keras.ops.not_equal(ids, 0)
    read = Reverse(name="reverse")(ids, valid) if reverse else ids
    x = keras.layers.Embedding(symbols, embedding, mask_zero=True, name="embedding")(read)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)
    stack = {"units": units, "layers": layers, "bidirectional": bidirectional, "dropout": dropout}
    x, states = recurrent_encoder(x, valid, recurrent, **stack)
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
) -> tuple[Any, list[Any]]:
    """[B, S, D], valid [B, S] → ([B, S, M], 0 where it is not valid; last states of all layers)."""
    states = []
    for number in range(1, layers + 1):
        layer = recurrent(units, return_sequences=True, return_state=True, name=f"rnn_{number}")
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"rnn_{number}")
        x, *last = layer(x, mask=valid)
        states += _side_by_side(last) if bidirectional else last
        x = keras.layers.Dropout(dropout, name=f"rnn_{number}_dropout")(x)
    return keras.ops.where(valid[:, :, None], x, 0.0), states


def _side_by_side(states):
    """[h, c] of the way forward and [h, c] of the way back → [h, c]"""
    there, back = states[: len(states) // 2], states[len(states) // 2 :]
    return [keras.ops.concatenate(pair, axis=-1) for pair in zip(there, back, strict=True)]


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
) -> keras.Model:
    """{"target": ids [B, T], "states": […], …} → {"probabilities": [B, T, K], "states": […], …}.

    With attention it takes "memory" [B, S, M] and "valid" [B, S] too, and gives "alignment"
    [B, T, S]: how much output step t looks at input step s,

        a_ts = softmax_s(vᵀ tanh(W h_t + U m_s)),   context_t = Σ_s a_ts m_s

    where h_t is what the first layer puts out; the context goes, beside it, to whatever comes next,
    and to what reads the symbols out. Bahdanau et al. (2015) ask with h_{t-1} and give the context
    to the same layer; by asking a step later each layer remains one scan over the target (as in
    Wu et al. 2016).

    Args:
        states: how many each layer has: 2 of an LSTM, 1 of others.
        memory: M; 0: no attention.
        attentional: symbols are read out of tanh(W [h_t; context_t]) (Luong et al. 2015, equation
            5), in place of [h_t; context_t]. Without it a decoder of one layer cannot say of one of
            several things in a context what depends on h_t: which of them comes next.
        image: take an "image" [B, D] too, which stands in the place of the start symbol's vector, D
            being the size of these.
    """
    target = keras.Input([None], dtype="int32", name="target")
    first = [
        [keras.Input([units], name=f"state_{number}_{which}") for which in range(1, states + 1)]
        for number in range(1, layers + 1)
    ]
    inputs: dict[str, Any] = {"target": target, "states": [s for layer in first for s in layer]}
    outputs: dict[str, Any] = {"states": []}
    if memory:
        inputs["memory"] = keras.Input([None, memory], name="memory")
        inputs["valid"] = keras.Input([None], dtype="bool", name="valid")
    valid = keras.ops.not_equal(target, 0)
    x = keras.layers.Embedding(symbols, embedding, mask_zero=True, name="embedding")(target)
    if image:
        inputs["image"] = keras.Input([embedding], name="image")
        x = InPlaceOf(START, name="image_first")(x, target, inputs["image"])
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)
    for number, initial in enumerate(first, start=1):
        name = f"rnn_{number}"
        layer = recurrent(units, return_sequences=True, return_state=True, name=name)
        # Keras 3.15 passes no mask on where there are initial states too.
        x, *last = layer(x, initial_state=initial, mask=valid)
        outputs["states"] += last
        if memory and number == 1:
            context, outputs["alignment"] = _attend(x, inputs["memory"], inputs["valid"], units)
            x = keras.layers.Concatenate(name="with_context")([x, context])
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    if memory and layers > 1:
        x = keras.layers.Concatenate(name="readout")([x, context])
    if memory and attentional:
        x = keras.layers.Dense(units, activation="tanh", name="attentional")(x)
    outputs["probabilities"] = probabilities(x, symbols)
    return keras.Model(inputs, outputs, name="decoder")


def _attend(asking, memory, valid, units):
    """(contexts [B, T, M], alignment [B, T, S])"""
    query = keras.layers.Dense(units, name="attention_query")(asking)
    keys = keras.layers.Dense(units, use_bias=False, name="attention_key")(memory)
    attention = keras.layers.AdditiveAttention(name="attention")
    return attention([query, memory, keys], mask=[None, valid], return_attention_scores=True)


def package(
    core: keras.Model, source: Side, target: Side, *, width: int, length_norm: float, longest: int
) -> keras.Model:
    """Strings [B] → {"answers": strings [B, W], "scores": [B, W]}, the best first.

    Args:
        width, length_norm, longest: as `BeamSearch` takes them.
    """
    texts = keras.Input([], dtype="string", name="texts")
    ids = text.vectorizer(source.vocabulary, source.split)(texts)
    search = BeamSearch(core, width, length_norm, longest, name="search")
    spelling = Spelling(target.vocabulary, BETWEEN[target.split], FIRST, name=spelled(target.split))
    found = search(ids)
    answers = {"answers": spelling(found["ids"]), "scores": found["scores"]}
    return keras.Model(texts, answers, name="package")


def spelled(split: text.Split) -> str:
    """The name of the layer that puts an answer together."""
    return f"answers_of_{split}s"


def source_in(package: keras.Model) -> Side:
    """What a packaged model reads."""
    return Side(text.split_in(package), text.vocabulary_in(package))


def target_in(package: keras.Model) -> Side:
    """What a packaged model answers in."""
    names = [layer.name for layer in package.layers]
    split: Any = next(split for split in BETWEEN if spelled(split) in names)
    return Side(split, package.get_layer(spelled(split)).vocabulary)


@functools.lru_cache(maxsize=4)
def asking(package: keras.Model, width: int | None = None) -> Any:
    """What the encoder reads → answers [B, W] and scores [B, W]; traced once for a package.

    width: W, if it is to be another than that of the package.
    """
    finder, split = package.get_layer("search"), target_in(package).split
    spelling, read = package.get_layer(spelled(split)), finder.core.get_layer("encoder").input

    @tf.function(input_signature=[tf.TensorSpec(read.shape, read.dtype)])
    def ask(given):
        found = search(
            finder.core, given, width or finder.width, finder.length_norm, finder.longest
        )
        return spelling(found["ids"]), found["scores"]

    return ask


def has_attention(core: keras.Model) -> bool:
    return "alignment" in core.get_layer("decoder").output


def alignment(core: keras.Model, source: Any, target: Any) -> Any:
    """How much each step of targets, ids [B, T], looks at each of sources [B, S]: [B, T, S]."""
    encode, decode = core.get_layer("encoder"), core.get_layer("decoder")
    return decode(decoder_inputs(decode, encode(source), target))["alignment"]
