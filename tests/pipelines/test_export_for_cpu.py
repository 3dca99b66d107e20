"""A network that is exported on a GPU runs on a CPU: no operation of cuDNN is in the files.

Here TensorFlow says that there is a GPU, as in tests/layers/test_cudnn.py.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.models.encoder_decoder import encoder_decoder
from errorflow.pipelines.models.recurrent import CELLS, sequence_to_label
from errorflow.pipelines.models.sequence_serving import build_text_serving_model
from errorflow.pipelines.models.sequence_vocabulary import SequenceVocabulary
from errorflow.pipelines.models.text_serving import build_serving_model
from errorflow.pipelines.training.export_litert import write_litert
from errorflow.pipelines.training.export_onnx import write_onnx
from errorflow.pipelines.training.export_signature import one_of
from errorflow.pipelines.training.network_parts import parts_of, recorded

CUDNN = b"CudnnRNN"


pytestmark = pytest.mark.usefixtures("seeming_gpu")


def network(cell):
    core = sequence_to_label(CELLS[cell], vocabulary_size=5, labels=2, embedding=3, units=4)
    return build_serving_model(core, [*"abc"], ["x", "y"], "character")


def search():
    core = encoder_decoder(
        CELLS["lstm"], source_symbols=5, target_symbols=7, embedding=3, units=4, attention=True
    )
    a = SequenceVocabulary("character", [*"abc"])
    return build_text_serving_model(core, a, a, width=2, length_norm=0.6, max_length=4)


MODELS = {cell: functools.partial(network, cell) for cell in ("rnn", "lstm", "gru")}
MODELS |= {"beam search": search}
SLOW = {"rnn", "lstm", "gru"}  # the same path as in a beam search


def test_cudnn_would_be_found_in_a_saved_model(tmp_path):
    core = network("lstm").get_layer("core")
    spec = tf.TensorSpec([None, None], tf.int32)
    graph = tf.function(lambda ids: core(ids, training=False)).get_concrete_function(spec).graph
    assert CUDNN in graph.as_graph_def().SerializeToString()


@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in MODELS],
)
def test_no_operation_of_cudnn_is_in_a_saved_model(model, tmp_path):
    model = MODELS[model]()
    model.export(tmp_path / "model", format="tf_saved_model", verbose=False)
    assert CUDNN not in (tmp_path / "model" / "saved_model.pb").read_bytes()
    with tf.device("CPU:0"):
        loaded = tf.saved_model.load(tmp_path / "model")
        outputs = loaded.signatures["serving_default"](texts=tf.constant(["ab"]))
    assert all(np.asarray(value).size for value in outputs.values())


@pytest.mark.parametrize(
    ("model", "format_"),
    [
        ("lstm", "litert"),
        *(
            pytest.param(model, format_, marks=pytest.mark.slow)
            for model in MODELS
            for format_ in ("litert", "onnx")
            if (model, format_) != ("lstm", "litert")
        ),
    ],
)
def test_no_operation_of_cudnn_is_in_files_for_other_programs(model, format_, tmp_path):
    """Converters would fail on one, too."""
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "onnxruntime"}[format_])
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "tf2onnx"}[format_])
    with tf.device("CPU:0"):
        model = MODELS[model]()
        batches = recorded(model, lambda model: model(tf.constant(["ab", "c"])))
    for name, part in parts_of(model).items():
        path = tmp_path / f"{name}.{'tflite' if format_ == 'litert' else 'onnx'}"
        if format_ == "litert":
            write_litert(part, path)
        else:
            write_onnx(part, path, one_of(batches[name]))
        assert CUDNN not in path.read_bytes()
