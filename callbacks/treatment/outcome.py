"""The possible outcomes of a remedy."""

from dataclasses import dataclass
from typing import Literal, get_args

from .statistics import Estimate

Status = Literal[
    "cure",
    "noise",
    "no better",
    "worse",
    "better",
    "finding stays",
    "new fault",
    "failed",
    "screened out",
    "unfinished",
    "nothing to treat",
    "not applicable",
    "not tried",
]
STATUSES: tuple[str, ...] = get_args(Status)


@dataclass(frozen=True)
class Judgement:
    """What a remedy has done.

    Attributes:
        status: "cure": its findings are gone in every seed, and the validation figure is better
            beyond the noise; "noise": the findings are gone and the figure is better, but not
            beyond the noise; "no better": the findings are gone and the figure is not better;
            "worse": the figure is worse beyond the noise; "better": it is better beyond the noise,
            but a finding stays; "finding stays": a finding stays in a seed; "new fault": as a cure,
            but figures that are not finite have come new; "failed": a training ended early;
            "screened out": the findings are gone in the first seed, but the figure is not better
            than that of every untreated seed, and the remedy was not tried further; "unfinished":
            seeds are left; "nothing to treat": most untreated trainings have no finding; "not
            applicable"; "not tried".
        aims: the kinds of the findings that the remedy is to remove.
        seeds: the number of trainings with it.
        gone: the number of them that ran to their end without a finding of these kinds.
        score: the mean validation figure with its 95 % interval, see `statistics.mean`; None if a
            training has none.
        difference: how much larger it is than that of the untreated trainings, with the 95 %
            interval, which is corrected for the number of comparisons; None if it is undefined.
        comparisons: the number that the interval is corrected for, see `plan.comparisons`.
        sentence: the judgement in words, without the name of the remedy.
    """

    status: Status
    aims: tuple[str, ...] = ()
    seeds: int = 0
    gone: int = 0
    score: Estimate | None = None
    difference: Estimate | None = None
    comparisons: int = 1
    sentence: str = ""
