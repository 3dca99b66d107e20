"""The findings that results.json holds, and how they are printed."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...callbacks.findings.finding import Finding
from ...callbacks.findings.remedies import Remedy
from .run_results import headline_of

MOST_REMEDIES = 4  # that are printed after a training

# What sentences of earlier versions end in; today the meaning of a finding says it.
_OLD_ENDINGS = (
    "; ErrorFlow(probe=(x, y)) measures it",
    ". How far back the error of a single step reaches was not measured",
    ". Whether the task needs a longer range was not measured",
)


def finding_row(finding: Finding) -> dict[str, Any]:
    """Return a finding as results.json holds it; its first sentence is in the verdict."""
    names = ("layer", "kind", "headline", "evidence", "confidence")
    return {name: getattr(finding, name) for name in names}


def findings_in(results: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of results.json, also of earlier versions."""
    rows = results.get("findings", [])
    return [
        _finding(row, sentence) for row, sentence in zip(rows, _sentences(results)[1], strict=True)
    ]


def _finding(row: Mapping[str, Any], sentence: str) -> Finding:
    text = sentence.removeprefix(f"{row['layer']}: ") if row["layer"] else sentence
    for ending in _OLD_ENDINGS:
        text = text.removesuffix(ending)
    confidence = row.get("confidence")
    confidence = np.nan if confidence is None else confidence
    evidence = row.get("evidence", {})
    return Finding(row["layer"], row["kind"], headline_of(row), text, evidence, confidence)


def _sentences(results: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the sentences of the verdict without a finding, and those of the findings."""
    verdict = results.get("verdict", [])
    without = len(verdict) - len(results.get("findings", []))
    return verdict[:without], verdict[without:]


def verdict_in_words(results: Mapping[str, Any]) -> list[str]:
    """Return the verdict of results.json, each sentence followed by what it means for learning.

    What several findings mean alike stands only after the last of them.
    """
    findings = findings_in(results)
    last = {finding.meaning: place for place, finding in enumerate(findings)}
    return [
        *_sentences(results)[0],
        *(
            finding.sentence if last[finding.meaning] == place else finding.first_sentence
            for place, finding in enumerate(findings)
        ),
    ]


def remedies_in(results: Mapping[str, Any]) -> list[Remedy]:
    """Return the remedies of all findings, each once: first the best one of each finding."""
    ranks = itertools.zip_longest(*(finding.remedies for finding in findings_in(results)))
    return [remedy for remedy in dict.fromkeys(itertools.chain(*ranks)) if remedy is not None]
