"""Trials and treatments as JSON, and back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..findings.finding import Finding
from .outcome import STATUSES, Judgement
from .statistics import Estimate
from .treatment import Treatment, finding_in_words, mean_seconds, parameters, ratio
from .trial import Trial

Row = Mapping[str, Any]


def trials_row(trials: Sequence[Trial], score: Estimate | None) -> dict[str, Any]:
    """Return what untreated and treated trainings have in common as JSON."""
    return {
        "score": plain(score.value if score else None),
        "interval": _interval(score),
        "seconds": plain(mean_seconds(trials)),
        "parameters": parameters(trials),
        "trials": [_trial_row(trial) for trial in trials],
    }


def treatment_row(treatment: Treatment, untreated: Sequence[Trial]) -> dict[str, Any]:
    """Return a treatment as JSON; the keys are in `Answer.as_json`."""
    judgement, cost = treatment.judgement, trials_row(treatment.trials, treatment.judgement.score)
    change = judgement.difference
    return {
        "remedies": [*treatment.remedies],
        "text": treatment.text,
        "source": treatment.source,
        "settings": plain(treatment.settings),
        "status": judgement.status,
        "sentence": judgement.sentence,
        "aims": [*judgement.aims],
        "gone": judgement.gone,
        "finding_before": finding_in_words(untreated, judgement.aims) if judgement.aims else "",
        "finding_after": finding_in_words(treatment.trials, judgement.aims),
        "difference": plain(change.value if change else None),
        "difference_interval": _interval(change),
        "comparisons": judgement.comparisons,
        "seconds_ratio": plain(ratio(cost["seconds"], mean_seconds(untreated))),
        "parameters_ratio": plain(ratio(cost["parameters"], parameters(untreated))),
        **cost,
    }


def treatment_of(row: Row) -> Treatment:
    """Return the treatment of a row of `treatment_row`.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    if row["status"] not in STATUSES:
        raise ValueError(f"the status {row['status']!r} is unknown")
    names, trials = _names(row["remedies"]), row["trials"]
    judgement = Judgement(
        row["status"],
        _names(row["aims"]),
        len(trials),
        row["gone"],
        estimate_of(row["score"], row["interval"]),
        estimate_of(row["difference"], row["difference_interval"]),
        row["comparisons"],
        str(row["sentence"]),
    )
    return Treatment(names, judgement, trials_of(trials, names), dict(row["settings"]))


def trials_of(rows: Sequence[Row], remedies: tuple[str, ...] = ()) -> tuple[Trial, ...]:
    """Return the trials of rows.

    Raises:
        KeyError, TypeError, ValueError: they are damaged.
    """
    return tuple(
        Trial(
            remedies,
            int(row["seed"]),
            _number(row["score"]),
            tuple(_number(value) for value in row["curve"]),
            tuple(Finding.from_json(each) for each in row["findings"]),
            float(row["seconds"]),
            int(row["parameters"]),
            None if row["failure"] is None else str(row["failure"]),
        )
        for row in rows
    )


def _trial_row(trial):
    return {
        "seed": trial.seed,
        "score": plain(trial.score),
        "curve": [plain(value) for value in trial.curve],
        "findings": [finding.as_json() for finding in trial.findings],
        "seconds": plain(trial.seconds),
        "parameters": trial.parameters,
        "failure": trial.failure,
    }


def estimate_of(value: Any, interval: Any) -> Estimate | None:
    """Return the estimate of a figure and its interval [low, high]; None if there is none."""
    if value is None:
        return None
    low, high = (None, None) if interval is None else map(float, interval)
    return Estimate(float(value), low, high)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NaN and infinity become None, tuples lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if hasattr(value, "item"):
        return plain(value.item())  # a number of NumPy
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _interval(estimate):
    if estimate is None or estimate.low is None:
        return None
    return [plain(estimate.low), plain(estimate.high)]


def _number(value):
    return None if value is None else float(value)


def _names(values):
    if isinstance(values, str):
        raise TypeError("a list of names is needed")
    return tuple(map(str, values))
