"""Two logical CPUs, the same random numbers in every test, default precision after it.

TensorFlow, which takes seconds to import, is used only if the chosen tests have imported it.
"""

import gc
import os
import sys

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the first import of TensorFlow
os.environ.setdefault("ERRORFLOW_PROGRAMS", "")  # tests leave no compiled programs behind
# Tests compile many small programs and run each a few times.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


# Files of many seconds, the longest first: with two processes, none of them is the last one.
LONG_FILES = """
    test_trial test_page test_watch_in_place test_worker_failures test_every_task test_error_flow
    test_workers test_api test_layer_gradients test_actions test_first_edition test_predict
    test_explain test_error_in_training test_state_and_dropout test_pronounce test_tune
    test_documents
    test_conv_lstm test_run_places test_report_page test_names test_gates test_training test_stories
    test_guard test_beam_search test_captions test_per_step_gradients test_models test_html_report
    test_answers test_error_matrix test_pretrained test_gradients test_cells test_gpu test_cudnn
    test_conformance test_image_batches test_charts test_oracles test_doctor test_first_batch
    test_doctor_page test_doctors test_treated_models test_doctor_of_models test_remedies
"""


def pytest_configure(config):
    """Let xdist keep the order of the files, which is not that of their numbers of tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONG_FILES.split())}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish():
    """Leave all that was imported out of garbage collection, which looks at it again and again.

    Also, split the CPU in two logical devices, which must be done before the first operation.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)  # to trace a program makes many objects that stay
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)


@pytest.fixture(autouse=True)
def reproducible():
    """Does nothing if Keras was never imported: some tests check that it is not."""
    if "keras" not in sys.modules:
        yield
        return
    import keras

    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")


@pytest.fixture(scope="module", autouse=True)
def forget_training_steps():
    """After each file, let TensorFlow forget the graphs of its training steps, gigabytes in all.

    For each trace of a tf.custom_gradient, its registry of gradients keeps one for ever.
    """
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework.ops import gradient_registry

        registered = gradient_registry._registry
        for name in [name for name in registered if name.startswith("CustomGradient-")]:
            del registered[name]


@pytest.fixture(scope="session")
def two_replicas():
    """The one MirroredStrategy of the process: TensorFlow 2.21 fails with a second one on CPUs."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory):
    """A read-only folder of <Label>.txt with two classes that are easy to tell apart."""
    folder, random = tmp_path_factory.mktemp("two_classes"), np.random.default_rng(0)
    for label, letters in (("Long", "bcd"), ("Vowels", "aeiou")):
        words = {"".join(random.choice([*letters], random.integers(5, 12))) for _ in range(60)}
        (folder / f"{label}.txt").write_text("\n".join(sorted(words)), encoding="utf-8")
    return folder


@pytest.fixture
def seeming_gpu(monkeypatch):
    """TensorFlow says that it was built for CUDA, and that there is a GPU."""
    import tensorflow as tf

    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind=None: [] if kind == "CPU" else ["GPU:0"]
    )
    build = {"is_cuda_build": True, "is_rocm_build": False}
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: build)
