"""The outcomes of remedies as sentences."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from .options import Options
from .outcome import Judgement
from .statistics import Estimate
from .trial import Trial


def judgement_in_words(
    judgement: Judgement, untreated: Sequence[Trial], treated: Sequence[Trial], options: Options
) -> str:
    """Return a judgement as a clause, without the name of the remedy.

    Args:
        judgement: with its status and figures.
        untreated, treated: the trainings without and with the remedy.
        options: the name of the validation figure, and whether a lower one is better.
    """
    finding = _finding(judgement)
    change = _change(judgement, untreated, treated, options)
    untried = len(treated) < len(options.seeds)
    text = {
        "cure": f"{finding}, and {change}",
        "new fault": f"{finding}, and {change}",
        "noise": f"{finding}, but {change}",
        "no better": f"{finding}, but {change}",
        "worse": f"{finding}, and {change}",
        "better": f"{change}, but {finding}",
        "finding stays": "; ".join(
            filter(None, [finding, change, "further seeds were not tried" if untried else ""])
        ),
        "failed": _failure(treated),
        "screened out": f"{finding}, but {_screening(untreated, treated[0], options)}",
    }.get(judgement.status, f"{judgement.seeds} of {counted_seeds(len(options.seeds))} finished")
    return text + _new_findings(untreated, treated)


def kinds_in_words(kinds: Collection[str]) -> str:
    """Return kinds of findings, quoted and listed: '"starving" and "vanishing"'."""
    *most, last = [f'"{kind}"' for kind in kinds]
    return f"{', '.join(most)} and {last}" if most else last


def counted_seeds(count: int) -> str:
    """Return "1 seed" or "3 seeds"."""
    return f"{count} seed{'' if count == 1 else 's'}"


def estimate_in_words(estimate: Estimate) -> str:
    """Return a figure with half the width of its interval: "0.312 ± 0.021"."""
    if estimate.low is None or estimate.high is None:
        return number(estimate.value)
    half = (estimate.high - estimate.low) / 2
    return f"{number(estimate.value, half)} ± {half:.2g}"


def number(value: float, resolution: float = 0.0) -> str:
    """Format a number with the digits that a resolution needs, from two to six of them.

    Args:
        value: the number.
        resolution: the difference of which two digits are to be seen; 0: three digits.
    """
    if not value or not resolution:
        return f"{value:.3g}"
    digits = np.floor(np.log10(abs(value))) - np.floor(np.log10(abs(resolution))) + 2
    return f"{value:.{int(np.clip(digits, 2, 6))}g}"


def _finding(judgement):
    """→ '"vanishing" is gone in 3 of 3 seeds' or '"vanishing" stays in 1 of 3 seeds'"""
    kinds, seeds = kinds_in_words(judgement.aims), judgement.seeds
    one = len(judgement.aims) == 1
    if judgement.gone == seeds:
        return f"{kinds} {'is' if one else 'are'} gone in {seeds} of {counted_seeds(seeds)}"
    stays = seeds - judgement.gone
    return f"{kinds} {'stays' if one else 'stay'} in {stays} of {counted_seeds(seeds)}"


def _change(judgement, untreated, treated, options):
    """→ "val_loss is 0.31 instead of 0.69: better by 0.38 (95% interval 0.21 to 0.55)" """
    change, after = judgement.difference, judgement.score
    if any(trial.has_failed for trial in treated):
        return ""
    if change is None:
        return f"{options.monitor} is {number(after.value)}; no untreated training has a finite one"
    if change.low is None:
        return ""
    half = (change.high - change.low) / 2
    before = number(after.value - change.value, half)
    figures = f"{options.monitor} is {number(after.value, half)} instead of {before}"
    return f"{figures}: {_difference(change, judgement, options)}{_without_figure(untreated)}"


def _difference(change, judgement, options):
    """→ "better by 0.02 (95% interval -0.03 to 0.07, within the noise)" """
    side = 1 if options.gain(0, change.value) >= 0 else -1
    low, high = sorted(side * options.gain(0, bound) for bound in (change.low, change.high))
    half = (high - low) / 2
    interval = f"95% interval {number(low, half)} to {number(high, half)}"
    count = judgement.comparisons
    corrected = f", corrected for {count} comparisons" if count > 1 else ""
    noise = ", within the noise" if low <= 0 else ""
    size = number(abs(change.value), half)
    return f"{'better' if side > 0 else 'worse'} by {size} ({interval}{corrected}{noise})"


def _without_figure(untreated):
    """→ "; 1 of 3 untreated trainings has no finite figure and counts as the worst one" """
    count = sum(trial.score is None for trial in untreated)
    if not count:
        return ""
    rest = "has no finite figure and counts" if count == 1 else "have no finite figure and count"
    return f"; {count} of {len(untreated)} untreated trainings {rest} as the worst one"


def _new_findings(untreated, treated):
    """→ '; new: "saturated" in 2 of 3 seeds', of findings that no untreated training has"""
    before = set().union(*(trial.troubles for trial in untreated))
    counts = Counter(kind for trial in treated for kind in trial.troubles - before)
    shown = [
        f'"{kind}" in {count} of {counted_seeds(len(treated))}'
        for kind, count in sorted(counts.items())
    ]
    return f"; new: {', '.join(shown)}" if shown else ""


def _failure(treated):
    failed = [trial for trial in treated if trial.has_failed]
    reason = next((t.failure for t in failed if t.failure), "it has no finite validation figure")
    return f"the training failed in {len(failed)} of {counted_seeds(len(treated))}: {reason}"


def _screening(untreated, trial, options):
    scores = [each.score for each in untreated if each.score is not None]
    if not scores or trial.score is None:
        return ""
    best = (min if options.direction == "min" else max)(scores)
    resolution = best - trial.score
    return (
        f"{options.monitor} {number(trial.score, resolution)} is not better than that of every"
        f" untreated seed ({number(best, resolution)}); further seeds were not tried"
    )
