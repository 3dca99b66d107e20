"""Does a training that was killed on this device go on from its last epoch?"""

import csv
import json
import math

from . import Failures, Form, Report
from .commands import finish, kill_when, start


def run(form: Form) -> Report:
    failures, figures = Failures(), {}
    flags = ["names", "train", "--name", "killed", "--run-dir", "runs"]
    sizes = form.choose([3000, 64, 12], [150, 4, 12])
    flags += ["--limit", sizes[0], "--units", sizes[1], "--epochs", sizes[2], "--patience", 0]
    folder = form.folder / "runs" / "names" / "killed"
    with failures.guard("training"):
        kill_when(form, start(form, *flags), lambda: len(history(folder)) >= 2)
        before = len(history(folder))
        finish(form, *flags, "--resume")
        rows = history(folder)
        figures = {"epochs_before": before, "epochs": len(rows), "last": rows[-1]}
        figures["devices"] = devices(folder)
        failures += wrong(rows, sizes[2], figures["devices"], form)
    summary = (
        f"killed after {figures.get('epochs_before')} epochs, finished with {figures.get('epochs')}"
    )
    return Report(summary, figures, failures)


def history(folder):
    """Return the rows of history.csv."""
    try:
        with (folder / "history.csv").open(encoding="utf-8") as file:
            return [*csv.DictReader(file)]
    except FileNotFoundError:
        return []


def devices(folder):
    """Return the devices that the run names."""
    text = (folder / "environment.json").read_text(encoding="utf-8")
    return json.loads(text)["devices"]


def wrong(rows, epochs, names, form):
    """Return what is wrong with a run that was resumed."""
    numbers = [int(row["epoch"]) for row in rows]
    if numbers != [*range(1, epochs + 1)]:
        yield f"its epochs are {numbers}, not 1 to {epochs}"
    if not math.isfinite(float(rows[-1]["loss"])):
        yield f"its loss is {rows[-1]['loss']}"
    if not form.reduced and set(names) <= {"CPU"}:
        yield "it was trained on the CPU"
