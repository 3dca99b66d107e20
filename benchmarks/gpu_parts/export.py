"""Does a model that was trained and exported on this device answer alike on a CPU without a GPU?

Two tasks are trained with everything that a training records: names, with cuDNN's loop on a GPU,
and images, in a step that XLA compiles.
"""

import json
import os
import subprocess
import sys

from . import Failures, Form, Report, largest, too_large
from .exact import tf32_off

LIMIT = 1e-4  # of the difference of probabilities
TASKS = {
    "names": {"limit": 2000, "units": 64},
    "images": {"limit": 1000, "model": "lenet5", "jit": "on"},
}
REDUCED = {
    "names": {"limit": 150, "units": 4},
    "images": {"limit": 60, "model": "lenet5", "jit": "on"},
}


def run(form: Form) -> Report:
    from errorflow import pipelines

    failures, figures = Failures(), {}
    for task, settings in form.choose(TASKS, REDUCED).items():
        with failures.guard(task), tf32_off():
            trained = pipelines.train(task, run_dir=form.folder, epochs=1, **settings)
            figures[task] = differences(trained, form)
            failures += too_large(f"{task}, probabilities", figures[task], LIMIT)
    summary = f"largest difference of probabilities {largest(figures):.1e}"
    return Report(summary, {"limit": LIMIT, "differences": figures}, failures)


def differences(trained, form):
    """Return by format the largest difference between the probabilities here and on a CPU."""
    import numpy as np

    paths = trained.export("keras", "saved_model") | {"best.keras": trained.folder.best}
    inputs = trained.task.export_inputs(trained.model).inputs
    here = trained.model(inputs)["probabilities"].numpy()
    array = np.asarray(inputs)
    is_text = array.dtype == object  # of bytes
    np.save(
        form.folder / "inputs.npy", np.strings.decode(array.astype(bytes)) if is_text else array
    )
    there = answers_on_cpu(paths, form)
    return {name: float(np.abs(np.array(rows) - here).max()) for name, rows in there.items()}


def answers_on_cpu(paths, form):
    """Return the probabilities by model, from a process that sees no GPU."""
    request = {"inputs": str(form.folder / "inputs.npy")}
    request["models"] = {name: str(path) for name, path in paths.items()}
    process = subprocess.run(
        [sys.executable, "-m", "gpu_parts.answers"],
        input=json.dumps(request),
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=max(form.seconds_left, 1),
        check=False,
    )
    if process.returncode:
        raise RuntimeError(f"the process on the CPU ended with exit code {process.returncode}")
    return json.loads(process.stdout.splitlines()[-1])
