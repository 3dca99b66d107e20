"""What a remedy has done, judged from the trainings with it and without it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from ..findings.remedies import REMEDIES
from .options import Options
from .outcome import Judgement, Status
from .statistics import Estimate, difference, mean
from .trial import NOT_FINITE, Trial
from .wording import judgement_in_words

_FINDINGS = {each.name: each.findings for each in REMEDIES}


def targets(untreated: Sequence[Trial]) -> tuple[str, ...]:
    """Return the kinds of trouble that more than half of the untreated trainings show.

    What a minority of the seeds shows would be gone by chance in many treated ones.
    """
    counts = Counter(kind for trial in untreated for kind in trial.troubles)
    return tuple(sorted(kind for kind, count in counts.items() if 2 * count > len(untreated)))


def aims(remedies: Sequence[str], kinds: Collection[str]) -> tuple[str, ...]:
    """Return those of some kinds of findings that remedies are for.

    All of them, if one of the remedies is for none of them or is a reader's own.
    """
    each = [{*kinds} & {*_FINDINGS.get(name, ())} for name in remedies]
    return tuple(sorted(set().union(*each) if all(each) else {*kinds}))


def is_gone(trial: Trial, kinds: Collection[str]) -> bool:
    """Return whether a training ran to its end without a finding of these kinds."""
    return not trial.has_failed and not trial.troubles & {*kinds}


def passes(untreated: Sequence[Trial], trial: Trial, options: Options) -> bool:
    """Return whether a remedy deserves its proof after its first training.

    Its findings must be gone, and its figure must be better than that of every untreated training:
    that of a remedy which is better beyond the noise nearly always is. Of useless remedies it is
    by chance for a quarter, with three seeds.
    """
    if trial.score is None or not is_gone(trial, aims(trial.remedies, targets(untreated))):
        return False
    scores = [each.score for each in untreated if each.score is not None]
    return all(options.gain(score, trial.score) > 0 for score in scores)


def judge(
    untreated: Sequence[Trial], treated: Sequence[Trial], options: Options, comparisons: int = 1
) -> Judgement:
    """Return what a remedy has done.

    Under pure noise at most 5 % of whole answers name a cure (simulated in
    tests/callbacks/test_treatment_noise.py). The first seed has selected the remedies for the proof
    and is judged together with the others: the correction for their number makes up for it, and
    without this seed fewer cures would be found. If trainings fall into two groups, such as those
    that take off and those that never do, three seeds prove less than the interval says.

    Args:
        untreated: the trainings without a remedy.
        treated: those with the remedy, at most one for each seed, the first seed first.
        options: the seeds, and whether a lower figure is better.
        comparisons: the number that the interval is corrected for, see `plan.comparisons`.
    """
    if not treated:
        return Judgement("not tried", sentence="it was not tried")
    kinds = aims(treated[0].remedies, targets(untreated))
    if not kinds:
        text = "most of the untreated trainings have no finding"
        return Judgement("nothing to treat", seeds=len(treated), sentence=text)
    gone = sum(is_gone(trial, kinds) for trial in treated)
    scores = [trial.score for trial in treated if trial.score is not None]
    change = _change(untreated, treated, options, comparisons)
    score = mean(scores, options.direction) if scores else None
    judgement = Judgement("unfinished", kinds, len(treated), gone, score, change, comparisons)
    judgement = replace(judgement, status=_status(judgement, untreated, treated, options))
    return replace(judgement, sentence=judgement_in_words(judgement, untreated, treated, options))


def is_better(change: Estimate | None, options: Options) -> bool:
    """Return whether the whole interval of a difference is on the better side of 0."""
    return _bound(change, options, 1)


def _is_worse(change, options):
    return _bound(change, options, -1)


def _bound(change, options, side):
    if change is None or change.low is None or change.high is None:
        return False
    return all(side * options.gain(0, bound) > 0 for bound in (change.low, change.high))


def _change(untreated, treated, options, comparisons):
    """The difference; an untreated training without a figure counts as the worst one there is."""
    after = [trial.score for trial in treated if not trial.has_failed]
    before = [trial.score for trial in untreated if trial.score is not None]
    if not before or len(after) < len(treated):
        return None
    worst = (max if options.direction == "min" else min)([*before, *after])
    before += [worst] * (len(untreated) - len(before))
    return difference(before, after, options.direction, comparisons)


def _status(judgement, untreated, treated, options) -> Status:
    if judgement.gone < judgement.seeds:
        return _with_a_finding(judgement, treated, options)
    if judgement.seeds == 1 and not passes(untreated, treated[0], options):
        return "screened out"
    if judgement.seeds < len(options.seeds) or len(untreated) < len(options.seeds):
        return "unfinished"
    change = judgement.difference
    if change is None or is_better(change, options):  # None: no untreated training has a figure
        return "new fault" if _is_newly_infinite(untreated, treated) else "cure"
    if _is_worse(change, options):
        return "worse"
    return "noise" if options.gain(0, change.value) > 0 else "no better"


def _with_a_finding(judgement, treated, options) -> Status:
    if not any(trial.troubles & {*judgement.aims} for trial in treated):
        return "failed"
    if is_better(judgement.difference, options):
        return "better"
    return "worse" if _is_worse(judgement.difference, options) else "finding stays"


def _is_newly_infinite(untreated, treated):
    before, after = (any(NOT_FINITE in t.troubles for t in each) for each in (untreated, treated))
    return after and not before
