"""Beam search: the likeliest outputs of an encoder-decoder, symbol by symbol."""

from typing import Any

import keras
import tensorflow as tf

from .symbols import END, PADDING, START

_IMPOSSIBLE = -1e9  # the logarithm of a probability of zero, but finite


@keras.saving.register_keras_serializable("errorflow")
class BeamSearch(keras.layers.Layer):
    """ids [B, S] → {"ids": [B, W, T] int32, "scores": [B, W]}, the W best outputs, best first.

    In each step every output of the beam is continued by every symbol, and the W best of all these
    are kept; a finished output competes unchanged. W = 1 is greedy search. Outputs are compared
    by

        score(y) = log p(y | x) / ((5 + |y|) / 6)^α          (Wu et al. 2016, without coverage)

    where |y| counts the end symbol. The whole search is one graph, for the whole batch at once; it
    stops when all outputs have ended, or after `longest` symbols.

    Args:
        core: a functional model that contains two models: `encoder`, from ids [B, S] to a dict with
            "states" (a list of [B, ·]) and the other inputs of the decoder; and `decoder`, from a
            dict of these and "target" [B, T] to a dict with "probabilities" [B, T, K] and "states".
        width: W.
        length_norm: α; 0 compares bare probabilities, which favours short outputs.
        longest: the largest number of symbols of an output, without the end symbol.
    """

    def __init__(
        self, core: keras.Model, width: int, length_norm: float, longest: int, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.core, self.width, self.length_norm = core, width, length_norm
        self.longest = longest
        self.graph = tf.function(self._search, reduce_retracing=True, autograph=False)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, ids: Any) -> dict[str, Any]:
        return self.graph(ids)

    def _search(self, ids):
        return search(self.core, ids, self.width, self.length_norm, self.longest)

    def compute_output_spec(self, ids: Any) -> dict[str, keras.KerasTensor]:
        return {
            "ids": keras.KerasTensor([ids.shape[0], self.width, None], "int32"),
            "scores": keras.KerasTensor([ids.shape[0], self.width], "float32"),
        }

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "core": keras.saving.serialize_keras_object(self.core),
            "width": self.width,
            "length_norm": self.length_norm,
            "longest": self.longest,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BeamSearch":
        return cls(**config | {"core": keras.saving.deserialize_keras_object(config["core"])})


def search(
    core: keras.Model,
    ids: Any,
    width: int,
    length_norm: float,
    longest: int,
    training: bool | None = None,
) -> dict[str, Any]:
    """Return the outputs that `BeamSearch` returns; most arguments are the same.

    Args:
        training: False for a graph that only this machine runs, so that recurrent layers may use
            cuDNN in it; None for one that may be exported.
    """
    encoder, decoder = core.get_layer("encoder"), core.get_layer("decoder")
    encoded = tf.nest.map_structure(
        lambda tensor: tf.repeat(tensor, width, axis=0), encoder(ids, training=training)
    )  # [B·W, …]
    fixed = {name: encoded[name] for name in decoder.input if name in encoded and name != "states"}
    batch, symbols = tf.shape(ids)[0], decoder.output["probabilities"].shape[-1]

    def unfinished(step, beams, states):
        return tf.logical_not(tf.reduce_all(beams["ended"]))

    def step(step, beams, states):
        target = tf.reshape(beams["last"], [-1, 1])
        decoded = decoder({"target": target, "states": states, **fixed}, training=training)
        probabilities = tf.reshape(decoded["probabilities"], [batch, width, symbols])
        beams, parents = _best(beams, tf.math.log(probabilities), step, length_norm)
        return step + 1, beams, [_select(state, parents) for state in decoded["states"]]

    _, beams, _ = tf.while_loop(
        unfinished,
        step,
        (0, _first_beams(batch, width, longest + 1), list(encoded["states"])),
        maximum_iterations=longest + 1,
    )
    return {"ids": beams["ids"][:, :, :longest], "scores": beams["score"]}


def _first_beams(batch, width, steps):
    """Return beams of one empty output; the other outputs are impossible, and soon replaced."""
    logp = tf.tile(tf.constant([[0.0] + [_IMPOSSIBLE] * (width - 1)]), [batch, 1])
    return {
        "ids": tf.zeros([batch, width, steps], tf.int32),
        "last": tf.fill([batch, width], START),
        "logp": logp,
        "score": logp,
        "length": tf.zeros([batch, width]),
        "ended": tf.zeros([batch, width], tf.bool),
    }


def _best(beams, log_probabilities, step, length_norm):
    """Return the best continuations of all beams, and the place in the beam that each continues.

    log_probabilities: [B, W, K].
    """
    width, symbols = log_probabilities.shape[1], log_probabilities.shape[2]
    allowed = tf.range(symbols) >= END  # neither padding, unknown nor start
    running = tf.where(allowed, tf.maximum(log_probabilities, _IMPOSSIBLE), _IMPOSSIBLE)
    stopped = tf.where(tf.range(symbols) == PADDING, 0.0, _IMPOSSIBLE)  # padding costs nothing
    ended = beams["ended"][:, :, None]
    logp = beams["logp"][:, :, None] + tf.where(ended, stopped, running)
    length = beams["length"] + tf.cast(~beams["ended"], tf.float32)
    score = logp / (((5.0 + length) / 6.0) ** length_norm)[:, :, None]
    score, places = tf.math.top_k(tf.reshape(score, [-1, width * symbols]), width)
    parents, symbol = places // symbols, places % symbols
    continued = {name: tf.gather(beams[name], parents, batch_dims=1) for name in ("ids", "ended")}
    now = tf.range(tf.shape(beams["ids"])[2]) == step
    written = tf.where(symbol == END, PADDING, symbol)
    return {
        "ids": tf.where(now, written[:, :, None], continued["ids"]),
        "last": symbol,
        "logp": tf.gather(tf.reshape(logp, [-1, width * symbols]), places, batch_dims=1),
        "score": score,
        "length": tf.gather(length, parents, batch_dims=1),
        "ended": continued["ended"] | (symbol == END),
    }, parents


def _select(state, parents):
    """Return the states of the beams that are continued, [B·W, H]."""
    beams = tf.reshape(state, [-1, parents.shape[1], state.shape[-1]])
    return tf.reshape(tf.gather(beams, parents, batch_dims=1), [-1, state.shape[-1]])
