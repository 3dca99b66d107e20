"""Warnings of a run while it trains: on stderr with flags that may help, and in results.json."""

import contextlib
import functools
from collections.abc import Collection
from typing import Any

from ...callbacks import EarlyWarning
from ...callbacks.findings.training_warning import TrainingWarning
from ...callbacks.treatment.facts import NotApplicable
from ..core.config import TrainingConfig
from ..core.console import keras_verbosity, note
from ..core.run_folder import RunFolder
from ..core.stop_when import stop_kinds
from .remedies import doctor_command, flags_of, settings_for

MOST = 3  # flags that a warning names
WITHOUT_REMEDIES = [
    "learning-rate",
    "clip-norm",
]  # no gradient in the whole network: often too fast


def make_early_warning(
    run: RunFolder, config: TrainingConfig, recorders: Collection[Any]
) -> EarlyWarning:
    """Return the callback that warns while a run trains, and may end it.

    Args:
        recorders: `LayerGradients` and, of a recurrent network, `ErrorFlow`.
    """
    return EarlyWarning(
        *recorders,
        stop_when=stop_kinds(config.optimisation.stop_when),
        log_dir=run.logs,
        report=functools.partial(report, run, config),
    )


def go_on_after_stop(run: RunFolder, early_warning: EarlyWarning) -> None:
    """Let a run whose results say that it was stopped go on, because it is resumed."""
    if run.results().get("stopped"):
        run.update(stopped=None)
        early_warning.go_on_after_stop()


def report(run: RunFolder, config: TrainingConfig, warning: TrainingWarning) -> None:
    """Print a warning, and add it to the run's results, unless it was before a resume."""
    rows = run.results().get("warnings", [])
    row = warning_row(warning)
    if any((old["kind"], old["layer"]) == (row["kind"], row["layer"]) for old in rows):
        return
    run.update(warnings=[*rows, row])
    flags = remedy_flags(warning, config)
    hint = f"; try {' or '.join(flags)}" if flags else ""
    if keras_verbosity():
        note()  # ends the line of the progress bar
    note(f"{warning.sentence}{hint}")
    if not rows:
        note(f"after the training, this command finds out what helps: {doctor_command(run)}")


def warning_row(warning: TrainingWarning) -> dict[str, Any]:
    """Return a warning as results.json holds it."""
    return {
        "step": warning.step,
        "kind": warning.kind,
        "layer": ", ".join(warning.layers),
        "text": warning.text,
        "evidence": dict(warning.evidence),
    }


def remedy_flags(warning: TrainingWarning, config: TrainingConfig) -> list[str]:
    """Return flags of the task that may help against a warning, the most promising first."""
    flags, names = [], [remedy.name for remedy in warning.remedies] or WITHOUT_REMEDIES
    for name in names:
        with contextlib.suppress(NotApplicable):
            flags.append(flags_of(settings_for(name, config, evidence=warning.evidence)))
    return list(dict.fromkeys(flags))[:MOST]
