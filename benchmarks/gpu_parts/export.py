"""Does a model that was trained and exported on this device answer alike on a CPU without a GPU?"""

import json
import os
import subprocess
import sys

from . import Failures, Form, Report
from .exact import tf32_off

LIMIT = 1e-4  # of the difference of probabilities
NAMES = ["Nakamura", "Kowalski", "Müller", "O'Brien"]


def run(form: Form) -> Report:
    from errorflow import pipelines

    failures, figures = Failures(), {}
    with failures.guard("names"), tf32_off():
        run = pipelines.train(
            "names",
            run_dir=form.folder,
            epochs=1,
            limit=form.choose(2000, 150),
            units=form.choose(64, 4),
        )
        figures = differences(run, form.seconds_left)
        failures += [
            f"{name}: probabilities differ by {value:.1e}"
            for name, value in figures.items()
            if not value <= LIMIT
        ]
    worst = max(figures.values(), default=float("nan"))
    summary = f"largest difference of probabilities {worst:.1e}"
    return Report(summary, {"limit": LIMIT, "differences": figures}, failures)


def differences(run, seconds):
    """Return by format the largest difference between the probabilities here and on a CPU."""
    import numpy as np

    paths = run.export("keras", "saved_model")
    here = run.model(np.array(NAMES))["probabilities"].numpy()
    there = answers_on_cpu(paths | {"best.keras": run.folder.best}, seconds)
    return {name: float(np.abs(np.array(rows) - here).max()) for name, rows in there.items()}


def answers_on_cpu(paths, seconds):
    """Return the probabilities by model, from a process that sees no GPU."""
    process = subprocess.run(
        [sys.executable, "-m", "gpu_parts.answers"],
        input=json.dumps({"names": NAMES, "paths": {name: str(p) for name, p in paths.items()}}),
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=max(seconds, 1),
        check=False,
    )
    if process.returncode:
        raise RuntimeError(f"the process on the CPU ended with exit code {process.returncode}")
    return json.loads(process.stdout.splitlines()[-1])
