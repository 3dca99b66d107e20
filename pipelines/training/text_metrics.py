"""How far answers are from what is right, where several targets may be: edits, by jiwer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import UserError


class Distance(NamedTuple):
    """From one answer to the nearest of its targets."""

    edits: int  # symbols put in, left out or replaced
    length: int  # symbols of that target


EXTRAS = {"jiwer": "speech", "sacrebleu": "text"}  # in which each package comes


def needed(split: str) -> list[str]:
    """The packages that answers of this kind are measured with."""
    return ["jiwer", "sacrebleu"] if split == "word" else ["jiwer"]


def check_installed(packages: Sequence[str]) -> None:
    """Raises `UserError` where one of them is missing."""
    import importlib.util

    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        extras = ",".join(EXTRAS[name] for name in missing)
        raise UserError(
            f"{' and '.join(missing)} measures the answers and is not installed:"
            f" pip install 'errorflow[{extras}]'"
        )


def distances(
    answers: Sequence[Sequence[str]], targets: Sequence[Sequence[Sequence[str]]]
) -> list[Distance]:
    """Of each answer, by symbols; of several targets, the one that fewest edits lead to."""
    import jiwer

    places = [place for place, several in enumerate(targets) for _ in several]
    references = [target for several in targets for target in several]
    # A symbol may hold a blank of its own, and jiwer splits at blanks: numbers stand for symbols.
    numbers: dict[str, str] = {}

    def coded(symbols: Sequence[str]) -> str:
        return " ".join(numbers.setdefault(s, str(len(numbers))) for s in symbols)

    compared = jiwer.process_words(
        [coded(target) for target in references], [coded(answers[place]) for place in places]
    )
    found: list[Distance | None] = [None] * len(answers)
    for place, target, chunks in zip(places, references, compared.alignments, strict=True):
        new = Distance(sum(map(_edits, chunks)), len(target))
        old = found[place]
        if old is None or new.edits < old.edits:
            found[place] = new
    return [distance for distance in found if distance is not None]


def _edits(chunk: Any) -> int:
    if chunk.type == "equal":
        return 0
    return max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)


def rates(found: Sequence[Distance]) -> tuple[float, float]:
    """(edits per symbol of the targets, share of answers that are not right)"""
    edits, lengths = np.transpose(found)
    return float(edits.sum() / lengths.sum()), float(np.mean(edits > 0))


def bleu(answers: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    """BLEU of a corpus, from 0 to 100, by sacrebleu; targets count in which an answer may be."""
    import sacrebleu

    most = max(map(len, targets))
    references: Any = [[t[n] if n < len(t) else None for t in targets] for n in range(most)]
    return sacrebleu.corpus_bleu(answers, references).score
