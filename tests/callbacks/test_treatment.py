"""The doctor's plan of trials, its judgements, and its answer; without a training."""

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from errorflow.callbacks.findings.finding import Finding
from errorflow.callbacks.treatment.answer import Answer
from errorflow.callbacks.treatment.direction import direction_of
from errorflow.callbacks.treatment.judgement import judge
from errorflow.callbacks.treatment.plan import Options, Request, next_requests
from errorflow.callbacks.treatment.trial import Trial

OPTIONS = Options((1, 2, 3))
NAMES = ("lstm", "gru", "orthogonal", "attention")
PURE = ("facts", "plan", "answer", "strength")


def finding(kind):
    return Finding("rnn", kind, f"{kind}, half-life 3 steps", f"the error is {kind}")


def trial(names, seed, score, kinds=(), failure=None):
    findings = tuple(map(finding, kinds))
    return Trial(tuple(names), seed, score, (1.0, score), findings, 2.0, 100, failure)


def trials(names, scores, kinds=()):
    """One training for each score, with the seeds 1, 2, …"""
    return [trial(names, seed, score, kinds) for seed, score in enumerate(scores, 1)]


UNTREATED = trials((), (0.70, 0.71, 0.69), ["vanishing"])


def patient(cures=(), shows=("vanishing",), together=0.0):
    """A function that runs a request; the remedies in `cures` remove the finding and help.

    together: the gain of two cures at once, beyond that of the first.
    """

    def run(request):
        helps = [name for name in request.remedies if name in cures]
        score = 0.70 - 0.3 * bool(helps) - together * (len(helps) > 1) + 0.01 * request.seed
        return trial(request.remedies, request.seed, score, () if helps else shows)

    return run


def treat(run, options=OPTIONS, names=NAMES, at_once=100):
    """Run a doctor to its end, `at_once` trials at a time; → the trials in their order."""
    done = []
    while requests := next_requests(done, names, options):
        done += map(run, requests[:at_once])
    return done


def answer(done, options=OPTIONS, names=NAMES, **more):
    return Answer.from_trials(done, names, options, epochs=2, **more)


def keys(done):
    return Counter((each.remedies, each.seed) for each in done)


# Which trials


def test_a_healthy_training_costs_two_trials_and_there_is_nothing_to_treat():
    done = treat(patient(shows=()))
    assert [each.remedies for each in done] == [(), ()]
    assert answer(done).sentence == "nothing to treat: no finding in 2 of 2 seeds"


def test_the_first_choice_is_proven_in_six_trials_three_at_a_time_for_two_workers():
    options = Options((1, 2, 3), first_cure=True)
    done = treat(patient(["lstm"]), options, at_once=2)
    untreated, treated = [Request((), seed) for seed in (1, 2, 3)], ("lstm",)
    assert keys(done) == Counter(
        [(each.remedies, each.seed) for each in untreated] + [(treated, s) for s in (1, 2, 3)]
    )
    assert answer(done, options).best.remedies == treated


def test_with_first_cure_the_next_remedy_is_tried_when_one_fails():
    done = treat(patient(["orthogonal"]), Options((1, 2, 3), first_cure=True), at_once=1)
    tried = [each.remedies[0] for each in done if each.remedies]
    assert tried == ["lstm", "gru", "orthogonal", "orthogonal", "orthogonal"]


def test_each_remedy_is_screened_once_and_two_cures_are_tried_together():
    done = treat(patient(["lstm", "attention"], together=0.1))
    pair = ("lstm", "attention")
    counts = Counter(each.remedies for each in done)
    assert counts == {(): 3, ("lstm",): 3, ("attention",): 3, ("gru",): 1, ("orthogonal",): 1} | {
        pair: 3
    }
    assert answer(done).best.remedies == pair


def test_two_remedies_that_do_no_more_than_one_are_given_up_after_a_trial():
    done = treat(patient(["lstm", "attention"]))
    together = answer(done).treatments[-1]
    assert (together.remedies, together.status) == (("lstm", "attention"), "screened out")
    assert len(together.trials) == 1
    assert answer(done).is_complete


def test_cells_that_exclude_one_another_are_not_tried_together():
    done = treat(patient(["lstm", "gru"], together=0.1))
    assert all(len(each.remedies) <= 1 for each in done)


