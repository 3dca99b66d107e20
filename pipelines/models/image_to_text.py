"""Images in, text out: a caption of an image (Vinyals et al. 2015, "Show and Tell"), or a story for
a sequence of images (Huang et al. 2016, "Visual Storytelling").

Encoder and decoder have the interface of `encoder_decoder`; the same beam search finds the text.
"""

from typing import Any

import keras

from ...layers.text.each_step import EachStep
from .encoder_decoder import decoder, decoder_inputs, recurrent_encoder
from .recurrent import Recurrent
from .vision import with_differences

PADDING_PIXEL = -1.0  # the value of all pixels of an image that pads a sequence


def image_to_text(
    recurrent: Recurrent,
    image_encoder: keras.Model,
    *,
    symbols: int,
    units: int,
    layers: int = 1,
    dropout: float = 0.0,
    normalization: str = "none",
) -> keras.Model:
    """{"pixels": [B, H, W, C], "target": ids [B, T]} → {"next": [B, T, K], "words": [B, K]}.

    "next" is the probability of each next word at each step. "words" is the probability that a word
    occurs in the text at all, predicted from the features of the image alone. It is an auxiliary
    output, like those of GoogLeNet: with a loss on all words at once, the convolutions learn much
    sooner which things the text mentions.

    The initial states of the decoder are zero. The image is the input of the first step, instead of
    the start symbol. (Vinyals et al. feed both, one after the other; the start symbol adds no
    information.)

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        image_encoder: pixels [B, H, W, C] → features [B, D]; D is also the size of a word's vector.
        symbols: size of the target vocabulary, special ids included, K.
        units: size of each decoder layer, H.
        layers: number of decoder layers.
        dropout: rate after the embeddings and after each recurrent layer.
        normalization: see `recurrent.normalized`.
    """
    states = len(recurrent(units).state_size)
    pixels = keras.Input(image_encoder.input_shape[1:], name="pixels")
    features = image_encoder(pixels)
    zeros = keras.ops.zeros_like(keras.ops.repeat(features[:, :1], units, axis=1))  # [B, H]
    encoded = {
        "image": features,
        "states": [zeros] * (layers * states),
        "words": _word_probabilities(symbols)(features),
    }
    decoder_model = decoder(
        recurrent,
        symbols=symbols,
        embedding=image_encoder.output_shape[-1],
        units=units,
        layers=layers,
        states=states,
        dropout=dropout,
        image=True,
        normalization=normalization,
    )
    return _join(keras.Model(pixels, encoded, name="encoder"), decoder_model)


