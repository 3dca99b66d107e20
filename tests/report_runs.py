"""Run folders for reports, with event files that are written directly."""

import io
import json

import event_files
import numpy as np
from errorflow.callbacks.recording.blocks import pack
from errorflow.callbacks.recording.rows import Rows
from errorflow.pipelines.core.files import write_json
from errorflow.pipelines.core.run_folder import RunFolder
from PIL import Image

FLOW = ("hidden", "carried", "cell", "valid")


def record(kind, name, statistics, values, steps=None, **about):
    """One record of an event file: (content of its metadata, block). Values are [S, N, W]."""
    content = {"kind": kind, "name": name, "statistics": [*statistics], **about}
    count, width = values.shape[1:]
    steps = np.arange(1, count + 1) if steps is None else steps
    rows = Rows(steps, np.full(count, width), values.astype(np.float32), [*statistics])
    return json.dumps(content).encode(), pack(rows)


def flow(name, rows=20, width=12, seed=0, **about):
    """An error that enters at the last time step and vanishes, with noise."""
    noise = np.random.default_rng(seed).lognormal(0, 0.3, [len(FLOW), rows, width])
    values = noise * 10.0 ** np.linspace(-8, -1, width)
    values[1] = values[0]
    values[1, :, -1] = 0  # nothing is carried to the last time step
    values[-1] = 16  # examples
    return record("error_flow", name, FLOW, values, **about)


def gradients(layers, rows=20, seed=0):
    values = np.random.default_rng(seed).lognormal(-5, 1, [2, rows, len(layers)])
    return record("layer_gradients", "", ("norm", "ratio"), values, layers=[*layers])


def gates(name, epochs=5, width=12, seed=0):
    statistics = [
        f"{gate}{part}" for gate in ("input", "forget") for part in ("", "_closed", "_open")
    ]
    values = np.random.default_rng(seed).random([len(statistics), epochs, width])
    return record("gates", name, statistics, values)


def run_folder(folder, name, results=(), settings="units: 3\n", **records):
    """A finished run with these records in logs/train."""
    run = RunFolder(folder / "names" / name)
    run.plots.mkdir(parents=True)
    write_json(run.results_file, {"status": "finished", **dict(results)})
    run.config_file.write_text(settings, encoding="utf-8")
    event_files.write(run.logs / "train", "errorflow", **records)
    return run


def picture():
    """The content of a PNG file."""
    png = io.BytesIO()
    Image.new("RGB", (4, 4), "navy").save(png, "png")
    return png.getvalue()
