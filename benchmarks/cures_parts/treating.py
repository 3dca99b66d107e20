"""Runs the doctor on one training, and confirms its cure with fresh seeds."""

import functools

import diagnosis
import keras
import numpy as np
from diagnosis_parts.recording import callbacks_for
from diagnosis_parts.training import BATCH, EPOCHS, VALIDATION
from errorflow.callbacks import doctor

SEEDS = 3
FRESH = (7001, 7002)
WORKERS = 2
FORCED = ("learning-rate", "clip-norm", "initial-weights")


def treat(case: dict) -> dict:
    """Return the case with what the doctor did, whether it cured, and why not."""
    training = next(t for t in diagnosis.chosen([case["name"]]) if t.name == case["name"])
    (x, y), validation = training.split(case["level"], case["seed"])
    first = max(10 * case["seed"], 1)
    answer = doctor(
        functools.partial(training.build, case["level"]),
        x,
        y,
        validation_data=validation,
        epochs=EPOCHS,
        batch_size=BATCH,
        seeds=(case["seed"], *range(first, first + SEEDS - 1)),
        remedies=FORCED if case["forced"] else None,
        first_cure=True,
        verbose=0,
        validation_batch_size=VALIDATION,
    )
    result = case | _summary(answer)
    if answer.best is None:
        return result | {"cured": False, "outcome": f"{_title(case)}: {answer.sentence}"}
    fresh = [_again(training, case, answer, seed, (x, y), validation) for seed in FRESH]
    missing = _not_confirmed(answer, fresh)
    verdict = f"not confirmed: {missing}" if missing else "cured"
    return result | {
        "cured": not missing,
        "fresh": fresh,
        "outcome": f"{_title(case)}: {verdict} by {answer.best.name}",
    }


def _title(case):
    return f"{case['group']}, {case['name']}, {case['level']}, seed {case['seed']}"


def _summary(answer) -> dict:
    treated = [trial for part in answer.treatments for trial in part.trials]
    trials = [*answer.untreated, *treated]
    seconds = [trial.seconds for trial in answer.untreated]
    return {
        "best": None if answer.best is None else answer.best.name,
        "tried": [part.name for part in answer.treatments if part.trials],
        "untreated": [trial.score for trial in answer.untreated],
        "trainings": len(trials),
        "cost": sum(trial.seconds for trial in trials) / WORKERS / float(np.mean(seconds)),
        "sentences": [part.judgement.sentence for part in answer.treatments if part.trials],
    }


def _again(training, case, answer, seed, data, validation) -> dict:
    """Train with the cure and a seed that the doctor did not use."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = answer.treat(training.build(case["level"]))
    recorders = callbacks_for(training, model, *data)
    losses = model.fit(
        *data,
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=recorders,
        validation_data=validation,
        validation_batch_size=VALIDATION,
    ).history["val_loss"]
    findings = [finding for recorder in recorders for finding in recorder.findings()]
    return {
        "score": float(np.nanmin([loss if np.isfinite(loss) else np.nan for loss in losses])),
        "kinds": sorted({each.fault for each in findings if each.severity == "trouble"}),
    }


def _not_confirmed(answer, fresh) -> str:
    """Return why fresh seeds do not confirm a cure; "" if they do."""
    aims = answer.best.judgement.aims  # the kinds of findings that the remedy is for
    stays = sorted({kind for each in fresh for kind in each["kinds"]} & {*aims})
    if stays:
        return f"{', '.join(stays)} with a fresh seed"
    scores = [trial.score for trial in answer.untreated if trial.score is not None]
    worst = max(each["score"] for each in fresh)
    if not worst < min([*scores, np.inf]):
        return f"figure {worst:.3g} with a fresh seed, untreated {min(scores):.3g}"
    return ""
