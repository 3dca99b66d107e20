"""Which trials to run next, from those that have ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from .judgement import aims, is_gone, judge, passes, targets
from .options import Options
from .trial import Trial

PROBES = 2  # untreated trainings that must show something wrong before anything else is tried
# Of these, a network can have only one at a time.
_ALTERNATIVES = (
    {"lstm", "gru"},
    {"orthogonal", "identity"},
    {"forget-bias", "chrono"},
    {"relu", "leaky-relu", "identity"},
    {"batch-normalization", "layer-normalization"},
)


@dataclass(frozen=True)
class Request:
    """A trial to run.

    Attributes:
        remedies: the names of the remedies to apply; (): an untreated training.
        seed: its seed.
    """

    remedies: tuple[str, ...]
    seed: int


def next_requests(
    trials: Sequence[Trial], remedies: Sequence[str], options: Options
) -> list[Request]:
    """Return the trials to run next, the most urgent first; [] if the answer is complete.

    They may run in parallel, all of them or only the first ones; call it again when some have
    ended. It depends on nothing but the trials that have ended, so a doctor that was interrupted
    goes on by calling it. A trial that failed has ended too: it is never requested again.

    1. Untreated trainings with the first two seeds. If none of them shows trouble, that is all.
    2. The other untreated ones, and the screening: one training of each remedy with the first seed.
       `first_cure`: of the first remedy only, and of the next one when it turned out to be no cure.
       If fewer than most untreated trainings show a finding, there is nothing to treat.
    3. The proof: the further seeds of the remedies that passed the screening, see `passes`. It
       ends early for a remedy whose finding comes back.
    4. Without `first_cure`, the two best cures together: the first seed, and the further ones if
       the figure is better than that of both of them with this seed.

    So a first choice that cures needs, with three seeds, six trainings.

    Args:
        trials: those that have ended.
        remedies: the names of those that can be applied, the most promising first.
        options: the seeds, and whether to end with the first cure.
    """
    untreated = untreated_of(trials, options)
    if len(untreated) < PROBES:
        return _missing((), trials, options.seeds[:PROBES])
    if not any(trial.troubles for trial in untreated):
        return []
    open_seeds = _missing((), trials, options.seeds)
    if not open_seeds and not targets(untreated):
        return []
    treatment = _one_by_one if options.first_cure else _all_together
    return open_seeds + treatment(trials, [*dict.fromkeys(remedies)], options)


def untreated_of(trials: Sequence[Trial], options: Options) -> list[Trial]:
    """Return the untreated trials in the order of the seeds."""
    return treated_with((), trials, options)


def treated_with(
    remedies: tuple[str, ...], trials: Sequence[Trial], options: Options
) -> list[Trial]:
    """Return the trials of these remedies in the order of the seeds."""
    by_seed = {trial.seed: trial for trial in trials if trial.remedies == remedies}
    return [by_seed[seed] for seed in options.seeds if seed in by_seed]


def comparisons(trials: Sequence[Trial], options: Options) -> int:
    """Return the number of comparisons that intervals are corrected for.

    It is the number of single remedies that passed the screening. With `first_cure`, where each of
    them may be the last one, it is one more: otherwise 6 % of the answers would name a cure under
    pure noise.
    """
    untreated = untreated_of(trials, options)
    first = [trial for trial in trials if len(trial.remedies) == 1 and _is_first(trial, options)]
    return max(sum(passes(untreated, trial, options) for trial in first), 1) + options.first_cure


def pair_of(
    trials: Sequence[Trial], remedies: Sequence[str], options: Options
) -> tuple[str, str] | None:
    """Return the two best cures that a network can have together, in the order of the remedies."""
    cures = _cures(trials, remedies, options)
    for index, second in enumerate(cures[1:], 1):
        for first in cures[:index]:
            if not any({first, second} <= each for each in _ALTERNATIVES):
                one, other = sorted((first, second), key=[*remedies].index)
                return one, other
    return None


def _cures(trials, remedies, options):
    """The names of the remedies that are cures, that with the best figure first."""
    untreated, count = untreated_of(trials, options), comparisons(trials, options)
    judged = {
        name: judge(untreated, treated_with((name,), trials, options), options, count)
        for name in remedies
    }
    scores = {name: j.score.value for name, j in judged.items() if j.status == "cure" and j.score}
    return sorted(scores, key=lambda name: options.gain(scores[name], 0))


def _all_together(trials, remedies, options):
    proofs = [request for name in remedies for request in _proof((name,), trials, options)]
    screening = [
        request for name in remedies for request in _missing((name,), trials, options.seeds[:1])
    ]
    return proofs + screening or _pair(trials, remedies, options)


def _one_by_one(trials, remedies, options):
    for name in remedies:
        requests = _missing((name,), trials, options.seeds[:1]) or _proof((name,), trials, options)
        if requests or _waits(name, trials, options) or _cures(trials, [name], options):
            return requests
    return []


def _waits(name, trials, options):
    """Whether a remedy may still pass the screening when the untreated trials have all ended."""
    untreated, first = (treated_with(each, trials, options) for each in ((), (name,)))
    return len(untreated) < len(options.seeds) and passes(untreated, first[0], options)


def _pair(trials, remedies, options):
    pair = pair_of(trials, remedies, options)
    if pair is None:
        return []
    if not treated_with(pair, trials, options):
        return _missing(pair, trials, options.seeds[:1])
    return _proof(pair, trials, options) if adds(pair, trials, options) else []


def adds(pair: tuple[str, str], trials: Sequence[Trial], options: Options) -> bool:
    """Return whether two remedies are better than each of them alone, with the first seed."""
    alone = [treated_with((name,), trials, options)[0] for name in pair]
    return passes(alone, treated_with(pair, trials, options)[0], options)


def _proof(remedies, trials, options):
    """The further seeds of remedies that passed the screening; [] if they cannot be a cure."""
    untreated = untreated_of(trials, options)
    treated = treated_with(remedies, trials, options)
    kinds = aims(remedies, targets(untreated))
    if len(untreated) < len(options.seeds) or not treated or not _is_first(treated[0], options):
        return []
    if not all(is_gone(trial, kinds) for trial in treated):
        return []
    if not passes(untreated, treated[0], options):
        return []
    return _missing(remedies, trials, options.seeds)


def _missing(remedies, trials, seeds):
    ended = {trial.seed for trial in trials if trial.remedies == remedies}
    return [Request(remedies, seed) for seed in seeds if seed not in ended]


def _is_first(trial, options):
    return trial.seed == options.seeds[0]
