"""Warnings of a run while it trains: on stderr with flags that may help, and in results.json."""

import functools
from collections.abc import Collection
from typing import Any, Literal, get_args, get_origin

from ...callbacks import EarlyWarning
from ...callbacks.findings.training_warning import TrainingWarning
from ..core.config import TrainingConfig, flat, setting_types
from ..core.console import keras_verbosity, note
from ..core.run_folder import RunFolder
from ..core.stop_when import stop_kinds
from ..models.zoo import MODELS

MOST = 3  # flags that a warning names


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
    settings = flat(config)
    models = _words(setting_types(type(config))["model"])
    lower = f"--learning-rate {settings['learning_rate'] / 10:.3g}"
    clip = [] if 0 < settings["clip_norm"] <= 1 else ["--clip-norm 1"]
    by_finding = {
        "vanishing": lambda: _over_time(settings, models),
        "starving": lambda: _over_depth(settings, models),
        "exploding": lambda: [*clip, lower],
        "exploding over depth": lambda: [*_over_depth(settings, models), lower],
        "not finite": lambda: [lower, *clip],
        "no gradient": lambda: [lower, *_against_dead_units(settings, models), *clip],
        "dead units": lambda: [lower, *_against_dead_units(settings, models)],
    }
    return by_finding[warning.finding]()[:MOST]


def _words(kind: Any) -> list[str]:
    """Return the words of a Literal, also of one that may be None."""
    if get_origin(kind) is Literal:
        return [*get_args(kind)]
    return [word for arm in get_args(kind) for word in _words(arm)]


def _over_time(settings, models):
    """A network that keeps the error, or a shorter way for it."""
    model = settings["model"]
    flags = ["--model lstm"] if model in ("rnn", "lstm97") and "lstm" in models else []
    flags += ["--chrono 1"] if settings.get("chrono") == 0 and model != "rnn" else []
    flags += ["--attention"] if settings.get("attention") is False else []
    flags += ["--model conv1d"] if "conv1d" in models else []
    return flags + (["--bidirectional"] if settings.get("bidirectional") is False else [])


def _over_depth(settings, models):
    """A network through whose depth the gradient passes."""
    flags = ["--skip true"] if settings.get("skip") == "false" else []
    flags += _normalization(settings)
    if settings["model"] == "googlenet" and settings.get("auxiliary") != "true":
        flags.append("--auxiliary true")
    return flags + _residual(settings, models)


def _against_dead_units(settings, models):
    flags = ["--activation leaky_relu"] if settings.get("activation") == "relu" else []
    return flags + _normalization(settings) + _residual(settings, models)


def _normalization(settings):
    """The flag for batch normalisation, if the network can have it and has none."""
    if "normalization" not in settings:
        return []
    family, chosen = MODELS[settings["model"]].family, settings["normalization"]
    has_none = chosen == "none" or (chosen is None and family in ("vgg", "googlenet"))
    return ["--normalization batch"] if has_none else []


def _residual(settings, models):
    model = settings["model"]
    is_other = "resnet20" in models and MODELS[model].family != "resnet"
    return ["--model resnet20"] if is_other else []
