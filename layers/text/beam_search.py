"""The likeliest outputs of an encoder-decoder, found symbol by symbol."""

from typing import Any

import keras
import tensorflow as tf

START, END = 2, 3  # ids; 0 is padding and 1 an unknown symbol, which are no answers either
_NEVER = -1e9  # the logarithm of a probability of zero, still a number


@keras.saving.register_keras_serializable("errorflow")
class BeamSearch(keras.layers.Layer):
    """ids [B, S] → {"ids": [B, W, T] int32, "scores": [B, W]}, the W best outputs, the best first.

    In each step every kept output is continued by every symbol, and of all these the W best stay;
    an output that has ended competes as it is. W = 1 is greedy search. Outputs are compared by

        score(y) = log p(y | x) / ((5 + |y|) / 6)^α          (Wu et al. 2016, without coverage)

    where |y| counts the end. The whole search is one graph, for the batch at once; it stops when
    all outputs have ended, or after `longest` symbols.

    Args:
        core: a functional model with two models in it: `encoder`, ids [B, S] → a dict with "states"
            (a list of [B, ·]) and whatever else the other takes; and `decoder`, a dict of these and
            "target" [B, T] → a dict with "probabilities" [B, T, K] and "states".
        width: W.
        length_norm: α; 0 compares bare probabilities, which favours short outputs.
        longest: symbols of an output, without its end.
    """

    def __init__(self, core: keras.Model, width: int, length_norm: float, longest: int, **kwargs):
        super().__init__(**kwargs)
        self.core, self.width, self.length_norm = core, width, length_norm
        self.longest = longest
        self._graph = tf.function(self._search, reduce_retracing=True, autograph=False)

    def build(self, input_shape):
        self.built = True

    def call(self, ids):
        return self._graph(ids)

    def _search(self, ids):
        return search(self.core, ids, self.width, self.length_norm, self.longest)

    def compute_output_spec(self, ids):
        spec = keras.KerasTensor
        return {
            "ids": spec([ids.shape[0], self.width, None], "int32"),
            "scores": spec([ids.shape[0], self.width], "float32"),
        }

    def get_config(self):
        return super().get_config() | {
            "core": keras.saving.serialize_keras_object(self.core),
            "width": self.width,
            "length_norm": self.length_norm,
            "longest": self.longest,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config | {"core": keras.saving.deserialize_keras_object(config["core"])})


def search(core, ids, width: int, length_norm: float, longest: int) -> dict[str, Any]:
    """`BeamSearch` as a function."""
    encoder, decoder = core.get_layer("encoder"), core.get_layer("decoder")
    encoded = tf.nest.map_structure(
        lambda tensor: tf.repeat(tensor, width, axis=0), encoder(ids, training=False)
    )  # [B·W, …]
    fixed = {name: encoded[name] for name in decoder.input if name in encoded and name != "states"}
    batch, symbols = tf.shape(ids)[0], decoder.output["probabilities"].shape[-1]

    def not_yet(step, beams, states):
        return tf.logical_not(tf.reduce_all(beams["ended"]))

    def step(step, beams, states):
        target = tf.reshape(beams["last"], [-1, 1])
        given = decoder({"target": target, "states": states, **fixed}, training=False)
        chances = tf.reshape(given["probabilities"], [batch, width, symbols])
        beams, parents = _best(beams, tf.math.log(chances), step, length_norm)
        return step + 1, beams, [_follow(state, parents) for state in given["states"]]

    _, beams, _ = tf.while_loop(
        not_yet,
        step,
        (0, _first_beams(batch, width, longest + 1), list(encoded["states"])),
        maximum_iterations=longest + 1,
    )
    return {"ids": beams["ids"][:, :, :longest], "scores": beams["score"]}


def _first_beams(batch, width, steps):
    """One output that is empty; the others of a beam are impossible, and soon replaced."""
    impossible = tf.tile(tf.constant([[0.0] + [_NEVER] * (width - 1)]), [batch, 1])
    return {
        "ids": tf.zeros([batch, width, steps], tf.int32),
        "last": tf.fill([batch, width], START),
        "logp": impossible,
        "score": impossible,
        "length": tf.zeros([batch, width]),
        "ended": tf.zeros([batch, width], tf.bool),
    }


def _best(beams, chances, step, length_norm):
    """The best continuations of all beams, and from which beam each is. chances: [B, W, K]."""
    width, symbols = chances.shape[1], chances.shape[2]
    answers = tf.range(symbols) >= END
    going_on = tf.where(answers, tf.maximum(chances, _NEVER), _NEVER)
    stopped = tf.where(tf.range(symbols) == 0, 0.0, _NEVER)  # padding behind the end, for nothing
    ended = beams["ended"][:, :, None]
    logp = beams["logp"][:, :, None] + tf.where(ended, stopped, going_on)
    length = beams["length"] + tf.cast(~beams["ended"], tf.float32)
    score = logp / (((5.0 + length) / 6.0) ** length_norm)[:, :, None]
    score, places = tf.math.top_k(tf.reshape(score, [-1, width * symbols]), width)
    parents, symbol = places // symbols, places % symbols
    kept = {name: tf.gather(beams[name], parents, batch_dims=1) for name in ("ids", "ended")}
    at = tf.range(tf.shape(beams["ids"])[2]) == step
    put_out = tf.where(symbol == END, 0, symbol)
    return {
        "ids": tf.where(at, put_out[:, :, None], kept["ids"]),
        "last": symbol,
        "logp": tf.gather(tf.reshape(logp, [-1, width * symbols]), places, batch_dims=1),
        "score": score,
        "length": tf.gather(length, parents, batch_dims=1),
        "ended": kept["ended"] | (symbol == END),
    }, parents


def _follow(state, parents):
    """The states of the beams that were gone on from, [B·W, H]."""
    beams = tf.reshape(state, [-1, parents.shape[1], state.shape[-1]])
    return tf.reshape(tf.gather(beams, parents, batch_dims=1), [-1, state.shape[-1]])
