"""Beam search, against the scores of every possible output."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow import layers
from errorflow.layers.text.beam_search import BeamSearch, search
from errorflow.layers.text.symbols import END, START
from errorflow.pipelines.models.encoder_decoder import encoder_decoder
from errorflow.pipelines.models.sequence_vocabulary import pad, shift_right

SYMBOLS = [4, 5, 6]
LONGEST = 3
IDS = np.array([[2, 3, 4, 0], [4, 4, 0, 0], [3, 2, 5, 2]], np.int32)  # [B, S]


@pytest.fixture(params=["LSTM", "GRU"])
def core(request) -> keras.Model:
    core = encoder_decoder(
        getattr(layers, request.param),
        source_symbols=6,
        target_symbols=7,
        embedding=3,
        units=4,
        layers=2,
        bidirectional=request.param == "GRU",
        attention=request.param == "GRU",
        reverse=request.param == "LSTM",
    )
    random = np.random.default_rng(0)
    core.set_weights([random.normal(size=w.shape, scale=1.5) for w in core.get_weights()])
    return core


def every_output():
    """Yield every possible output, with its end symbol if it has one."""
    for length in range(LONGEST + 1):
        for symbols in itertools.product(SYMBOLS, repeat=length):
            yield [*symbols, END]
    for symbols in itertools.product(SYMBOLS, repeat=LONGEST + 1):
        yield [*symbols]


def ranked(core, source, alpha) -> list[tuple[float, list[int]]]:
    """(score, output) of all outputs, best first, from the probabilities of whole outputs."""
    outputs = [*every_output()]
    targets = pad([np.array(output, np.int32) for output in outputs])
    sources = np.repeat(source[None], len(outputs), axis=0)
    chances = core({"source": sources, "target": shift_right(targets)}).numpy()
    logp = np.log(np.take_along_axis(chances, targets[..., None], axis=2))[..., 0]
    lengths = (targets != 0).sum(axis=1)
    scores = np.where(targets != 0, logp, 0).sum(axis=1) / ((5 + lengths) / 6) ** alpha
    return sorted(zip(scores.tolist(), outputs, strict=True), reverse=True)


@pytest.mark.parametrize("alpha", [0.0, 1.3])
def test_a_beam_that_holds_all_finds_the_best_of_all(core, alpha):
    width = 60
    best = search(core, tf.constant(IDS), width, alpha, LONGEST)
    for source, ids, scores in zip(IDS, best["ids"].numpy(), best["scores"].numpy(), strict=True):
        expected = ranked(core, source, alpha)
        np.testing.assert_allclose(scores[:5], [s for s, _ in expected[:5]], rtol=1e-4)
        likeliest = [symbol for symbol in expected[0][1] if symbol != END][:LONGEST]
        assert [*ids[0]] == likeliest + [0] * (LONGEST - len(likeliest))


def test_a_beam_of_one_is_greedy(core):
    best = search(core, tf.constant(IDS), 1, 0.0, LONGEST)["ids"].numpy()[:, 0]
    for source, ids in zip(IDS, best, strict=True):
        output: list[int] = []
        while len(output) < LONGEST:
            read = np.array([[START, *output]], np.int32)
            probabilities = core({"source": source[None], "target": read}).numpy()[0, -1].copy()
            probabilities[:END] = 0
            if probabilities.argmax() == END:
                break
            output.append(int(probabilities.argmax()))
        assert [*ids] == output + [0] * (LONGEST - len(output))


def test_padding_and_other_examples_change_nothing(core):
    together = search(core, tf.constant(IDS), 3, 0.6, LONGEST)
    alone = search(core, tf.constant(IDS[1:2, :2]), 3, 0.6, LONGEST)
    np.testing.assert_array_equal(together["ids"][1], alone["ids"][0])
    np.testing.assert_allclose(together["scores"][1], alone["scores"][0], rtol=1e-5)


@pytest.mark.parametrize(
    "core", ["LSTM", pytest.param("GRU", marks=pytest.mark.slow)], indirect=True
)
def test_the_layer_searches_in_one_graph_and_comes_back_from_a_file(core, tmp_path):
    ids = keras.Input([None], dtype="int32")
    layer = BeamSearch(core, 2, 0.6, LONGEST)
    model = keras.Model(ids, layer(ids))
    outputs = model(IDS)
    assert layer.graph.experimental_get_tracing_count() == 1
    model(IDS[:1, :2])
    model(IDS[:2, :3])
    assert layer.graph.experimental_get_tracing_count() == 2  # once more for any other shape
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")(IDS)
    np.testing.assert_array_equal(again["ids"], outputs["ids"])
    np.testing.assert_allclose(again["scores"], outputs["scores"], rtol=1e-6)
