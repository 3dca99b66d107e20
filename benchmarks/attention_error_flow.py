"""How much error reaches the first letter of a word, with attention and without?

    python benchmarks/attention_error_flow.py    # writes benchmarks/attention.png

Two encoder-decoders learn to pronounce CMUdict's words side by side in time: one GRU layer each, of
128 units, and an encoder that reads one way, so that the first letter is the furthest. Printed is
the error at the first letter over the largest one at a phone, at the first training step and over
the last tenth; then, for words of eight letters alone, the share of the error of the *last* phone
that arrives at each letter: the loss of that phone sent back by itself.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from errorflow.callbacks import ErrorFlow
from errorflow.callbacks.drawing import figures
from errorflow.callbacks.findings.encoder_decoder import first_to_largest
from errorflow.layers import GRU
from errorflow.pipelines.datasets.pairs.pair_data import load_pairs
from errorflow.pipelines.models import encoder_decoder, text_serving
from errorflow.pipelines.models.sequence_vocabulary import (
    FIRST_SYMBOL,
    ExactMatch,
    SequenceVocabulary,
)
from errorflow.pipelines.pronounce.pairs import encode_pairs
from errorflow.pipelines.training.batching import Batches

LETTERS, WORDS = 8, 512
PATHS = ("encoder/rnn_1", "decoder/rnn_1")


def train(pairs, source, target, attention, epochs):
    """(the network, its joined errors while it learned)"""
    keras.utils.set_random_seed(1)
    core = encoder_decoder.encoder_decoder(
        GRU,
        source_symbols=len(source.symbols) + 2,
        target_symbols=len(target.symbols) + FIRST_SYMBOL,
        embedding=64,
        units=128,
        attention=attention,
        dropout=0.1,
    )
    core.compile(
        keras.optimizers.Adam(2e-3, global_clipnorm=1.0),
        "sparse_categorical_crossentropy",
        metrics=[ExactMatch(name="right")],
        jit_compile=False,
    )
    feed, flow = Batches(pairs.lengths, pairs.take, 128, seed=1), ErrorFlow(joined={"both": PATHS})
    for feed.epoch in range(epochs):
        core.fit(feed.dataset(), shuffle=False, verbose=2, callbacks=[flow])
    return core, flow.history["both"]


def of_the_last_phone(core, pairs):
    """‖δ‖ at each letter, of the loss of the last phone alone, over ‖δ‖ at that phone's step."""
    chosen = np.flatnonzero((pairs.lengths == (LETTERS, LETTERS)).all(axis=1))[:WORDS]
    inputs, wanted, _ = pairs.take(chosen, (LETTERS, LETTERS))
    last = LETTERS - 2  # the step before the end
    with tf.GradientTape() as tape:
        given = core({name: tf.constant(ids) for name, ids in inputs.items()})
        loss = keras.losses.sparse_categorical_crossentropy(wanted[:, last], given[:, last])
        loss = tf.reduce_mean(loss)
    tape.gradient(loss, core.trainable_variables)
    encoder, decoder = (core.get_layer(path.split("/")[0]).get_layer("rnn_1") for path in PATHS)
    return encoder.error.hidden / decoder.error.hidden[last]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, help="training words at most (default: all)")
    options = parser.parse_args()
    data = load_pairs(limit=options.limit)
    targets = [target for several in data.train.targets for target in several]
    source = SequenceVocabulary(
        "character", text_serving.build_vocabulary(data.train.sources, "character")
    )
    target = SequenceVocabulary("phone", text_serving.build_vocabulary(targets, "phone"))
    pairs = encode_pairs(data.train, "train", source, target, 32)
    shown = {}
    for title, attention in (("without attention", False), ("with attention", True)):
        core, shown[title] = train(pairs, source, target, attention, options.epochs)
        shares = first_to_largest(shown[title])
        late = np.nanmedian(shares[-len(shares) // 10 :])
        print(f"{title}: first letter over largest: {shares[0]:.3f} at step 1, {late:.3f} late")
        errors = " ".join(f"{share:.3f}" for share in of_the_last_phone(core, pairs))
        print(f"{title}: last phone's error at letters 1 to {LETTERS}: {errors}")
    picture = Path(__file__).with_name("attention.png")
    figures.error_flow(shown).savefig(picture, dpi=110)
    print(picture)


if __name__ == "__main__":
    main()
