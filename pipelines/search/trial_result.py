"""The result of a trial, computed from its run folders."""

import math
import statistics
import sys
import textwrap
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import DamagedFile, LossNotFinite, UserError
from ..core.files import read_json
from ..core.run_folder import RunFolder, read_history
from .results import ranked
from .trial_folder import Request, existing_runs, read_result


def failure_reason(error: Exception) -> str:
    """Return an error as one line; print the traceback unless it is a `UserError`."""
    words = error.measured if isinstance(error, LossNotFinite) else str(error)
    text = textwrap.shorten(words, 400, placeholder=" …")
    if isinstance(error, UserError):
        return text
    traceback.print_exception(error)
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return f"out of memory: {text or kind}"
    return f"{kind}: {text}"


def trial_result(folder: Path, request: Request, failure: str | None) -> dict[str, Any]:
    """Return the content of result.json.

    Args:
        failure: the reason why the trial has failed; None: it has not.
    """
    runs = [run for run in existing_runs(folder, request) if _is_whole(run)]
    first = runs[0].results() if runs else {}
    objective: Any = first.get("objective") or request.objective
    executions = [_execution(run, objective) for run in runs if objective]
    ending = first.get("stopped") or {"status": "completed", "reason": None}
    if failure:
        ending = {"status": "failed", "reason": failure}
    scores = [] if failure else [execution["score"] for execution in executions]
    compile_seconds = [s for run in runs if (s := run.results().get("compile_seconds")) is not None]
    return {
        **ending,
        "objective": objective,
        "score": statistics.fmean(scores) if scores else None,
        "best_epoch": executions[0]["best_epoch"] if executions else None,
        "curve": _curve(runs[0], objective) if executions else [],
        "epochs": sum(execution["epochs"] for execution in executions),
        "seconds": round(sum(execution["seconds"] for execution in executions), 1),
        "compile_seconds": round(sum(compile_seconds), 1) if compile_seconds else None,
        "executions": executions,
        "parameters": first.get("parameters"),
        "verdict": first.get("verdict", []),
        "first_to_last": first.get("first_to_last"),
        "devices": read_json(runs[0].environment_file).get("devices", []) if runs else [],
        "peak_memory": _peak_memory(),
    }


def is_best_so_far(folder: Path, request: Request) -> bool:
    """Whether a trial whose training has ended ranks before all that were finished at its start."""
    paths = [folder, *(folder / other for other in request.finished)]
    results = [trial_result(folder, request, None), *map(read_result, paths[1:])]
    rows = [
        {"trial": path.name, "score": result.get("score"), **(result.get("objective") or {})}
        for path, result in zip(paths, results, strict=True)
    ]
    return [row["trial"] for row in ranked(rows)][:1] == [folder.name]


def _is_whole(run: RunFolder) -> bool:
    """Whether the results and the history of a run can be read."""
    try:
        read_history(run)
    except DamagedFile:
        return False
    return run.damage is None


def _execution(run: RunFolder, objective: Mapping[str, str]) -> dict[str, Any]:
    """Return the result of one training."""
    best = min if objective["direction"] == "min" else max
    curve = _curve(run, objective)
    finite = [value for value in curve if math.isfinite(value)]
    score = best(finite) if finite else None
    pretraining = run.results().get("pretraining_seconds", 0)
    return {
        "seed": read_json(run.environment_file).get("seed"),
        "score": score,
        "best_epoch": None if score is None else _best_epoch(run, curve, score),
        "epochs": len(curve),
        "seconds": round(sum(row["seconds"] for row in read_history(run)) + pretraining, 1),
    }


def _best_epoch(run: RunFolder, curve: list[float], score: float) -> int:
    """Return the epoch of the score: of several, the one whose weights the run has kept."""
    kept = run.results().get("best_epoch", 0)
    return kept if curve[kept - 1 : kept] == [score] else curve.index(score) + 1


def _curve(run: RunFolder, objective: Mapping[str, str]) -> list[float]:
    """Return the objective after each epoch."""
    return [row.get(objective["name"], math.nan) for row in read_history(run)]


def _peak_memory() -> dict[str, int]:
    """Return the peak memory of this process and on each GPU, in bytes."""
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows, which has no module `resource`
        peak = {"process": memory.peak_wset}
    else:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        for device in tf.config.list_logical_devices("GPU"):
            gpu = device.name.removeprefix("/device:")
            peak[gpu] = tf.config.experimental.get_memory_info(gpu)["peak"]
    return peak
