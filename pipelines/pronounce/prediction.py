"""The predictions of a trained encoder-decoder for a user's sources."""

from collections.abc import Sequence
from pathlib import Path

import keras

from ...callbacks.drawing.attention_maps import attention_text
from ..core.console import note
from ..core.errors import UserError
from ..models import encoder_decoder, text_serving
from ..models.sequence_serving import source_vocabulary
from ..models.serving import load
from ..training.prediction import Predictor
from ..training.task import Rows
from .decoding import alignments, best_predictions


def make_predictor(best: Path, top: int, width: int | None, attention: bool) -> Predictor:
    """Return what predicts the `top` best targets of sources with scores, and any attention.

    Raises:
        UserError: a network without attention. `prepare` raises it for a character or phone that
            is not in the training data.
    """
    serving_model = load(best)
    search = serving_model.get_layer("search")
    if attention and not encoder_decoder.has_attention(search.core):
        raise UserError("--attention: this network has no attention; train one with --attention")
    beam = max(width or search.width, top)

    def prepare(source: str) -> str:
        _check_known(serving_model, [source])
        return source

    def answer(sources: Sequence[str], prepared: Sequence[str]) -> Rows:
        texts, scores = best_predictions(serving_model, prepared, beam)
        rows = [
            {"source": source, "predictions": [*zip(row[:top], map(float, score), strict=False)]}
            for source, row, score in zip(sources, texts, scores, strict=True)
        ]
        if not attention:
            return rows
        maps = alignments(serving_model, prepared, [row[0] for row in texts])
        return [
            row | {"attention": attention_text(alignment)}
            for row, alignment in zip(rows, maps, strict=True)
        ]

    split = source_vocabulary(serving_model).split
    return Predictor(prepare, answer, raw=lambda source: [text_serving.normalize(source, split)])


def _check_known(serving_model: keras.Model, sources: Sequence[str]) -> None:
    """Raise `UserError` for unknown characters or phones; print a note for unknown words."""
    split, vocabulary = source_vocabulary(serving_model)
    known_symbols = set(vocabulary)
    for source, symbols in zip(sources, text_serving.split_texts(sources, split), strict=True):
        unknown = ", ".join(dict.fromkeys(repr(s) for s in symbols if s not in known_symbols))
        if unknown and split == "word":
            note(f"{source!r}: not in the training data: {unknown}")
        elif unknown:
            raise UserError(
                f"{source!r}: {split} {unknown} is not in the training data; it contains:"
                f" {' '.join(vocabulary)}"
            )
