"""Pictures in, words out: an image and its caption (Show and Tell, Vinyals et al. 2015), or several
images and their story (Huang et al. 2016).

Encoder and decoder as in `encoder_decoder`, so that the same beam search finds the words.
"""

from typing import Any

import keras

from ...layers.text.beam_search import BeamSearch
from ...layers.text.text_layers import EachStep, Spelling
from .encoder_decoder import decoder, decoder_inputs, recurrent_encoder, spelled
from .image_serving import resizing
from .recurrent import Recurrent
from .sequence_vocabulary import BETWEEN, FIRST, Side
from .vision import beside_their_changes

NO_PICTURE = -1.0  # the pixels of what fills up a sequence of pictures


def image_to_words(
    recurrent: Recurrent,
    picture: keras.Model,
    *,
    symbols: int,
    units: int,
    layers: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """{"pixels": [B, H, W, C], "target": ids [B, T]} → {"next", "words"}.

    "next" [B, T, K] are the probabilities of the next word at each step. "words" [B, K], those that
    a word is in the text at all, are asked of the picture's vector alone: an auxiliary answer, as
    GoogLeNet has; through a loss on all words at once the convolutions learn much sooner what there
    is to tell.

    The decoder begins with states of zero. It sees the image once, as the vector of its first step;
    Vinyals et al. show it the start symbol's vector after that, which says nothing new.

    Args:
        picture: pixels → [B, D]; D is the size of a word's vector too.
        symbols: K, special ids included.
        units, layers: of the decoder.
        dropout: share left out of vectors and of what each layer puts out.
    """
    states = len(recurrent(units).state_size)
    pixels = keras.Input(picture.input_shape[1:], name="pixels")
    seen = picture(pixels)
    nothing = keras.ops.zeros_like(keras.ops.repeat(seen[:, :1], units, axis=1))  # [B, H]
    given = {
        "image": seen,
        "states": [nothing] * (layers * states),
        "words": _which_words(symbols)(seen),
    }
    decode = decoder(
        recurrent,
        symbols=symbols,
        embedding=picture.output_shape[-1],
        units=units,
        layers=layers,
        states=states,
        dropout=dropout,
        image=True,
    )
    return _joined(keras.Model(pixels, given, name="encoder"), decode)


def images_to_words(
    recurrent: Recurrent,
    picture: keras.Model,
    *,
    symbols: int,
    embedding: int,
    units: int,
    layers: int = 1,
    attention: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """{"pixels": [B, F, H, W, C], "target": ids [B, T]} → as `image_to_words`.

    Here "words" [B, F, K] are asked of each picture, for what is told of it alone. Each layer of
    the decoder begins with the last states of the encoder's layer of that number. What happens is
    seen by a dense layer, the same at each place, in the features there beside how they differ from
    those of the picture before; the encoder reads what it finds at all places. Read from the
    features themselves, it would be learned at each place anew. Were the pixels' difference shown
    to `picture`, it would learn to read much more slowly. Pictures whose pixels are all
    `NO_PICTURE` fill up a sequence shorter than F.

    With attention each word looks at the P places of every picture (Xu et al. 2015): "memory"
    [B, F P, M] and "valid" [B, F P] have them one after the other. A place's part of it is what
    `picture` makes of it, how that differs from the picture before, what happens there, where it is
    (1 of P), and what the encoder puts out for the picture.

    Args:
        picture: what looks at one picture, pixels → features of P places [B, P, D].
        symbols: K, special ids included.
        embedding: size of a word's vector.
        units, layers: of encoder and decoder each.
        attention: as `decoder` has it, over places of pictures; otherwise it has the states alone.
        dropout: share left out of vectors, features and of what each layer puts out.
    """
    pixels = keras.Input([None, *picture.input_shape[1:]], name="pixels")
    valid = keras.ops.any(pixels > NO_PICTURE / 2, axis=[2, 3, 4])  # [B, F]; scaling rounds them
    places = picture.output_shape[1]
    # What fills up is looked at as if it were the first picture: batch normalisation sees it too.
    looked_at = keras.ops.where(valid[:, :, None, None, None], pixels, pixels[:, :1])
    x = EachStep(picture, name="each_picture")(looked_at)  # [B, F, P, D]
    x = keras.layers.Dropout(dropout, name="features_dropout")(x)
    words = _which_words(symbols)(_side_by_side(x))  # [B, F, K]
    x = beside_their_changes(x)  # [B, F, P, 2D]
    happens = keras.layers.Dense(picture.output_shape[-1], "relu", name="each_place")(x)
    memory, last = recurrent_encoder(
        _side_by_side(happens), valid, recurrent, units=units, layers=layers, dropout=dropout
    )
    given = {"states": last, "words": words}
    if attention:
        given["memory"] = memory = _of_places(keras.ops.concatenate([x, happens], -1), memory)
        given["valid"] = keras.ops.repeat(valid, places, axis=1)  # [B, F P]
    decode = decoder(
        recurrent,
        symbols=symbols,
        embedding=embedding,
        units=units,
        layers=layers,
        memory=memory.shape[-1] if attention else 0,
        attentional=True,
        states=len(last) // layers,
        dropout=dropout,
    )
    return _joined(keras.Model(pixels, given, name="encoder"), decode)


def _side_by_side(places: Any) -> Any:
    """[B, F, P, D] → [B, F, P D]"""
    return keras.layers.Reshape([-1, places.shape[-2] * places.shape[-1]])(places)


def _of_places(x: Any, memory: Any) -> Any:
    """Of places [B, F, P, D] and pictures [B, F, H]: what there is of each place, [B, F P, M]."""
    places = x.shape[2]
    number = keras.ops.cumsum(keras.ops.ones_like(x[..., 0], dtype="int32"), axis=2) - 1
    where = keras.ops.one_hot(number, places, dtype=x.dtype)  # [B, F, P, P]
    of_all = keras.ops.repeat(memory[:, :, None], places, axis=2)  # [B, F, P, H]
    x = keras.layers.Concatenate(name="memory_of_each")([x, where, of_all])
    return keras.layers.Reshape([-1, x.shape[-1]], name="memory")(x)


def _which_words(symbols: int) -> keras.layers.Layer:
    return keras.layers.Dense(symbols, activation="sigmoid", dtype="float32", name="words")


def _joined(encode: keras.Model, decode: keras.Model) -> keras.Model:
    pixels = keras.Input(encode.input_shape[1:], name="pixels")
    target = keras.Input([None], dtype="int32", name="target")
    encoded = encode(pixels)
    given = decode(decoder_inputs(decode, encoded, target))
    outputs = {"next": given["probabilities"], "words": encoded["words"]}
    return keras.Model({"pixels": pixels, "target": target}, outputs, name="core")


def words_of_pictures(core: keras.Model) -> keras.Model:
    """Pixels [B, H, W, C] → "words" [B, K], by what looks at each picture in a core."""
    encoder = core.get_layer("encoder")
    several = len(encoder.input_shape) == 5
    picture = encoder.get_layer("each_picture").layer if several else encoder.get_layer("picture")
    words = encoder.get_layer("words")(keras.layers.Flatten(name="side_by_side")(picture.output))
    return keras.Model(picture.input, words, name="words_of_pictures")


def package(
    core: keras.Model, target: Side, *, width: int, length_norm: float, longest: int
) -> keras.Model:
    """Pixels 0 … 255 of any size → {"answers": strings [B, W], "scores": [B, W]}, the best first.

    It takes [B, H, W, C], or [B, F, H, W, C] where the core takes several pictures.

    Args:
        width, length_norm, longest: as `BeamSearch` takes them.
    """
    *several, rows, columns, channels = core.input["pixels"].shape[1:]
    size = resizing(rows, columns)
    if several:
        size = EachStep(size, name="size_of_each")
    pixels = keras.Input([*several, None, None, channels], name="pixels")
    search = BeamSearch(core, width, length_norm, longest, name="search")
    # Resizing's `training` is True by default, and would hold for all layers after it.
    found = search(size(pixels, training=False))
    spelling = Spelling(target.vocabulary, BETWEEN[target.split], FIRST, name=spelled(target.split))
    answers: dict[str, Any] = {"answers": spelling(found["ids"]), "scores": found["scores"]}
    return keras.Model(pixels, answers, name="package")
