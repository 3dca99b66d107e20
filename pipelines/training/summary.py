"""What is left of a training: results.json, pictures, the model card, and the last words."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ...callbacks.findings.finding import Finding
from ...callbacks.findings.remedies import REMEDIES
from ..core.config import CommonConfig
from ..core.config_files import config_dict
from ..core.devices import note
from ..core.files import write_text
from ..core.run_folder import Run
from . import plots
from .loop import Job, Outcome

INITIALS = ("per", "wer", "cer", "bleu")


def keep(job: Job, outcome: Outcome) -> None:
    """Writes what is known after training: results.json, the curves, pictures of the error."""
    run, flow = job.run, outcome.error_flow
    run.update(
        parameters=job.core.count_params(),
        epochs=len(outcome.rows),
        best_epoch=outcome.best_epoch,
        ending=outcome.ending,
        seconds=outcome.seconds,
        compile_seconds=outcome.compile_seconds,
        padding=round(getattr(job.feed, "padding", 0.0), 4),
        monitor=job.monitor,
    )
    trained = outcome.layer_gradients.history  # a resumed run may have had no epoch left
    if trained or "verdict" not in run.results():
        found = findings(outcome)
        run.update(verdict=verdict(outcome, found), findings=[_known(one) for one in found])
    figures = [key for key in outcome.rows[0] if f"val_{key}" in outcome.rows[0]]
    plots.save(plots.curves(outcome.rows, figures, outcome.best_epoch), run.plots / "curves.png")
    if outcome.layer_gradients.history:
        plots.save(outcome.layer_gradients.plot(), run.plots / "layer_gradients.png")
    if flow is not None and any(len(table["step"]) for table in flow.history.values()):
        plots.save(flow.plot(), run.plots / "error_flow.png")
    if outcome.gates is not None and outcome.gates.history:
        plots.save(outcome.gates.plot(), run.plots / "gates.png")


def verdict(outcome: Outcome, found: Sequence[Finding]) -> list[str]:
    """What the error did on its way back through time and depth, in words."""
    none = [] if outcome.error_flow else ["no recurrent layer: no error flows through time"]
    return [*none, *(finding.sentence for finding in found)]


def findings(outcome: Outcome) -> list[Finding]:
    """What the callbacks found."""
    watchers = (outcome.error_flow, outcome.layer_gradients, outcome.gates)
    return [finding for one in watchers if one is not None for finding in one.findings()]


def _known(finding: Finding) -> dict[str, Any]:
    """For results.json."""
    names = ("layer", "kind", "evidence", "confidence")
    return {name: getattr(finding, name) for name in names}


def write_card(run: Run, config: CommonConfig, about: str, usage: str) -> None:
    """README.md of the run: what the model is, learned from, is worth, and how to use it."""
    results = run.results()
    data = results["data"]
    counts = [(label, *splits.values()) for label, splits in data["counts"].items()]
    scores = [(key, f"{value:.4f}") for key, value in results["test"].items()]
    text = f"""# {run.task}/{run.name}

{about}

## Results

On the test split, which had no part in training or in any choice:

{_table(["figure", "value"], scores)}

Best epoch {results["best_epoch"]} of {results["epochs"]} ({results["ending"]}), chosen by
{results["monitor"]}; {results["parameters"]:,} parameters; {results["seconds"]:.0f} s of training.

{_bullets(results["verdict"])}

## Data

{data["source"]}, content hash `{data["content_hash"][:16]}`.

{_table(["label", *next(iter(data["counts"].values()))], counts)}

## Use

{usage}

## Configuration

{_table(["key", "value"], [(k, v) for k, v in config_dict(config).items() if v is not None])}
"""
    write_text(run.path / "README.md", text)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def in_words(figures: Mapping[str, float]) -> str:
    """accuracy 0.7950, macro-F1 0.7600, WER 0.2710"""
    return ", ".join(f"{_spelled(key)} {value:.4f}" for key, value in figures.items())


def _spelled(key: str) -> str:
    return key.upper() if key in INITIALS else key.replace("_", "-").replace("f1", "F1")


def _time(results: Mapping[str, Any]) -> str:
    """time: 93 s of training, 8 of them compiling; padding 8.1 % of all time steps"""
    compiling = results.get("compile_seconds")
    words = f"time: {results['seconds']:.0f} s of training"
    words += "" if compiling is None else f", {compiling:.0f} of them compiling"
    if "pretraining_seconds" in results:
        words += f", after {results['pretraining_seconds']:.0f} s of pretraining"
    padding = results["padding"]
    return words + (f"; padding {padding:.1%} of all time steps" if padding else "")


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def announce(run: Run, model: keras.Model, data: Any) -> None:
    """The first words of a training: how much data, how large a model, where the files go."""
    sizes = {part: len(getattr(data, part)) for part in ("train", "validation", "test")}
    note(f"{data.source}: " + ", ".join(f"{n} {part}" for part, n in sizes.items()))
    note(f"{model.count_params():,} parameters; files go to {run.path}")


def last_words(run: Run, after: Sequence[str]) -> None:
    """Prints the figures, what the error did, where the files are and what to run next."""
    results = run.results()
    figures = in_words(results["test"])
    print(f"\ntest: {figures} (epoch {results['best_epoch']} of {results['epochs']})")
    print(_time(results))
    for line in results["verdict"]:
        print(f"error flow: {line}")
    troubles = [finding["kind"] for finding in results.get("findings", ())]
    for remedy in dict.fromkeys(r for kind in troubles for r in REMEDIES.get(kind, ())):
        print(f"  may help: {remedy}")
    print(f"files: {run.path}")
    print("next:", *(f"  {line}" for line in after), sep="\n")