@pytest.mark.parametrize("at_once", [1, 2, 100])
@pytest.mark.parametrize("first_cure", [False, True])
def test_a_doctor_that_was_interrupted_goes_on_and_runs_no_trial_twice(first_cure, at_once):
    options, run = Options((1, 2, 3), first_cure=first_cure), patient(["gru", "attention"])
    done = treat(run, options, at_once=at_once)
    for count in range(len(done)):
        again = done[:count]
        while requests := next_requests(again, NAMES, options):
            again += map(run, requests[:at_once])
        assert keys(again) == keys(done)
        assert max(keys(again).values()) == 1


def test_trials_that_fail_are_not_repeated():
    done = treat(
        lambda request: trial(request.remedies, request.seed, None, ["not finite"], "diverged")
    )
    assert max(keys(done).values()) == 1
    statuses = {each.name: each.status for each in answer(done).treatments}
    assert statuses == dict.fromkeys(NAMES, "finding stays")


def test_an_untreated_training_that_cannot_run_is_named():
    done = treat(lambda request: trial(request.remedies, request.seed, None, (), "no memory"))
    assert answer(done).sentence == "the untreated training failed in 2 of 2 seeds: no memory"


def test_a_finding_that_one_seed_of_three_shows_is_not_treated():
    run = patient()
    done = treat(lambda request: run(request) if request.seed == 1 else patient(shows=())(request))
    assert answer(done).sentence == 'nothing to treat: "vanishing" in a minority of 3 seeds only'
    assert not any(each.seed > 1 for each in done if each.remedies)


@pytest.mark.parametrize(
    "changes", [{"seeds": (1,)}, {"seeds": (1, 1)}, {"direction": "smaller"}], ids=str
)
def test_options_that_prove_nothing_are_errors(changes):
    with pytest.raises(ValueError, match=f"^{next(iter(changes))}: "):
        Options(**changes)


# What they prove

JUDGEMENTS = [
    ("cure", (0.40, 0.42, 0.41), ()),
    ("noise", (0.68, 0.71, 0.69), ()),
    ("no better", (0.68, 0.73, 0.70), ()),
    ("worse", (0.80, 0.81, 0.82), ()),
    ("better", (0.40, 0.42, 0.41), ["vanishing"]),
    ("finding stays", (0.69, 0.71, 0.70), ["vanishing"]),
    ("new fault", (0.40, 0.42, 0.41), ["not finite"]),
    ("screened out", (0.695,), ()),
    ("finding stays", (0.40,), ["vanishing"]),
    ("unfinished", (0.40,), ()),
    ("unfinished", (0.40, 0.41), ()),
    ("not tried", (), ()),
]


@pytest.mark.parametrize("status, scores, kinds", JUDGEMENTS)
def test_a_judgement_is_the_same_whether_lower_or_higher_is_better(status, scores, kinds):
    assert judge(UNTREATED, trials(["lstm"], scores, kinds), OPTIONS).status == status
    higher = Options((1, 2, 3), "val_accuracy", "max")
    untreated = trials((), (0.30, 0.29, 0.31), ["vanishing"])
    treated = trials(["lstm"], [1 - score for score in scores], kinds)
    assert judge(untreated, treated, higher).status == status


def test_the_sentence_has_the_seeds_the_difference_and_its_interval():
    cure = judge(UNTREATED, trials(["lstm"], (0.40, 0.42, 0.41)), OPTIONS)
    assert cure.sentence == (
        '"vanishing" is gone in 3 of 3 seeds, and val_loss is 0.41 instead of 0.7: better by 0.29'
        " (95% interval 0.271 to 0.308)"
    )


def students_interval(before, after):
    found = scipy.stats.ttest_ind(after, before).confidence_interval(0.95)
    return [found.low, found.high]


def test_intervals_of_accuracies_are_students():
    before, after = (0.30, 0.29, 0.31), (0.60, 0.64, 0.62)
    untreated = trials((), before, ["vanishing"])
    cure = judge(untreated, trials(["lstm"], after), Options((1, 2, 3), "val_accuracy", "max"))
    found = [cure.difference.low, cure.difference.high]
    assert found == pytest.approx(students_interval(before, after))
    assert cure.difference.value == pytest.approx(0.32)


def test_losses_are_compared_as_factors():
    """Student's interval of the raw losses has 0 in it; their spread is that of the worst."""
    before, after = (300.0, 243660.0, 88699.0), (0.017, 0.012, 0.022)
    cure = judge(trials((), before, ["exploding"]), trials(["orthogonal"], after), OPTIONS)
    assert students_interval(before, after)[1] > 0
    assert cure.status == "cure"
    center = scipy.stats.gmean(before)
    factors = np.exp(students_interval(np.log(before), np.log(after)))
    found = [cure.difference.low, cure.difference.high]
    np.testing.assert_allclose(found, center * (factors - 1), rtol=1e-9)
    assert cure.score.value == pytest.approx(scipy.stats.gmean(after))
    assert cure.difference.value == pytest.approx(cure.score.value - center)


