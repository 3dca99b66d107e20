"""The judgements of all remedies that were tried."""

from collections.abc import Sequence
from dataclasses import replace

from .judgement import judge
from .options import Options
from .outcome import Judgement
from .plan import adds, comparisons, pair_of, treated_with, untreated_of
from .trial import Trial

_NOT_BETTER_TOGETHER = {
    "status": "screened out",
    "sentence": "not better in the first seed than each of them alone; no further seeds were tried",
}


def judgements(
    trials: Sequence[Trial], remedies: Sequence[str], options: Options
) -> dict[tuple[str, ...], Judgement]:
    """Return the judgement of each remedy, and of the two best ones together if they were tried.

    Args:
        trials, remedies, options: as for `plan.next_requests`.
    """
    untreated, count = untreated_of(trials, options), comparisons(trials, options)

    def judged(names):
        return judge(untreated, treated_with(names, trials, options), options, count)

    by_names: dict[tuple[str, ...], Judgement] = {(name,): judged((name,)) for name in remedies}
    pair = pair_of(trials, remedies, options)
    if pair is not None and treated_with(pair, trials, options):
        together = judged(pair)
        is_over = together.status == "unfinished" and not adds(pair, trials, options)
        by_names[pair] = replace(together, **_NOT_BETTER_TOGETHER) if is_over else together
    return by_names
