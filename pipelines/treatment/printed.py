"""The answer of a doctor on the screen: a table, sentences, and what to do next."""

from ...callbacks.treatment.answer import Answer
from ...callbacks.treatment.table import columns
from ..core.console import print_table, say
from ..core.recorded_findings import findings_in
from ..core.shell import shell_flag, shell_word
from .plan import TreatmentPlan

NOT_APPLICABLE = "not applicable"  # a status


def print_answer(plan: TreatmentPlan, answer: Answer) -> None:
    """Print the answer, and the next commands."""
    tried = [each for each in answer.treatments if each.status != NOT_APPLICABLE]
    rows = [[*line] for line in answer.table() if line.result != NOT_APPLICABLE]
    if tried:
        print_table([*columns(answer.options.monitor)], rows)
    say(answer.sentence)
    for treatment in tried:
        if treatment is not answer.best:
            say(f"  {treatment.sentence}")
    for treatment in answer.treatments:
        if treatment not in tried:
            say(f"  {treatment.name} was not tried: {treatment.judgement.sentence}")
    if not any(trial.troubles for trial in answer.untreated):
        _print_findings_of_run(plan)
    say(f"files: {plan.folder}")
    say("next:")
    for command in next_commands(plan, answer):
        say(f"  {command}")


def _print_findings_of_run(plan: TreatmentPlan) -> None:
    """If the run itself has findings which its short training has not, say so."""
    findings = [f for f in findings_in(plan.run.results()) if f.severity == "trouble"]
    if findings:
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in findings))
        say(
            f"the run itself has findings ({kinds}), but trainings of {plan.epochs} epochs have"
            " none: give more --epochs, with --overwrite"
        )


def next_commands(plan: TreatmentPlan, answer: Answer) -> list[str]:
    """Return the commands that a person may want next."""
    task, run = plan.task.name, plan.run
    train = f"errorflow {task} train {shell_flag('--config', plan.best_config_file)}"
    return [
        *([train] if answer.best is not None else []),
        f"errorflow report {shell_word(f'{run.task}/{run.name}')}{run.run_dir_flag}",
        f"errorflow tensorboard {shell_flag('--run-dir', run.path)}",
    ]
