"""The report's summary in words; every sentence follows from the numbers of the runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ....callbacks.findings.finding import counted
from ...core.errors import DamagedFile
from ...core.run_folder import RunFolder, read_history
from ...core.run_results import figure_in_words, in_words

SHOWN = 6  # settings that differ, in the summary


class Best(NamedTuple):
    """The best value of the figure by which a run chose its best epoch.

    Attributes:
        name: the figure, such as "validation macro f1".
        value: its value at the best epoch.
        epoch: the best epoch.
        higher_is_better: None if the epochs do not show it.
    """

    name: str
    value: float
    epoch: int
    higher_is_better: bool | None


def best_of(run: RunFolder) -> Best | None:
    """Return the best validation figure of a run; None if its files do not hold it."""
    try:
        results, history = run.results(), read_history(run)
    except (DamagedFile, OSError):
        return None
    key, epoch = results.get("monitor", ""), results.get("best_epoch", 0)
    if not 1 <= epoch <= len(history) or key not in history[epoch - 1]:
        return None
    values = [row[key] for row in history]
    best = values[epoch - 1]
    if not math.isfinite(best):
        return None
    is_highest, is_lowest = best >= max(values), best <= min(values)
    higher = is_highest if is_highest != is_lowest else None
    return Best(in_words(key), best, epoch, higher)


def title_of(names: Sequence[str]) -> str:
    """Return what the report is about: "Error flow of names/lstm-1 and 2 more runs"."""
    others = len(names) - 1
    more = f" and {counted(others, 'more run')}" if others else ""
    return f"Error flow of {names[0]}{more}"


def outcome_of(run: RunFolder, best: Best | None) -> str:
    """Return how a training went: its epochs, its best figure, its test figures."""
    if run.damage is not None:
        return f"The run is damaged: {run.damage}."
    results, status = run.results(), run.status
    epochs, parameters = results.get("epochs"), results.get("parameters")
    trained = f" after {counted(epochs, 'epoch')}" if epochs else ""
    text = {"finished": "Finished", "running": "Still running", "failed": "Failed"}.get(
        status, "Interrupted"
    )
    text += trained + (f" with {parameters:,} parameters." if parameters else ".")
    if best is not None:
        text += f" The best {best.name} is {figure_in_words(best.value)}, in epoch {best.epoch}."
    test = [f"{in_words(k)} {figure_in_words(v)}" for k, v in results.get("test", {}).items()]
    return text + (f" On the test split: {', '.join(test)}." if test else "")


def comparison(bests: Mapping[str, Best | None]) -> str:
    """Return which run has the best validation figure; empty if they cannot be compared."""
    known = {name: best for name, best in bests.items() if best is not None}
    kinds = {(best.name, best.higher_is_better) for best in known.values()}
    if len(known) < 2 or len(kinds) > 1 or None in {higher for _, higher in kinds}:
        return ""
    ((figure, higher),) = kinds
    ranked = sorted(known, key=lambda name: known[name].value, reverse=bool(higher))
    first, second = known[ranked[0]].value, known[ranked[1]].value
    if first == second:
        return f"{ranked[0]} and {ranked[1]} have the same best {figure}, {figure_in_words(first)}."
    order = "highest" if higher else "lowest"
    return (
        f"{ranked[0]} has the {order} {figure}, {figure_in_words(first)};"
        f" {ranked[1]} follows with {figure_in_words(second)}."
    )


def differences(settings: Sequence[Sequence[Any]]) -> str:
    """Return which settings differ between the runs.

    Args:
        settings: rows [key, value in each run] of the settings that differ.
    """
    if not settings:
        return "The settings of the runs are the same."
    shown = [f"{key} ({', '.join(_short(v) for v in values)})" for key, *values in settings[:SHOWN]]
    rest = len(settings) - SHOWN
    more = f" and {counted(rest, 'more setting')}" if rest > 0 else ""
    return f"The runs differ in {', '.join(shown)}{more}."


def _short(value: str, longest: int = 30) -> str:
    value = value or "not set"
    return value if len(value) <= longest else f"{value[: longest - 1]}…"
