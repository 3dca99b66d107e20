"""Remedies as settings of a task: the changes to a config that apply a remedy of a finding.

    settings_for("clip-norm", config, Facts(norm=0.3), finding.evidence)     {"clip_norm": 0.3}

The one table of them, for the warnings of a training and for the doctor.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ...callbacks.findings.remedies import remedy
from ...callbacks.treatment import strength
from ...callbacks.treatment.facts import Facts, NotApplicable
from ..core.config import TrainingConfig, flat, replace, setting_types
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..core.shell import shell_flag
from . import network_remedies, recurrent_remedies
from .remedy_case import Case, Changes


def settings_for(
    name: str,
    config: TrainingConfig,
    facts: Facts | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Changes:
    """Return the changes with which `core.config.replace` applies a remedy to a config.

    Args:
        name: the name of the remedy, one of `callbacks.findings.remedies.REMEDIES`.
        config: the settings of the training that is to be treated.
        facts: what is known about that training, for the strength of the remedy.
        evidence: that of the finding.

    Raises:
        NotApplicable: the task has no such setting, or it already has this value.
        ValueError: there is no such remedy.
    """
    config = config.resolved()
    kinds = setting_types(type(config))
    case = Case(flat(config), kinds, facts or Facts(), evidence or {})
    wanted = _CHANGES[remedy(name).name](case)
    changes = {key: value for key, value in wanted.items() if value != case.settings[key]}
    fixed = [key for key in changes if key in config.fixed_settings()]
    if fixed:
        raise NotApplicable(f"--weights determines {', '.join(fixed)}")
    try:
        replace(config, **changes).resolved().check()
    except UserError as error:
        raise NotApplicable(str(error)) from None
    return changes


def facts_of(run: RunFolder, epochs: int | None = None) -> Facts:
    """Return what is known about the training of a run; runs of earlier versions know less.

    Args:
        epochs: the number of epochs of the short trainings with a remedy; None: unknown.
    """
    results = run.results()
    steps = results.get("steps_per_epoch")
    return Facts(
        norm=results.get("gradient_norm"),
        time_steps=results.get("time_steps"),
        training_steps=None if steps is None or epochs is None else steps * epochs,
    )


def doctor_command(run: RunFolder) -> str:
    """Return the command that tries the remedies on a run."""
    task = run.results().get("task", run.task)
    return f"errorflow {task} doctor {shell_flag('--run', run.path.parent / run.name)}"


def flags_of(changes: Mapping[str, Any]) -> str:
    """Return changes to a config as flags of `train`: "--model lstm --no-bidirectional"."""
    return " ".join(_flag(key.replace("_", "-"), value) for key, value in changes.items())


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {value:.6g}" if isinstance(value, float) else f"--{name} {value}"


def _clip_norm(case: Case) -> Changes:
    return {
        "clip_norm": strength.clip_threshold(
            case.settings["clip_norm"] or None, case.facts, case.evidence
        )
    }


def _learning_rate(case: Case) -> Changes:
    return {"learning_rate": strength.lower_rate(case.settings["learning_rate"])}


def _warm_up(case: Case) -> Changes:
    if case.require("warm_up", "a warm-up"):
        raise NotApplicable("the learning rate already has a warm-up")
    return {"warm_up": strength.warm_up_steps(case.facts)}


_CHANGES: Mapping[str, Callable[[Case], Changes]] = {
    "lstm": recurrent_remedies.cell("lstm", "an LSTM", ("lstm", "lstm97")),
    "gru": recurrent_remedies.cell("gru", "a GRU", ("gru",)),
    "forget-bias": recurrent_remedies.forget_bias,
    "chrono": recurrent_remedies.chrono,
    "orthogonal": recurrent_remedies.recurrent_kernel("orthogonal"),
    "identity": recurrent_remedies.recurrent_kernel("identity"),
    "clip-norm": _clip_norm,
    "learning-rate": _learning_rate,
    "warm-up": _warm_up,
    "relu": network_remedies.activation("relu", ("tanh", "sigmoid")),
    "leaky-relu": network_remedies.activation("leaky_relu", ("relu",)),
    "initial-weights": network_remedies.initial_weights,
    "shortcuts": network_remedies.shortcuts,
    "batch-normalization": network_remedies.batch_normalization,
    "layer-normalization": recurrent_remedies.layer_normalization,
    "auxiliary": network_remedies.auxiliary,
    "attention": recurrent_remedies.attention,
    "reverse": recurrent_remedies.reverse,
    "truncate": recurrent_remedies.truncate,
}