def test_losses_that_may_be_negative_are_compared_as_they_are():
    before, after = (0.2, 0.1, -0.1), (-1.0, -1.1, -0.9)
    cure = judge(trials((), before, ["exploding"]), trials(["orthogonal"], after), OPTIONS)
    found = [cure.difference.low, cure.difference.high]
    assert found == pytest.approx(students_interval(before, after))


def test_an_interval_is_wider_the_more_remedies_reach_the_proof():
    treated = trials(["lstm"], (0.674, 0.676, 0.675))
    assert [judge(UNTREATED, treated, OPTIONS, count).status for count in (1, 5)] == [
        "cure",
        "noise",
    ]


def test_a_finding_that_a_remedy_is_not_for_does_not_count():
    untreated = trials((), (0.70, 0.71, 0.69), ["vanishing", "clipped"])
    treated = trials(["lstm"], (0.40, 0.42, 0.41), ["clipped"])
    assert judge(untreated, treated, OPTIONS).status == "cure"
    own = trials(["my idea"], (0.40, 0.42, 0.41), ["clipped"])
    assert judge(untreated, own, OPTIONS).status == "better"


def test_dead_networks_with_the_same_score_in_every_seed_are_no_proof_of_a_small_difference():
    untreated = trials((), (0.1, 0.1, 0.1), ["dead units"])
    options = Options((1, 2, 3), "val_accuracy", "max")
    small, large = (trials(["leaky-relu"], [s] * 3) for s in (0.1001, 0.5))
    assert judge(untreated, trials(["leaky-relu"], [0.1] * 3), options).status == "no better"
    assert judge(untreated, small, options).status == "noise"
    assert judge(untreated, large, options).status == "cure"


def test_two_seeds_are_enough_for_a_large_difference_only():
    options, untreated = Options((1, 2)), UNTREATED[:2]
    assert judge(untreated, trials(["lstm"], (0.40, 0.41)), options).status == "cure"
    assert judge(untreated, trials(["lstm"], (0.68, 0.69)), options).status == "noise"


def test_figures_that_are_not_finite_are_worse_than_all_others():
    diverged = [trial((), seed, math.inf, ["not finite"], "the loss is NaN") for seed in (1, 2, 3)]
    treated = trials(["clip-norm"], (0.40, 0.42, 0.41))
    cure = judge(diverged, treated, OPTIONS)
    assert cure.status == "cure"
    assert cure.sentence.endswith("val_loss is 0.41; no untreated training has a finite one")
    failed = [*treated[:2], trial(["clip-norm"], 3, math.nan, (), "no memory")]
    assert judge(diverged, failed, OPTIONS).status == "failed"
    assert judge(diverged, failed, OPTIONS).sentence == (
        "the training failed in 1 of 3 seeds: no memory"
    )


# The answer


def whole():
    """An answer with everything: a cure, remedies that are none, one that cannot be applied."""
    more = {
        "not_applicable": {"reverse": "the network reads no source"},
        "settings": {("lstm",): {"cell": "lstm"}},
    }
    return answer(treat(patient(["lstm", "attention"])), task="names", run="runs/names/1", **more)


def test_an_answer_names_the_best_cure_and_judges_each_remedy():
    first, *others = whole().verdict()
    assert first.startswith('lstm cures it (an LSTM in place of a SimpleRNN): "vanishing" is gone')
    assert first.endswith("; other cures: attention")
    assert [line.split(":")[0] for line in others] == [*NAMES, "lstm + attention", "reverse"]
    assert others[-1] == "reverse: the network reads no source"


def test_without_a_cure_no_answer_names_one():
    done = treat(patient())
    assert answer(done).best is None
    assert answer(done).sentence == '"vanishing": no cure is proven; 4 remedies were tried'


def test_the_table_has_a_row_for_the_untreated_trainings_and_for_each_remedy():
    untreated, lstm, *_, reverse = whole().table()
    assert untreated[:4] == ("untreated", "", "vanishing 3/3", "")
    assert lstm[:4] == ("lstm", "Hochreiter & Schmidhuber 1997", "vanishing 3/3", "gone 3/3")
    assert lstm[4:] == ("0.42 ± 0.025", "× 1", "× 1", "cure")
    assert reverse.result == "not applicable"


