"""Two logical CPUs, the same random numbers in every test, default precision after it.

TensorFlow, which takes seconds to import, is used only if the chosen tests have imported it.
"""

import os
import sys

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the first import of TensorFlow
# Tests compile many small programs and run each a few times.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_finish():
    """Split the CPU in two logical devices, which must be done before the first operation."""
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
