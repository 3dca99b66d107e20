"""An answer as rows of texts, and as a table of its trainings."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .judgement import is_gone
from .statistics import Estimate
from .treatment import Treatment, mean_seconds, parameters, ratio
from .trial import Trial
from .wording import estimate_in_words

if TYPE_CHECKING:
    import pandas as pd

UNTREATED = "untreated"
FRAME = (
    *("remedies", "seed", "score", "gone", "findings", "status", "epochs"),
    *("seconds", "parameters", "failure"),
)


class Line(NamedTuple):
    """A row of texts: the untreated trainings, or a remedy.

    Attributes:
        remedy: its name; "untreated".
        source: authors and years.
        before, after: the findings that it is for, and in how many seeds they are: "vanishing 3/3",
            "gone 3/3".
        figure: the mean validation figure with its 95 % interval: "0.31 ± 0.02".
        time: the seconds of a training; of a remedy, how many times those of an untreated one.
        parameters: their number; of a remedy, how many times that of the untreated network.
        result: the status.
    """

    remedy: str
    source: str
    before: str
    after: str
    figure: str
    time: str
    parameters: str
    result: str


def columns(monitor: str) -> Line:
    """Return the titles of the columns."""
    return Line(*("remedy", "source", "before", "after"), monitor, "time", "parameters", "result")


def lines(
    untreated: Sequence[Trial],
    score: Estimate | None,
    treatments: Sequence[Treatment],
    targets: Collection[str],
) -> list[Line]:
    """Return the row of the untreated trainings, then one for each treatment."""
    before, size = mean_seconds(untreated), parameters(untreated)
    first = Line(
        *(UNTREATED, "", _shown(untreated, targets), ""),
        estimate_in_words(score) if score else "",
        "" if before is None else f"{before:.3g} s",
        "" if size is None else f"{size:,}",
        "",
    )
    return [first, *(_line(each, untreated) for each in treatments)]


def _line(treatment, untreated):
    judgement, trials = treatment.judgement, treatment.trials
    return Line(
        *(treatment.name, treatment.source),
        _shown(untreated, judgement.aims),
        _shown(trials, judgement.aims) or _gone(judgement),
        estimate_in_words(judgement.score) if judgement.score else "",
        _times(ratio(mean_seconds(trials), mean_seconds(untreated))),
        _times(ratio(parameters(trials), parameters(untreated))),
        treatment.status,
    )


def _shown(trials, kinds):
    counts = {kind: sum(kind in trial.troubles for trial in trials) for kind in kinds}
    return ", ".join(f"{kind} {count}/{len(trials)}" for kind, count in counts.items() if count)


def _gone(judgement):
    return f"gone {judgement.gone}/{judgement.seeds}" if judgement.gone else ""


def _times(share):
    return "" if share is None else f"× {share:.3g}"


def frame(
    untreated: Sequence[Trial], treatments: Sequence[Treatment], targets: Collection[str]
) -> "pd.DataFrame":
    """Return one row for each training.

    Its columns: remedies (names joined by " + ", "" for an untreated one), seed, score (NaN: none),
    gone (whether it ended without the findings that are treated), findings (kinds that say that
    something is wrong), status (of the remedies), epochs (that have ended), seconds, parameters,
    failure (None: none).
    """
    import pandas as pd  # noqa: PLC0415

    rows = [_row("", "", trial, targets) for trial in untreated] + [
        _row(each.name, each.status, trial, each.judgement.aims)
        for each in treatments
        for trial in each.trials
    ]
    table = pd.DataFrame(rows, columns=FRAME)
    return table.astype({"score": float, "seconds": float})


def _row(names, status, trial, kinds):
    return (
        *(names, trial.seed, trial.score, is_gone(trial, kinds)),
        *(", ".join(sorted(trial.troubles)), status, len(trial.curve)),
        *(trial.seconds, trial.parameters, trial.failure),
    )
