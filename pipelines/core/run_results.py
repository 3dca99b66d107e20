"""The content of results.json: the types of the keys that are read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import json_forms as form

STATUSES = ("running", "finished", "interrupted", "failed")
ABBREVIATIONS = ("per", "wer", "cer", "bleu")
WORDS = {"f1": "F1", "mase": "MASE", "smape": "sMAPE", "rmse": "RMSE"}  # in names of figures
_BASELINES = re.compile(r"baseline|naive$|drift$|linear$|rmse[_ ]mean$|most[_ ]frequent$|nearest")


def problem_of(results: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the content of results.json; None: nothing."""
    if problem := form.problem_of(results, _FORMS):
        return problem
    if len(results.get("findings", ())) > len(results.get("verdict", ())):
        return "verdict has fewer sentences than there are findings"
    return None


def final_figures(results: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite figures of the validation and test splits: {"test_accuracy": 0.8, ...}."""
    return {f"{split}_{name}": v for split, name, v in _by_split(results) if v is not None}


def named_figures(results: Mapping[str, Any]) -> dict[str, float | None]:
    """Return all these figures by names in words: {"test macro f1": 0.8, ...}; None: not finite."""
    return {f"{split} {name.replace('_', ' ')}": v for split, name, v in _by_split(results)}


def _by_split(results: Mapping[str, Any]) -> Iterator[tuple[str, str, float | None]]:
    for split in ("validation", "test"):
        for name, value in results.get(split, {}).items():
            yield split, name, value


def figure_in_words(value: float | None) -> str:
    """Return a figure of a split; JSON holds null for one that is not a finite number."""
    return "not finite" if value is None else f"{value:.4f}"


def figures_in_words(figures: Mapping[str, float | None]) -> str:
    """Return figures as one line: accuracy 0.7950, macro-F1 0.7600, WER 0.2710."""
    return ", ".join(f"{_figure_name(k)} {figure_in_words(v)}" for k, v in figures.items())


def _figure_name(key: str) -> str:
    if key in ABBREVIATIONS:
        return key.upper()
    return "-".join(WORDS.get(word, word) for word in key.split("_"))


def is_of_baseline(figure: str) -> bool:
    """Whether a figure, such as "mase_naive", is that of a simple method beside the network."""
    return _BASELINES.search(figure) is not None


def in_words(key: str) -> str:
    """Return the name of a figure of history.csv in words: "validation macro F1"."""
    prefix = "validation " * key.startswith("val_")
    return prefix + key.removeprefix("val_").replace("_", " ").replace("f1", "F1")


def headline_of(finding: Mapping[str, Any]) -> str:
    """Return the headline of a finding; in runs of older versions it is only the kind."""
    return finding.get("headline", finding["kind"])


def _is_figure(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or form.is_number(value)


def _is_finding(value: Any) -> bool:
    return (
        form.record(layer=form.is_text, kind=form.is_text)(value)
        and form.is_text(value.get("headline", ""))
        and form.mapping_of(_is_figure)(value.get("evidence", {}))
        and form.or_null(form.is_number)(value.get("confidence"))
    )


_TEXT = ("text", form.is_text)
_COUNT = ("a whole number", form.is_count)
_SECONDS = ("a number", form.is_duration)
_FIGURES = ("figures by name", form.mapping_of(form.or_null(form.is_number)))
_WARNING = form.record(layer=form.is_text, kind=form.is_text)
_STOPPED = form.record(status=form.is_text, reason=form.is_text)
_OBJECTIVE = form.record(name=form.is_text, direction=form.is_text)

_FORMS: form.Forms = {
    "status": (f"one of {', '.join(STATUSES)}", lambda value: value in STATUSES),
    "task": _TEXT,
    "name": _TEXT,
    "started": _TEXT,
    "ending": _TEXT,
    "monitor": _TEXT,
    "parameters": _COUNT,
    "epochs": _COUNT,
    "best_epoch": _COUNT,
    "sequences": _COUNT,
    "steps_per_epoch": _COUNT,
    "time_steps": ("a whole number or null", form.or_null(form.is_count)),
    "solved": ("true or false", form.is_flag),
    "seconds": _SECONDS,
    "error_over_depth": ("a number or null", form.or_null(form.is_duration)),
    "gradient_norm": ("a number or null", form.or_null(form.is_duration)),
    "pretraining_seconds": _SECONDS,
    "compile_seconds": ("a number or null", form.or_null(form.is_duration)),
    "padding": _SECONDS,
    "train": _FIGURES,
    "validation": _FIGURES,
    "test": _FIGURES,
    "data": ("a source and a hash", form.record(source=form.is_text, content_hash=form.is_text)),
    "verdict": ("a list of sentences", form.list_of(form.is_text)),
    "config_sha256": ("a list of checksums", form.list_of(form.is_text)),
    "findings": ("a list of findings", form.list_of(_is_finding)),
    "warnings": ("a list of warnings", form.list_of(_WARNING)),
    "stopped": ("a status and a reason", form.or_null(_STOPPED)),
    "objective": ("a name and a direction", _OBJECTIVE),
    "first_to_last": (
        "a list of shares",
        form.list_of(form.mapping_of(form.or_null(form.is_number))),
    ),
}
