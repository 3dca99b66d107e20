"""The results of a training: results.json, plots, the model card, and what is printed."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...callbacks import DepthFlow, ErrorFlow, error_path
from ...callbacks.drawing.notebook_figure import NothingRecorded
from ...callbacks.findings.depth_flow import share_over_depth
from ...callbacks.findings.finding import Finding
from ...callbacks.recording.printable import printable
from ...callbacks.recording.tables import layer_path
from ...callbacks.treatment.strength import usual_norm
from ..core.config import TrainingConfig
from ..core.config_files import config_dict
from ..core.console import say
from ..core.errors import LossNotFinite
from ..core.files import write_text
from ..core.recorded_findings import (
    MOST_REMEDIES,
    finding_row,
    findings_in,
    remedies_in,
    verdict_in_words,
)
from ..core.run_folder import RunFolder
from ..core.run_results import figure_in_words, figures_in_words
from ..models.vision import IMAGE_NETWORK
from . import plots
from .loop import Outcome, Recorders
from .remedies import doctor_command
from .spec import TrainingSpec
from .task import ModelCard


def write_results(run: RunFolder, spec: TrainingSpec, outcome: Outcome) -> None:
    """Write the results of a training to results.json."""
    run.update(
        parameters=spec.network.count_params(),
        epochs=len(outcome.history),
        best_epoch=outcome.best_epoch,
        ending=outcome.ending,
        seconds=outcome.seconds,
        compile_seconds=outcome.compile_seconds,
        padding=round(getattr(spec.train_data, "padding", 0.0), 4),
        monitor=spec.monitor,
    )
    if (warning := outcome.stopped) is not None:
        reason = f"step {warning.step:,}: {warning.text}"
        run.update(stopped={"status": warning.kind, "reason": reason})
    has_recorded = bool(outcome.recorders.layer_gradients.history)
    if has_recorded or "verdict" not in run.results():  # a resumed run may have no epoch left
        write_findings(run, spec, outcome.recorders)


def write_findings(
    run: RunFolder, spec: TrainingSpec, recorders: Recorders, failure: LossNotFinite | None = None
) -> None:
    """Write the findings of a training to results.json.

    Args:
        failure: why it has failed, which is a finding too.
    """
    findings, gradients = findings_of(recorders), recorders.layer_gradients.history
    depth = recorders.depth_flow
    if failure is not None and not any(finding.kind == "not finite" for finding in findings):
        findings.append(Finding("", "not finite", "the loss is not finite", failure.measured))
    run.update(
        verdict=verdict(spec, findings),
        findings=[finding_row(finding) for finding in findings],
        steps_per_epoch=spec.train_data.steps,
        time_steps=_time_steps(recorders),
        error_over_depth=None if depth is None else share_over_depth(depth.history),
        gradient_norm=usual_norm(gradients["norm"]) if gradients else None,
    )


def _time_steps(recorders: Recorders) -> int | None:
    """Return the usual length of the longest sequence of a batch; None: there are no sequences."""
    history = {} if recorders.error_flow is None else recorders.error_flow.history
    lengths = [
        int(np.median(table["length"])) for table in history.values() if len(table["length"])
    ]
    return max(lengths, default=None)


def save_plots(run: RunFolder, outcome: Outcome) -> None:
    """Draw the curves of a training, and what was recorded."""
    history, (gradients, flow, gates, _, depth) = outcome.history, outcome.recorders
    figures = [key for key in history[0] if f"val_{key}" in history[0]]
    plots.save(plots.curves(history, figures, outcome.best_epoch), run.plots / "curves.png")
    if gradients.history:
        plots.save(gradients.plot(), run.plots / "layer_gradients.png")
    if depth is not None and depth.history:
        plots.save(depth.plot(), run.plots / "depth_flow.png")
    if flow is not None and any(len(table["step"]) for table in flow.history.values()):
        plots.save(flow.plot(), run.plots / "error_flow.png")
    if gates is not None and gates.history:
        plots.save(gates.plot(), run.plots / "gates.png")
    if flow is not None and depth is not None:
        _save_error_path(run, flow, depth)


def _save_error_path(run: RunFolder, flow: ErrorFlow, depth: DepthFlow) -> None:
    """Draw the error from the last time step into the image network, if it is trained."""
    over_time, over_depth = flow.history, depth.history
    recorded = map(layer_path, over_depth.get("layers", ()))
    layers = [layer for layer in recorded if IMAGE_NETWORK in layer.split("/")[:-1]]
    if layers and over_time:
        first = next((name for name in flow.joined if name in over_time), next(iter(over_time)))
        with contextlib.suppress(NothingRecorded):
            figure = error_path(over_time[first], over_depth, layers)
            plots.save(figure, run.plots / "error_path.png")


def findings_of(recorders: Recorders) -> list[Finding]:
    """Return the findings of all callbacks."""
    gradients, flow, gates, _, depth = recorders
    present = [recorder for recorder in (flow, gradients, depth, gates) if recorder is not None]
    return [finding for recorder in present for finding in recorder.findings()]


def verdict(spec: TrainingSpec, findings: Sequence[Finding]) -> list[str]:
    """Return one sentence per finding on the error that flows back through time and depth.

    It is the one on what was measured. What that means follows from kind and evidence.
    """
    missing = [] if spec.is_recurrent else ["no recurrent layer: no error flows through time"]
    return [*missing, *(finding.first_sentence for finding in findings)]


# The model card


def write_card(run: RunFolder, config: TrainingConfig, card: ModelCard) -> None:
    """Write the run's README.md: what the model does, its results, its data, how to use it."""
    results = run.results()
    data = results["data"]
    counts = [(label, *splits.values()) for label, splits in data["counts"].items()]
    scores = [(key, figure_in_words(value)) for key, value in results["test"].items()]
    settings = [(key, value) for key, value in config_dict(config).items() if value is not None]
    text = f"""# {run.task}/{run.name}

{card.about}

## Results

On the test split, which was not used for training or for any choice:

{_markdown_table(["figure", "value"], scores)}

Best epoch {results["best_epoch"]} of {results["epochs"]} ({results["ending"]}), chosen by
{results["monitor"]}; {results["parameters"]:,} parameters; {results["seconds"]:.0f} s of training.

{_bullets(verdict_in_words(results))}

## Data

{data["source"]}, content hash `{data["content_hash"][:16]}`.

{_markdown_table(["label", *next(iter(data["counts"].values()))], counts)}

## Use

{card.usage}

## Configuration

{_markdown_table(["key", "value"], settings)}
"""
    write_text(run.path / "README.md", text)


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    """Return a value as one cell, in which a text of the data begins no other one, and no HTML."""
    return printable(value).replace("|", "\\|").replace("<", "&lt;")


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


