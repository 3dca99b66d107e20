"""How often the doctor is wrong under pure noise, and how often it finds a cure: simulated."""

import numpy as np
import pytest
from errorflow.callbacks.findings.finding import Finding
from errorflow.callbacks.treatment.answer import Answer
from errorflow.callbacks.treatment.plan import Options, next_requests
from errorflow.callbacks.treatment.trial import Trial
from numpy.random import Generator

REMEDIES = ("lstm", "gru", "orthogonal", "attention", "layer-normalization")
VANISHING = Finding("rnn", "vanishing", "vanishing", "the error vanishes")
ANSWERS, MANY = 200, 1000


def unchanged(score):
    return score


def best_of(random, draw, options, gains, scale):
    """The best remedy of a whole answer in which the findings are gone under every remedy.

    draw: a function from a generator to the noise of a figure.
    gains: by how much remedies are better.
    scale: a function of the sum of both; `np.exp`: noise and gains are factors.
    """

    def run(request):
        gain = sum(gains.get(name, 0.0) for name in request.remedies)
        score = scale(10.0 + draw(random) - gain)
        findings = () if request.remedies else (VANISHING,)
        return Trial(request.remedies, request.seed, score, (score,), findings, 1.0, 10)

    trials = []
    while requests := next_requests(trials, REMEDIES, options):
        trials += map(run, requests)
    best = Answer.from_trials(trials, REMEDIES, options, epochs=1).best
    return None if best is None else best.name


def cures(draw, options, gains, answers, scale=unchanged):
    """The best remedy of many answers; None where no cure is named."""
    random = np.random.default_rng(29)
    return [best_of(random, draw, options, gains, scale) for _ in range(answers)]


SCALES = pytest.mark.parametrize("scale", [unchanged, np.exp], ids=["sums", "factors"])


@SCALES
@pytest.mark.parametrize("first_cure", [False, True])
def test_under_pure_noise_at_most_one_answer_in_twenty_names_a_cure(first_cure, scale):
    found = cures(Generator.normal, Options(first_cure=first_cure), {}, ANSWERS, scale)
    assert ANSWERS - found.count(None) <= 0.05 * ANSWERS


@pytest.mark.slow
@pytest.mark.parametrize("first_cure", [False, True])
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(
    "draw",
    [
        Generator.normal,
        Generator.lognormal,
        lambda random: random.standard_t(3),
        lambda random: random.exponential() - 10.0,
    ],
    ids=["normal", "skewed", "outliers", "near zero"],
)
def test_the_same_of_other_noise_and_numbers_of_seeds(draw, seeds, first_cure):
    found = cures(draw, Options(tuple(range(seeds)), first_cure=first_cure), {}, MANY)
    sampling_error = np.sqrt(MANY * 0.05 * 0.95)
    assert MANY - found.count(None) <= 0.05 * MANY + 2 * sampling_error


@SCALES
@pytest.mark.parametrize("first_cure", [False, True])
def test_a_remedy_that_is_five_standard_deviations_better_is_found(first_cure, scale):
    options = Options(first_cure=first_cure)
    found = cures(Generator.normal, options, {REMEDIES[0]: 5.0}, ANSWERS, scale)
    assert found.count(REMEDIES[0]) >= 0.9 * ANSWERS
