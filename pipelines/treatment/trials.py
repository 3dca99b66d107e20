"""The trainings of a doctor, as trials of a search: prepare their folders, and read what came."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...callbacks.treatment.facts import Facts
from ...callbacks.treatment.plan import Request
from ...callbacks.treatment.trial import Trial
from ..core.config import TrainingConfig
from ..core.config_files import config_dict, load_config
from ..core.errors import UserError
from ..core.recorded_findings import findings_in
from ..core.run_folder import RunFolder
from ..core.run_lifecycle import MACHINE_SETTINGS
from ..search import trial_folder
from ..search.trial_folder import read_result, run_path
from ..search.trial_process import write_trial
from ..training.remedies import facts_of
from .plan import TreatmentPlan, data_hash

Objective = Mapping[str, str] | None


def prepare(
    plan: TreatmentPlan, request: Request, changes: Mapping[str, Any], objective: Objective
) -> Path:
    """Write what to train into the folder of a trial; return the folder.

    What a trial with other settings has left there, or one that cannot be read, is deleted.

    Args:
        changes: the changes to the settings that apply the remedies.
        objective: the validation figure; None: the task's own.
    """
    folder = plan.trial_folder(request.remedies, request.seed)
    config = plan.trial_config(changes, request.seed)
    if folder.exists() and not _is_usable(folder, config):
        shutil.rmtree(folder)
    content = trial_folder.Request(
        task=plan.task.name,
        objective=objective,
        hyperparameters=dict(changes),
        content_hash=data_hash(plan.run),
        plots=False,
    )
    write_trial(folder, config, content)
    return folder


def _is_usable(folder: Path, config: TrainingConfig) -> bool:
    """Whether a trial was begun with these settings, and its run can be read."""
    run = RunFolder(run_path(folder, 1))
    if run.path.exists() and run.results_file.exists() and run.damage is not None:
        return False
    try:
        stored = load_config(type(config), folder / "config.yaml")
    except UserError:  # torn, or of another version
        return False
    return _computed(stored.resolved()) == _computed(config)


def _computed(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings that determine what is computed."""
    settings = config_dict(config).items()
    return {key: value for key, value in settings if key not in MACHINE_SETTINGS}


def is_done(plan: TreatmentPlan, request: Request) -> bool:
    """Whether a trial has a result."""
    return bool(read_result(plan.trial_folder(request.remedies, request.seed)))


def read_trial(plan: TreatmentPlan, request: Request, result: Mapping[str, Any]) -> Trial:
    """Return a trial from its result and its run; delete the models, which nobody needs."""
    run = _run_of(plan, request)
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    results = run.results()
    seconds = (result.get("seconds") or 0.0) - (result.get("compile_seconds") or 0.0)
    return Trial(
        remedies=request.remedies,
        seed=request.seed,
        score=result["score"],
        curve=tuple(result.get("curve", ())),
        findings=tuple(findings_in(results)),
        seconds=round(max(seconds, 0.0), 1),
        parameters=result.get("parameters") or results.get("parameters") or 0,
        failure=None if result.get("status") == "completed" else result["reason"],
    )


def facts_about(plan: TreatmentPlan, trial: Trial) -> Facts:
    """Return what is known about an untreated training."""
    return facts_of(_run_of(plan, Request(trial.remedies, trial.seed)), plan.epochs)


def not_built(request: Request, reason: str) -> Trial:
    """Return the trial of remedies that cannot be applied together."""
    return Trial(request.remedies, request.seed, None, (), (), 0.0, 0, failure=reason)


def forget(plan: TreatmentPlan, trial: Trial) -> None:
    """Delete a trial, so that the next doctor begins it again."""
    shutil.rmtree(plan.trial_folder(trial.remedies, trial.seed), ignore_errors=True)


def _run_of(plan: TreatmentPlan, request: Request) -> RunFolder:
    return RunFolder(run_path(plan.trial_folder(request.remedies, request.seed), 1))


def check_untreated(plan: TreatmentPlan, trial: Trial) -> None:
    """Raise `UserError` if an untreated training failed for a reason that is no finding of ours."""
    if trial.failure is not None and not trial.troubles:
        forget(plan, trial)
        raise UserError(f"the untreated training failed: {trial.failure}")


def check_data(plan: TreatmentPlan, trial: Trial) -> None:
    """Raise `UserError` if the data are no longer those of the run."""
    if trial.failure is not None and trial.failure.startswith(trial_folder.OTHER_DATA):
        forget(plan, trial)
        raise UserError(f"{trial.failure}; train a new run, and treat that one")