# What is printed


def print_results(run: RunFolder, next_commands: Sequence[str]) -> None:
    """Print figures, findings and remedies, the path of the files, and the next commands."""
    results = run.results()
    figures = figures_in_words(results["test"])
    say()
    say(f"test: {figures} (epoch {results['best_epoch']} of {results['epochs']})")
    if stopped := results.get("stopped"):
        say(f"stopped early ({stopped['status']}), {stopped['reason']}")
    say(_time_in_words(results))
    for line in verdict_in_words(results):
        say(f"error flow: {line}")
    for remedy in remedies_in(results)[:MOST_REMEDIES]:
        say(f"  may help: {remedy}")
    say(f"files: {run.path}")
    is_troubled = any(finding.severity == "trouble" for finding in findings_in(results))
    doctor = [doctor_command(run)] * is_troubled
    for line in ["next:", *(f"  {command}" for command in [*doctor, *next_commands])]:
        say(line)


def _time_in_words(results: Mapping[str, Any]) -> str:
    """Return "time: 93 s of training, 8 of them compiling; padding 8.1% of all time steps"."""
    compiling = results.get("compile_seconds")
    words = f"time: {results['seconds']:.0f} s of training"
    words += "" if compiling is None else f", {compiling:.0f} of them compiling"
    if "pretraining_seconds" in results:
        words += f", after {results['pretraining_seconds']:.0f} s of pretraining"
    padding = results["padding"]
    return words + (f"; padding {padding:.1%} of all time steps" if padding else "")
