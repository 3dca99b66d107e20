"""What a trained encoder-decoder answers, line by line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import keras

from ...callbacks.drawing.attention_maps import attention_text
from ..core.config import UserError
from ..core.devices import note
from ..models import encoder_decoder, text_serving
from ..models.sequence_serving import source_vocabulary
from ..models.serving import load
from .training import aligned, answer


def lines(
    best: Path, sources: Sequence[str], top: int, width: int | None, attention: bool
) -> Iterator[str]:
    """The `top` best answers to each source: source, answer, score; and the alignment if asked for.

    Raises:
        UserError: a character or phone that training never showed; an alignment of a network
            without attention.
    """
    package = load(best)
    search = package.get_layer("search")
    if attention and not encoder_decoder.has_attention(search.core):
        raise UserError("--attention: this run has none; train one with --attention")
    _check_known(package, sources)
    answers, scores = answer(package, sources, max(width or search.width, top))
    first = [said[0] for said in answers]
    maps = aligned(package, sources, first) if attention else [None] * len(sources)
    for source, said, row, alignment in zip(sources, answers, scores, maps, strict=True):
        for one, score in zip(said[:top], row, strict=False):
            yield f"{source}\t{one}\t{score:.3f}"
        if alignment is not None:
            yield f"\n{attention_text(alignment)}\n"


def _check_known(package: keras.Model, sources: Sequence[str]) -> None:
    """Refuses what the network cannot read; an unknown word, which has an id, is only told."""
    split, vocabulary = source_vocabulary(package)
    known = set(vocabulary)
    for source, symbols in zip(sources, text_serving.split_texts(sources, split), strict=True):
        strange = ", ".join(dict.fromkeys(repr(s) for s in symbols if s not in known))
        if strange and split == "word":
            note(f"{source!r}: never seen in training: {strange}")
        elif strange:
            raise UserError(
                f"{source!r}: {split} {strange} was never seen in training; known are:"
                f" {' '.join(vocabulary)}"
            )
