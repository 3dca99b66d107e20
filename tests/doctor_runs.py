"""Run folders with an answer of the doctor, and its trials with event files."""

import event_files
import numpy as np
import report_runs
from errorflow.callbacks.findings.finding import Finding
from errorflow.callbacks.treatment.answer import Answer
from errorflow.callbacks.treatment.options import Options
from errorflow.callbacks.treatment.trial import Trial
from errorflow.pipelines.core.files import write_json

OPTIONS = Options(seeds=(0, 1, 2))
VANISHING = Finding("rnn", "vanishing", "vanishing, first step gets 1e-7", "the error vanishes")
HEALTHY = Finding("rnn", "healthy", "the error arrives", "the error arrives")
SCORES = {"": (1.01, 1.0, 1.03), "lstm": (0.6, 0.61, 0.62), "orthogonal": (1.2,)}


def answer(reason="the network has no LSTM"):
    """A cure, a remedy that does nothing, and one that cannot be applied for this reason."""
    trials = [
        _trial(name, seed, score)
        for name, scores in SCORES.items()
        for seed, score in enumerate(scores)
    ]
    return Answer.from_trials(
        trials,
        ["lstm", "orthogonal"],
        OPTIONS,
        epochs=3,
        task="names",
        settings={("lstm",): {"model": "lstm"}},
        not_applicable={"forget-bias": reason},
    )


def _trial(name, seed, score):
    findings = (HEALTHY if name == "lstm" else VANISHING,)
    seconds, parameters = (9.0, 400) if name == "lstm" else (6.0, 100)
    curve = (score + 1, score + 0.5, score)
    remedies = tuple(filter(None, (name,)))
    return Trial(remedies, seed, score, curve, findings, seconds, parameters)


def treat(run, content):
    """Write this answer to the folder of a run, and records of each of its trials."""
    folder = run.path / "doctor"
    for name, scores in SCORES.items():
        for seed in range(len(scores)):
            logs = folder / "trials" / (name or "untreated") / f"seed-{seed}" / "run" / "logs"
            event_files.write(logs / "train", "errorflow", flow=_flow(name, seed))
    write_json(folder / "doctor.json", content)
    (folder / "answer.png").write_bytes(report_runs.picture())
    (folder / "best").mkdir()
    (folder / "best" / "config.yaml").write_text("model: lstm\n", encoding="utf-8")


def _flow(name, seed):
    if name != "lstm":
        return report_runs.flow("rnn", seed=seed)
    values = np.random.default_rng(seed).lognormal(0, 0.1, [4, 20, 12])
    return report_runs.record("error_flow", "rnn", report_runs.FLOW, values)
