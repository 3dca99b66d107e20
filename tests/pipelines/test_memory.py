"""What the largest networks need to train."""

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
    done = subprocess.run(
        [sys.executable, "-c", STEP.format(name=name)], capture_output=True, text=True, check=True
    )
    kilobytes = int(done.stdout.split()[-1])
    assert kilobytes < 6e6, f"{name}: {kilobytes / 1e6:.2f} GB"