def images_to_text(
    recurrent: Recurrent,
    image_encoder: keras.Model,
    *,
    symbols: int,
    embedding: int,
    units: int,
    layers: int = 1,
    attention: bool = False,
    dropout: float = 0.0,
    normalization: str = "none",
) -> keras.Model:
    """{"pixels": [B, F, H, W, C], "target": ids [B, T]} → {"next": [B, T, K], "words": [B, F, K]}.

    As `image_to_text`, for sequences of F images; "words" are those in the description or sentence
    of each image. Images whose pixels are all `PADDING_PIXEL` pad a shorter sequence.

    The encoder sees events as differences: at each of P places, a dense layer with shared weights
    reads the features of the image and their change since the image before, and the recurrent
    encoder reads its outputs. Without that layer, the encoder would learn each event at each place
    separately. With differences of pixels instead of features, `image_encoder` would learn much
    more slowly.

    With attention, each word attends to the P places of all images (Xu et al. 2015): "memory"
    [B, F·P, M] and "valid" [B, F·P], image by image. The memory of a place consists of its
    features, their change, the output of the dense layer, its position (1 of P), and the output of
    the recurrent encoder for the image.

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        image_encoder: pixels [B, H, W, C] → features of P places [B, P, D].
        symbols: size of the target vocabulary, special ids included, K.
        embedding: size of a word's vector.
        units: size of each recurrent layer, of encoder and decoder.
        layers: number of recurrent layers, of encoder and decoder each.
        attention: attend to places of images, see `decoder`; otherwise the decoder has only the
            last states of the encoder.
        dropout: rate after features, embeddings and each recurrent layer.
        normalization: see `recurrent.normalized`.
    """
    pixels = keras.Input([None, *image_encoder.input_shape[1:]], name="pixels")
    # [B, F]; the threshold is half of PADDING_PIXEL: resizing in the serving model may round −1.
    valid = keras.ops.any(pixels > PADDING_PIXEL / 2, axis=[2, 3, 4])
    # Padding is replaced by the first image, so that it does not disturb batch normalisation.
    images = keras.ops.where(valid[:, :, None, None, None], pixels, pixels[:, :1])
    x = EachStep(image_encoder, name="each_picture")(images)  # [B, F, P, D]
    x = keras.layers.Dropout(dropout, name="features_dropout")(x)
    words = _word_probabilities(symbols)(_join_places(x))  # [B, F, K]
    x = with_differences(x)  # [B, F, P, 2D]
    events = keras.layers.Dense(image_encoder.output_shape[-1], "relu", name="each_place")(x)
    memory, states = recurrent_encoder(
        _join_places(events),
        valid,
        recurrent,
        units=units,
        layers=layers,
        dropout=dropout,
        normalization=normalization,
    )
    encoded = {"states": states, "words": words}
    if attention:
        encoded["memory"] = memory = _place_memory(keras.ops.concatenate([x, events], -1), memory)
        places = image_encoder.output_shape[1]
        encoded["valid"] = keras.ops.repeat(valid, places, axis=1)  # [B, F·P]
    decoder_model = decoder(
        recurrent,
        symbols=symbols,
        embedding=embedding,
        units=units,
        layers=layers,
        memory=memory.shape[-1] if attention else 0,
        attentional=True,
        states=len(states) // layers,
        dropout=dropout,
        normalization=normalization,
    )
    return _join(keras.Model(pixels, encoded, name="encoder"), decoder_model)


def _join_places(x: Any) -> Any:
    """[B, F, P, D] → [B, F, P·D]"""
    return keras.layers.Reshape([-1, x.shape[-2] * x.shape[-1]])(x)


def _place_memory(x: Any, image_memory: Any) -> Any:
    """Features [B, F, P, D] and outputs of the recurrent encoder [B, F, H] → memory [B, F·P, M]."""
    places = x.shape[2]
    number = keras.ops.cumsum(keras.ops.ones_like(x[..., 0], dtype="int32"), axis=2) - 1
    position = keras.ops.one_hot(number, places, dtype=x.dtype)  # [B, F, P, P]
    repeated = keras.ops.repeat(image_memory[:, :, None], places, axis=2)  # [B, F, P, H]
    x = keras.layers.Concatenate(name="memory_of_each")([x, position, repeated])
    return keras.layers.Reshape([-1, x.shape[-1]], name="memory")(x)


def _word_probabilities(symbols: int) -> keras.layers.Layer:
    return keras.layers.Dense(symbols, activation="sigmoid", dtype="float32", name="words")


def _join(encoder: keras.Model, decoder: keras.Model) -> keras.Model:
    pixels = keras.Input(encoder.input_shape[1:], name="pixels")
    target = keras.Input([None], dtype="int32", name="target")
    encoded = encoder(pixels)
    decoded = decoder(decoder_inputs(decoder, encoded, target))
    outputs = {"next": decoded["probabilities"], "words": encoded["words"]}
    return keras.Model({"pixels": pixels, "target": target}, outputs, name="core")


def word_predictor(core: keras.Model) -> keras.Model:
    """Pixels [B, H, W, C] → "words" [B, K], with the image encoder and weights of a network."""
    encoder = core.get_layer("encoder")
    takes_sequences = len(encoder.input_shape) == 5
    image_encoder = (
        encoder.get_layer("each_picture").layer if takes_sequences else encoder.get_layer("picture")
    )
    features = keras.layers.Flatten(name="side_by_side")(image_encoder.output)
    words = encoder.get_layer("words")(features)
    return keras.Model(image_encoder.input, words, name="words_of_pictures")
