"""Do two workers of a search train on this device at the same time, and does a search that was
killed go on with the same command?

Each trial takes only the memory of the GPU that it needs, or the second worker would find none.
"""

import csv
import os
import shutil
import subprocess

from . import Failures, Form, Report
from .commands import finish, kill_when, start

SPACE = """\
model: lstm
units: [16, 24, 32, 48]
layers: 1
bidirectional: false
embedding: 32
batch_size: 128
"""


def run(form: Form) -> Report:
    failures, watcher = Failures(), Watcher(form)
    (form.folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    flags = ["names", "tune", "--directory", "searches", "--workers", 2, "--space", "space.yaml"]
    flags += ["--oracle", "random", "--max-trials", 4, "--epochs", form.choose(2, 1)]
    flags += ["--limit", form.choose(2000, 150)]
    rows = []
    with failures.guard("search"):
        kill_when(form, start(form, *flags), watcher.one_is_finished)
        finish(form, *flags)
        rows = trials(watcher.project)
        failures += wrong(rows, watcher)
    figures = {"trials": rows, "at_once": watcher.most, "gpu_memory_mb": watcher.memory}
    scored = sum(bool(row["score"]) for row in rows)
    return Report(f"{scored} trials with a score, {watcher.most} at once", figures, failures)


class Watcher:
    """Looks at the trials of a search while they run.

    Attributes:
        most: the largest number of trials that have begun and not ended.
        memory: the most memory of the GPU in use, as nvidia-smi says it, in MB.
    """

    def __init__(self, form):
        self.project = form.folder / "searches" / "names"
        self.most = 0
        self.memory = None

    def one_is_finished(self):
        """Return whether a trial has a result."""
        begun = {path.parent for path in self.project.glob("trial_*/log.txt")}
        ended = {path.parent for path in self.project.glob("trial_*/result.json")}
        self.most = max(self.most, len(begun - ended))
        used = memory_in_use()
        if used is not None:
            self.memory = max(self.memory or 0, used)
        return bool(ended)


def memory_in_use():
    """Return the MB of memory in use on the first GPU; None without nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return None
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.used"]
    command += ["--format=csv,noheader,nounits"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    numbers = process.stdout.split()
    return int(numbers[0]) if numbers and numbers[0].isdecimal() else None


def trials(project):
    """Return the rows of trials.csv."""
    with (project / "trials.csv").open(encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def wrong(rows, watcher):
    """Return what is wrong with a search that has ended."""
    if len(rows) != 4 or len({row["trial"] for row in rows}) != 4:
        yield f"trials.csv has the trials {[row['trial'] for row in rows]}, not four"
    for row in rows:
        if not row["score"]:
            yield f"trial {row['trial']} has no score: {row}"
    if watcher.most < 2:
        yield "two trials never ran at the same time"
