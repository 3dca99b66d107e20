"""The main memory that training needs, and the memory that it reuses."""

import os
import platform
import subprocess
import sys

import pytest

STEP = """
import resource
import keras, numpy as np
from errorflow.pipelines.models import build

model = build({name!r})
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
loss = model.train_on_batch(np.ones([1, 224, 224, 3], "float32"), np.zeros([1]))
assert np.isfinite(loss)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet152", "vgg16"])
def test_a_step_at_full_size_stays_under_6_gb(name):
    process = subprocess.run(
        [sys.executable, "-c", STEP.format(name=name)], capture_output=True, text=True, check=True
    )
    kilobytes = int(process.stdout.split()[-1])
    assert kilobytes < 6e6, f"{name}: {kilobytes / 1e6:.2f} GB"


FAULTS = """
import resource, sys
import numpy as np
from errorflow.pipelines.core.devices import keep_freed_memory

if "keep" in sys.argv:
    keep_freed_memory()
    import tensorflow as tf

    one = tf.TensorSpec([])
    for _ in tf.data.Dataset.from_generator(lambda: iter([1.0]), output_signature=one):
        pass
make = lambda: [np.ones(2**22, "float32") for _ in range(8)]  # 16 MB each
make()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    make()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the system's malloc is another one")
def test_memory_that_a_tensor_frees_is_reused_by_the_next_one():
    """Freed pages are reused, unless the user has configured malloc."""

    def faults(*words: str, **more: str) -> int:
        plain = {key: value for key, value in os.environ.items() if "MALLOC" not in key}
        return int(
            subprocess.check_output([sys.executable, "-c", FAULTS, *words], env=plain | more)
        )

    assert faults("keep") < 10 < faults() // 10
    assert faults("keep", MALLOC_ARENA_MAX="2") > 100
