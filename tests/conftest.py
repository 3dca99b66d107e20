"""Two logical CPUs, the same random numbers in every test, default precision after it."""

import functools
import os
import sys

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the first import of TensorFlow


@functools.cache  # once, before the first operation
def _two_logical_cpus():
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def reproducible():
    """Costs nothing in a run that never imported Keras: some tests check that it stays so."""
    if "keras" not in sys.modules:
        yield
        return
    import keras

    _two_logical_cpus()
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
