"""How a trial went: from its run folders to result.json, and to TensorBoard's HParams."""

import math
import statistics
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..core.files import read_json
from ..core.run_folder import RunFolder, read_history
from .trial_folder import Request, run_path, runs_in


def why(error: Exception) -> str:
    """In one line; what is no mistake of the configuration is also told in full, on stderr."""
    text = textwrap.shorten(str(error), 400, placeholder=" …")
    if isinstance(error, UserError):
        return text
    import traceback

    traceback.print_exception(error)
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return f"out of memory: {text or kind}"
    return f"{kind}: {text}"


def result_of(folder: Path, request: Request, failure: str | None) -> dict[str, Any]:
    """What is known from the run folders."""
    done = runs_in(folder, request)
    first = done[0].results() if done else {}
    objective: Any = first.get("objective") or request.objective
    executions = [_execution(run, objective) for run in done if objective]
    ending = first.get("stopped") or {"status": "completed", "reason": None}
    if failure:
        ending = {"status": "failed", "reason": failure}
    scores = [] if failure else [one["score"] for one in executions]
    environment = read_json(done[0].path / "environment.json") if done else {}
    compiling = [s for run in done if (s := run.results().get("compile_seconds")) is not None]
    return {
        **ending,
        "objective": objective,
        "score": statistics.fmean(scores) if scores else None,
        "best_epoch": executions[0]["best_epoch"] if executions else None,
        "curve": curve_of(done[0], objective) if executions else [],
        "epochs": sum(one["epochs"] for one in executions),
        "seconds": round(sum(one["seconds"] for one in executions), 1),
        "compile_seconds": round(sum(compiling), 1) if compiling else None,
        "executions": executions,
        "parameters": first.get("parameters"),
        "verdict": first.get("verdict", []),
        "first_to_last": first.get("first_to_last"),
        "devices": environment.get("devices", []),
        "peak_memory": _peak_memory(),
    }


def _execution(run: RunFolder, objective: Mapping[str, str]) -> dict[str, Any]:
    """What one run is worth."""
    best = min if objective["direction"] == "min" else max
    curve = curve_of(run, objective)
    finite = [value for value in curve if math.isfinite(value)]
    score = best(finite) if finite else None
    before = run.results().get("pretraining_seconds", 0)
    return {
        "seed": read_json(run.path / "environment.json").get("seed"),
        "score": score,
        "best_epoch": None if score is None else curve.index(score) + 1,
        "epochs": len(curve),
        "seconds": round(sum(row["seconds"] for row in read_history(run)) + before, 1),
    }


def curve_of(run: RunFolder, objective: Mapping[str, str]) -> list[float]:
    return [row.get(objective["name"], math.nan) for row in read_history(run)]


def _peak_memory() -> dict[str, int]:
    """Bytes at most, of main memory and of each GPU."""
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows, which has no `resource`
        peak = {"process": memory.peak_wset}
    else:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        for gpu in (d.name.removeprefix("/device:") for d in tf.config.list_logical_devices("GPU")):
            peak[gpu] = tf.config.experimental.get_memory_info(gpu)["peak"]
    return peak


def show_in_tensorboard(folder: Path, request: Request, result: Mapping[str, Any]) -> None:
    """A row in the tab HParams, for the first run; written again, it takes the former's place."""
    logs = RunFolder(run_path(folder, 1)).logs
    if not logs.exists():
        return
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    for old in logs.glob("*.hparams"):
        old.unlink()
    drawn = {key: value for key, value in request.hyperparameters.items() if value is not None}
    writer = tf.summary.create_file_writer(str(logs), filename_suffix=".hparams")
    with writer.as_default(step=0):
        api.hparams(drawn, trial_id=folder.name)
        if result["score"] is not None:
            tf.summary.scalar(result["objective"]["name"], result["score"])
    writer.close()
