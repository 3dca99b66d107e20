"""Serving models that return sequences: strings or pixels in, the results of a beam search out.

Their layers: "search", a `BeamSearch` around the trained network, and a detokenizer.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ...layers.text.beam_search import BeamSearch, search
from ...layers.text.each_step import EachStep
from ...layers.text.sequences import Detokenizer
from ..datasets.images.resizing import resizing_layer
from .sequence_vocabulary import FIRST_SYMBOL, SEPARATOR, SequenceVocabulary
from .serving import make_serving_model
from .text_serving import Split, split_in, vectorizer, vocabulary_in


def build_text_serving_model(
    core: keras.Model,
    source: SequenceVocabulary,
    target: SequenceVocabulary,
    *,
    width: int,
    length_norm: float,
    max_length: int,
) -> keras.Model:
    """Strings [B] → {"answers": strings [B, W], "scores": [B, W]}, the best first.

    Args:
        core: the trained encoder-decoder.
        source: vocabulary of the strings.
        target: vocabulary of the answers.
        width: beam width, W.
        length_norm: exponent of the length normalisation, see `BeamSearch`.
        max_length: maximum number of symbols of an answer.
    """
    texts = keras.Input([], dtype="string", name="texts")
    read = vectorizer(source.symbols, source.split)
    beam_search = BeamSearch(core, width, length_norm, max_length, name="search")
    return make_serving_model(texts, lambda texts: _outputs(beam_search(read(texts)), target))


def build_image_serving_model(
    core: keras.Model,
    target: SequenceVocabulary,
    *,
    width: int,
    length_norm: float,
    max_length: int,
) -> keras.Model:
    """Pixels 0 … 255 of any size → {"answers": strings [B, W], "scores": [B, W]}, the best first.

    It takes [B, H, W, C], or [B, F, H, W, C] if the network takes sequences of images.

    Args:
        core: the trained encoder-decoder.
        target, width, length_norm, max_length: as in `build_text_serving_model`.
    """
    *frames, rows, columns, channels = core.input["pixels"].shape[1:]
    resizing = resizing_layer(rows, columns)
    if frames:
        resizing = EachStep(resizing, name="size_of_each")
    pixels = keras.Input([*frames, None, None, channels], name="pixels")
    beam_search = BeamSearch(core, width, length_norm, max_length, name="search")
    # `training` of Resizing is True by default and would be passed on to all layers after it.
    return make_serving_model(
        pixels, lambda pixels: _outputs(beam_search(resizing(pixels, training=False)), target)
    )


def _outputs(results: dict[str, Any], target: SequenceVocabulary) -> dict[str, Any]:
    detokenizer = Detokenizer(
        target.symbols,
        SEPARATOR[target.split],
        FIRST_SYMBOL,
        name=_detokenizer_name(target.split),
    )
    return {"answers": detokenizer(results["ids"]), "scores": results["scores"]}


def _detokenizer_name(split: Split) -> str:
    return f"answers_of_{split}s"


def source_vocabulary(serving_model: keras.Model) -> SequenceVocabulary:
    """Return the vocabulary of the strings that a serving model takes."""
    return SequenceVocabulary(split_in(serving_model), vocabulary_in(serving_model))


def target_vocabulary(serving_model: keras.Model) -> SequenceVocabulary:
    """Return the vocabulary of a serving model's answers."""
    names = [layer.name for layer in serving_model.layers]
    split: Any = next(split for split in SEPARATOR if _detokenizer_name(split) in names)
    return SequenceVocabulary(split, serving_model.get_layer(_detokenizer_name(split)).vocabulary)


@functools.lru_cache(maxsize=4)
def traced_search(
    serving_model: keras.Model, width: int | None = None
) -> Callable[[Any], tuple[Any, Any]]:
    """Return the beam search of a serving model as a function that is traced once.

    Args:
        serving_model: a model built by this module.
        width: beam width W; by default that of the serving model.

    Returns:
        A function: inputs of the encoder → (answers [B, W], scores [B, W]).
    """
    layer = serving_model.get_layer("search")
    detokenizer = serving_model.get_layer(_detokenizer_name(target_vocabulary(serving_model).split))
    inputs = layer.core.get_layer("encoder").input

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)])
    def run(encoder_inputs):
        options = width or layer.width, layer.length_norm, layer.longest
        results = search(layer.core, encoder_inputs, *options, training=False)
        return detokenizer(results["ids"]), results["scores"]

    return run
