"""Edit distances and BLEU of predicted texts; an example may have several targets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.requirements import require_packages


class Distance(NamedTuple):
    """The distance of a prediction to the nearest of its targets."""

    edits: int  # symbols inserted, deleted or replaced
    length: int  # symbols of that target


def needed(split: str) -> list[str]:
    """Return the packages that measure predictions of words, or of characters or phones."""
    return ["jiwer", "sacrebleu"] if split == "word" else ["jiwer"]


def check_installed(packages: Sequence[str]) -> None:
    """Raise `UserError` if one of the packages is missing."""
    require_packages("measuring predictions", packages)


def distances(
    predictions: Sequence[Sequence[str]], targets: Sequence[Sequence[Sequence[str]]]
) -> list[Distance]:
    """Return the distance of each prediction, a list of symbols, to its nearest target."""
    import jiwer

    places = [place for place, alternatives in enumerate(targets) for _ in alternatives]
    references = [target for alternatives in targets for target in alternatives]
    # jiwer splits at spaces, which a symbol may contain; numbers stand for the symbols.
    numbers: dict[str, str] = {}

    def coded(symbols: Sequence[str]) -> str:
        return " ".join(numbers.setdefault(s, str(len(numbers))) for s in symbols)

    compared = jiwer.process_words(
        [coded(target) for target in references], [coded(predictions[place]) for place in places]
    )
    nearest: list[Distance | None] = [None] * len(predictions)
    for place, target, chunks in zip(places, references, compared.alignments, strict=True):
        new = Distance(sum(map(_edits, chunks)), len(target))
        old = nearest[place]
        if old is None or new.edits < old.edits:
            nearest[place] = new
    return [distance for distance in nearest if distance is not None]


def _edits(chunk: Any) -> int:
    if chunk.type == "equal":
        return 0
    return max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)


def rates(distances: Sequence[Distance]) -> tuple[float, float]:
    """Return (edits per symbol of the targets, share of wrong predictions)."""
    edits, lengths = np.transpose(distances)
    return float(edits.sum() / lengths.sum()), float(np.mean(edits > 0))


def bleu(predictions: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    """Return sacrebleu's BLEU of a corpus, 0 to 100; a prediction may have several targets."""
    import sacrebleu

    most = max(map(len, targets))
    references: Any = [[t[n] if n < len(t) else None for t in targets] for n in range(most)]
    return sacrebleu.corpus_bleu(predictions, references).score