def test_the_frame_has_a_row_for_each_training():
    frame, done = whole().to_frame(), treat(patient(["lstm", "attention"]))
    assert len(frame) == len(done)
    assert frame.groupby("remedies").gone.all().to_dict() == {
        **{"": False, "lstm": True, "attention": True, "lstm + attention": True},
        **{"gru": False, "orthogonal": False},
    }


def test_json_is_strict_and_comes_back_as_the_same_answer():
    given = whole()
    text = json.dumps(given.as_json(), allow_nan=False)
    again = Answer.from_json(json.loads(text))
    assert again.as_json() == given.as_json()
    assert (again.best, again.verdict()) == (given.best, given.verdict())


def test_json_has_the_figures_of_the_best_cure():
    content = whole().as_json()
    (best,) = (row for row in content["remedies"] if row["remedies"] == content["best"])
    assert best["finding_before"] == "vanishing, half-life 3 steps (3 of 3 seeds)"
    assert best["finding_after"] == "gone (3 of 3 seeds)"
    assert best["settings"] == {"cell": "lstm"}
    assert best["difference"] == pytest.approx(best["score"] - content["untreated"]["score"])
    assert content["findings"] == [finding("vanishing").as_json()]


@pytest.mark.parametrize(
    "damage, message",
    [
        ({"version": 2}, "its version is 2, not 1"),
        ({"remedies": [{"status": "cured"}]}, "the status 'cured' is unknown"),
        ({"untreated": {}}, "it has no 'trials'"),
        ({"seeds": 3}, "it is no answer of the doctor"),
        ({"remedies": ["lstm"]}, "it is no answer of the doctor"),
    ],
    ids=str,
)
def test_a_damaged_answer_is_one_clause(damage, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Answer.from_json({**whole().as_json(), **damage})


def test_the_figure_has_the_scores_of_all_seeds_and_the_courses_before_and_after():
    scores, courses = whole().plot().axes
    labels = [label.get_text() for label in scores.get_yticklabels()]
    assert labels[:2] == ["untreated", "lstm: cure"]
    assert [text.get_text() for text in courses.get_legend().get_texts()] == ["untreated", "lstm"]
    assert len(courses.lines) == 6


def test_the_figure_of_trainings_of_one_epoch_has_no_fractions_of_it():
    done = [replace(each, curve=each.curve[:1]) for each in trials((), (0.7, 0.8, 0.75))]
    _, courses = answer(done).plot().axes
    assert [tick % 1 for tick in courses.get_xticks()] == [0] * len(courses.get_xticks())


def test_a_figure_without_a_training_is_an_error():
    with pytest.raises(ValueError, match="no training has a finite validation figure"):
        answer([]).plot()


def test_a_notebook_shows_the_sentence_the_table_and_the_figure():
    shown = whole()._repr_html_()
    assert "cures it" in shown and "Hochreiter &amp; Schmidhuber 1997" in shown
    assert shown.count("<tr>") == 8 and "<img" in shown
    assert "<img" not in answer([])._repr_html_()


def test_answers_are_read_without_tensorflow_and_what_else_is_slow():
    heavy = ("tensorflow", "keras", "pandas", "matplotlib", "scipy")
    code = f"import sys; from errorflow.callbacks.treatment import {', '.join(PURE)};"
    code += f"print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("direction", "figures"),
    {
        "min": "val_loss words_loss loss val_wer epoch_cer test_per smape mase val_mase_naive rmse"
        " mean_absolute_error mse top5_error top_5_errors val_wrong kl_divergence false_negatives"
        " sparse_categorical_crossentropy perplexity accuracy_loss log_cosh",
        "max": "val_accuracy acc test_macro_f1 f1_score top5 sparse_top_k_categorical_accuracy auc"
        " auc_1 mean_io_u cosine_similarity bleu facts_seen order exact r2_score"
        " accuracy_per_class precision recall_at_precision hits",
        None: "learning_rate steps_per_second coverage unknown_words stopping places framework"
        " progress mean",
    }.items(),
)
def test_the_name_of_a_figure_says_whether_high_or_low_is_better(direction, figures):
    names = [name for figure in figures.split() for name in (figure, figure.replace("_", " "))]
    assert {name: direction_of(name) for name in names} == dict.fromkeys(names, direction)
