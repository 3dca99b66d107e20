"""The figure of the doctor's answer: trainings with and without remedies, side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..recording.printable import in_figure
from ..treatment.options import Options
from ..treatment.statistics import mean
from ..treatment.treatment import Treatment
from ..treatment.trial import Trial
from .notebook_figure import NotebookFigure

UNTREATED, CURE, OTHER = "#8a8a8a", "#2e9e6b", "#3b6fb6"  # colours
_DECADES = 2  # between the figures, from which on their scale is logarithmic
_GRID = "#e0e0e0"


def treatment_figure(
    untreated: Sequence[Trial],
    treatments: Sequence[Treatment],
    best: Treatment | None,
    options: Options,
) -> Figure:
    """Return the validation figures of all seeds, and their course before and after treatment.

    Args:
        untreated: the trainings without a remedy.
        treatments: the remedies; those without a training are left out.
        best: the best cure, whose course is drawn; None: that of the remedy with the best figure.
        options: the name of the validation figure, and whether a lower one is better.

    Raises:
        ValueError: no training has a validation figure.
    """
    tried = [each for each in treatments if each.trials]
    groups = [("untreated", untreated, UNTREATED)]
    groups += [(each.name, each.trials, _colour(each)) for each in tried]
    if not any(_scores(trials) for _, trials, _ in groups):
        raise ValueError("plot: no training has a finite validation figure")
    height = max(3.2, 1.3 + 0.38 * len(groups))
    figure = NotebookFigure(figsize=(11, height), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    labels = ["untreated", *(f"{in_figure(each.name, 32)}: {each.status}" for each in tried)]
    _draw_scores(left, groups, labels, options)
    shown = best or _nearest(tried, options)
    _draw_curves(right, groups[0], shown and next(g for g in groups if g[0] == shown.name), options)
    return figure


def _draw_scores(axes: Axes, groups, labels, options: Options):
    """A line for each group: a dot for each seed, and the mean with its interval."""
    for line, (_, trials, colour) in enumerate(groups):
        scores = _scores(trials)
        if not scores:
            where = {"xycoords": ("axes fraction", "data"), "ha": "center", "va": "center"}
            axes.annotate("no finite figure", (0.5, line), color=colour, **where)
            continue
        estimate = mean(scores, options.direction)
        if estimate.low is not None and estimate.high is not None:
            axes.plot([estimate.low, estimate.high], [line, line], color=colour, linewidth=1.5)
            axes.plot(estimate.value, line, "|", color=colour, markersize=14, markeredgewidth=2)
        axes.plot(scores, [line] * len(scores), "o", color=colour, markersize=5, alpha=0.75)
    axes.set_yticks(range(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    better = "lower" if options.direction == "min" else "higher"
    axes.set_xlabel(f"best {in_figure(options.monitor)} of each seed ({better} is better)")
    axes.set_title("dots: seeds; line: mean, 95% interval", loc="left", fontsize="medium")
    _scale(axes.set_xscale, [score for _, trials, _ in groups for score in _scores(trials)])
    _tidy(axes)


def _draw_curves(axes: Axes, untreated, treated, options: Options):
    values = []
    for name, trials, colour in filter(None, (untreated, treated)):
        label = in_figure(name, 36)
        for trial in trials:
            curve = np.array([np.nan if each is None else each for each in trial.curve])
            axes.plot(
                np.arange(1, len(curve) + 1), curve, color=colour, label=label, alpha=0.85,
                marker="o" if len(curve) < 12 else None, markersize=3.5,
            )  # fmt: skip
            values += [each for each in curve if np.isfinite(each)]
            label = None  # one for all seeds
    axes.set(xlabel="epoch", ylabel=in_figure(options.monitor))
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    axes.set_title("before and after, seed by seed", loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
    _scale(axes.set_yscale, values)
    _tidy(axes)


def _scale(set_scale, values):
    """Set a logarithmic scale if the values differ by more than two decades."""
    if values and min(values) > 0 and max(values) > 10**_DECADES * min(values):
        set_scale("log")


def _tidy(axes):
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _nearest(tried, options):
    """The treatment with the best mean figure, of those in most seeds; None if there is none."""
    judged = [each for each in tried if each.judgement.score is not None]
    return min(
        judged,
        key=lambda each: (-len(each.trials), options.gain(each.judgement.score.value, 0)),
        default=None,
    )


def _colour(treatment):
    return CURE if treatment.status == "cure" else OTHER


def _scores(trials):
    return [trial.score for trial in trials if trial.score is not None]
