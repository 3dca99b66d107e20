"""What a doctor leaves behind: the picture, the settings of the best cure, and a run with them."""

import matplotlib

from ...callbacks.treatment.answer import Answer
from ..core.config import TrainingConfig, replace
from ..core.config_files import dump_config
from ..core.console import note
from ..core.files import atomic, write_text
from ..core.phases import phase
from ..core.run_folder import RunFolder
from ..core.run_selection import run_to_resume
from ..training import verbs
from .plan import TreatmentPlan


def write_best(plan: TreatmentPlan, answer: Answer) -> None:
    """Write the run's settings with the best cure; without a cure, delete those of earlier."""
    if answer.best is None:
        plan.best_config_file.unlink(missing_ok=True)
        return
    plan.best_config_file.parent.mkdir(exist_ok=True)
    write_text(plan.best_config_file, dump_config(_cured(plan, answer)))


def write_picture(plan: TreatmentPlan, answer: Answer) -> None:
    """Draw the trainings before and after."""
    with phase("drawing the trainings"), atomic(plan.folder / "answer.png") as temporary:
        matplotlib.use("agg")
        answer.plot().savefig(temporary, dpi=120, bbox_inches="tight")


def _cured(plan: TreatmentPlan, answer: Answer) -> TrainingConfig:
    changes = {} if answer.best is None else answer.best.settings
    return replace(plan.original, **changes).resolved()


def train_best(plan: TreatmentPlan, answer: Answer) -> RunFolder | None:
    """Train the run in full with the best cure, as a new run; None: there is no cure.

    If it was interrupted, it is resumed; if it is finished, it stays as it is.

    Raises:
        UserError: see `training.workflow.train`.
    """
    if answer.best is None:
        return None
    run_dir = plan.runs
    name = "-".join([plan.run.name, *answer.best.remedies])
    run = RunFolder(run_dir / plan.task.name / name)
    if run.results_file.exists() and run.status == "finished":
        note(f"{run.path} is finished already, and stays as it is")
        return run
    resume = run_to_resume(run_dir, plan.task.name, name) if run.results_file.exists() else None
    config = replace(_cured(plan, answer), name=name, run_dir=run_dir, resume=resume is not None)
    verbs.train(plan.task, config, resume)
    return run
