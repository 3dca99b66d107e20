"""How much error reaches the first letter of a word, with and without attention?

    python benchmarks/attention_error_flow.py    # writes benchmarks/attention.png

Two encoder-decoders learn to pronounce the words of CMUdict, one without and one with attention.
Each has one GRU layer of 128 units on both sides, and the encoder reads in one direction only, so
the first letter is the farthest from the output.

The script prints the error at the first letter divided by the largest error at any phone, at the
first training step and over the last tenth of the training. Then, for words of eight letters and
eight symbols of output, it back-propagates the loss of the last phone alone and prints the error at
each letter divided by the error at that phone.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LETTERS, WORDS = 8, 512
PATHS = ("encoder/rnn_1", "decoder/rnn_1")


def train(pairs, source, target, attention, epochs):
    """Return the trained network and the joined errors of encoder and decoder."""
    import keras
    from errorflow.callbacks import ErrorFlow
    from errorflow.layers import GRU
    from errorflow.pipelines.models.encoder_decoder import encoder_decoder
    from errorflow.pipelines.models.sequence_vocabulary import FIRST_SYMBOL
    from errorflow.pipelines.training.batching import Batches

    keras.utils.set_random_seed(1)
    network = encoder_decoder(
        GRU,
        source_symbols=len(source.symbols) + 2,
        target_symbols=len(target.symbols) + FIRST_SYMBOL,
        embedding=64,
        units=128,
        attention=attention,
        dropout=0.1,
    )
    optimizer = keras.optimizers.Adam(2e-3, global_clipnorm=1.0)
    network.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    batches = Batches(pairs.lengths, pairs.take, 128, seed=1)
    flow = ErrorFlow(joined={"both": PATHS})
    for batches.epoch in range(epochs):
        network.fit(batches.dataset(), shuffle=False, verbose=2, callbacks=[flow])
    return network, flow.history["both"]


def share_of_last_phone(network, pairs):
    """Return ‖δ‖ at each letter, of the last phone's loss alone, over ‖δ‖ at that phone's step."""
    import keras
    import numpy as np
    import tensorflow as tf

    chosen = np.flatnonzero((pairs.lengths == (LETTERS, LETTERS)).all(axis=1))[:WORDS]
    inputs, targets, _ = pairs.take(chosen, (LETTERS, LETTERS))
    last = LETTERS - 2  # the step before the end symbol
    with tf.GradientTape() as tape:
        outputs = network({name: tf.constant(ids) for name, ids in inputs.items()})
        losses = keras.losses.sparse_categorical_crossentropy(targets[:, last], outputs[:, last])
        loss = tf.reduce_mean(losses)
    tape.gradient(loss, network.trainable_variables)
    encoder, decoder = (network.get_layer(path.split("/")[0]).get_layer("rnn_1") for path in PATHS)
    return encoder.error.hidden / decoder.error.hidden[last]


def load(limit):
    """Return CMUdict's training pairs as ids, and the vocabularies of letters and phones."""
    from errorflow.pipelines.datasets.pairs.pair_data import load_pairs
    from errorflow.pipelines.models.sequence_vocabulary import SequenceVocabulary
    from errorflow.pipelines.models.text_serving import build_vocabulary
    from errorflow.pipelines.pronounce.pairs import encode_pairs

    words = load_pairs(limit=limit).train
    phones = [target for targets in words.targets for target in targets]
    source = SequenceVocabulary("character", build_vocabulary(words.sources, "character"))
    target = SequenceVocabulary("phone", build_vocabulary(phones, "phone"))
    return encode_pairs(words, "train", source, target, 32), source, target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, help="maximum number of training words (default: all)")
    picture = Path(__file__).with_name("attention.png")
    parser.add_argument("--picture", type=Path, default=picture, help="where to write the picture")
    args = parser.parse_args()
    import numpy as np
    from errorflow.callbacks.drawing import figures
    from errorflow.callbacks.findings.encoder_decoder import first_to_largest

    pairs, source, target = load(args.limit)
    histories = {}
    for title, attention in (("without attention", False), ("with attention", True)):
        network, histories[title] = train(pairs, source, target, attention, args.epochs)
        ratios = first_to_largest(histories[title])
        late = np.nanmedian(ratios[-len(ratios) // 10 :])
        print(f"{title}: first letter / largest: {ratios[0]:.3f} at step 1, {late:.3f} at the end")
        shares = " ".join(f"{share:.3f}" for share in share_of_last_phone(network, pairs))
        print(f"{title}: error of the last phone at letters 1 to {LETTERS}: {shares}")
    figures.error_flow(histories).savefig(args.picture, dpi=110)
    print(args.picture)


if __name__ == "__main__":
    main()
