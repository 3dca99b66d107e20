"""Pronounce: predict the pronunciation of a word, or translate any sequence into another.

errorflow pronounce train                            CMUdict: English words and their phones
errorflow pronounce train --data-dir pairs.tsv       your own data: lines source<TAB>target
errorflow pronounce train --dataset SET --source word --target word    a TFDS translation dataset

Results on the 6,221 test words of CMUdict, without stress, on two cores with other trainings in
progress:

    errorflow pronounce train --epochs 15                         WER 29.1 %, PER 7.1 %   41 min
    errorflow pronounce train --attention --units 192 --epochs 20 WER 25.5 %, PER 6.0 %   61 min

WER is the share of words whose best prediction (beam width 5) is none of the listed pronunciations;
PER is the number of edits to the nearest one, per phone. Always predicting the most frequent
pronunciation is wrong for 99.95 % of the words. Words are assigned to splits by a hash: 113,484 for
training, 6,347 for validation, 6,221 for the test (`datasets/pairs/cmudict.py`; a test checks their
digest).
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.errors import require
from ..core.run_folder import RunFolder
from ..training.answers import Row
from ..training.inputs import Reader, text_reader
from ..training.prediction import (
    PIPES,
    Predictor,
    PredictSettings,
    Request,
    predict,
    texts_in_words,
)
from ..training.task import BaseTask, ModelCard, Rows, TrainingFunctions, Verb
from .config import SPACE, PronounceConfig

USAGE = """\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["lecture"]))  # {"answers": [B, W] strings, "scores": [B, W]}, the best first
```

The model reads characters or words in lower case and removes whitespace at both ends; it splits
phones at whitespace and reads them as they are. Pass sources in Unicode's composed form,
`unicodedata.normalize("NFC", text)`, as `errorflow pronounce predict` does. A symbol that is not in
the training data is read as unknown, and an empty source has answers too.

Scores are log-probabilities over ((5 + symbols) / 6)^length_norm. `model.get_layer("search")` has
`width`, `length_norm` and `longest`; its `core` is the network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(PredictSettings):
    """Which run, and for which words."""

    words: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Words, or other sources, or files of these: tables, .txt, folders, globs. Without any, or
    for -, lines of stdin."""
    text_column: str | None = None
    """Column of tables with the sources, by name or number (default: recognised)."""
    top: int = 3
    """Number of predictions to show, the best first."""
    beam: int | None = None
    """Beam width (default: as trained, and at least --top)."""
    attention: bool = False
    """Also show which symbols of the source each symbol of the best prediction attends to."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)
        require(self.beam is None or self.beam >= 1, "beam", "1 or more", self.beam)


class Pronounce(BaseTask):
    """Predict the pronunciation of a word, or translate any sequence into another."""

    name = "pronounce"
    config = PronounceConfig
    space = SPACE
    card = ModelCard("Reads a sequence to its end, then writes another: an encoder-decoder.", USAGE)
    train_about = (
        "Train an encoder-decoder, record the error flow, and keep everything in a run folder."
    )
    evaluate_about = (
        "Evaluate a trained network: PER and WER of phones, CER and WER of characters, BLEU."
    )
    next_commands = ("errorflow pronounce predict {run} lecture gradient",)

    @property
    def verbs(self) -> list[Verb]:
        about = f"Print the best predictions with their scores. {PIPES}"
        return [Verb("predict", about, PredictConfig, self._predict)]

    def check_requirements(self, config: PronounceConfig) -> None:
        from ..training.text_metrics import check_installed, needed

        check_installed(needed(config.data.target))

    def find_data(self, config: PronounceConfig) -> Any:
        from ..datasets.pairs.pair_files import read_pairs

        data = config.data
        if data.data_dir is None:
            return None
        return read_pairs(data.data_dir, data.columns, ready_splits=data.ready_splits)

    def read_data(self, config: PronounceConfig, found: Any = None) -> Any:
        from ..datasets.pairs.pair_data import load_pairs
        from ..models.text_serving import lengths

        settings = config.data

        def is_too_long(sources: Iterable[str], targets: Iterable[str]) -> Any:
            longest = settings.max_length
            too_long = lengths(sources, settings.source) > longest
            return too_long | (lengths(targets, settings.target) > longest)

        return load_pairs(
            settings.dataset,
            settings.data_dir,
            columns=settings.columns,
            ready_splits=settings.ready_splits,
            is_too_long=is_too_long,
            stress=settings.stress,
            limit=settings.limit,
            seed=config.optimisation.seed,
            found=found,
        )

    def write_data(self, config: PronounceConfig, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.pairs.pair_rows import SOURCE, TARGET
        from ..datasets.python_data import write_records

        columns = config.data.columns
        roles = SOURCE._replace(chosen=columns.source), TARGET._replace(chosen=columns.target)
        write_records(data, folder, roles)
        return {"source_column": None, "target_column": None, "encoding": None}

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str],
        top: int = 3,
        beam: int | None = None,
        attention: bool = False,
    ) -> Rows:
        """Return the best predictions for sources: {"source", "predictions": [(text, score)]}.

        Args:
            run: the run whose best model predicts.
            inputs: sources.
            top: number of predictions per source.
            beam: beam width; None: as trained.
            attention: add "attention", the alignment of the best prediction as text.
        """
        return [*self.predictor(run, top=top, beam=beam, attention=attention).rows(inputs)]

    def input_reader(self, column: str | None = None) -> Reader:
        return text_reader(column)

    def predictor(
        self, run: RunFolder, top: int = 3, beam: int | None = None, attention: bool = False
    ) -> Predictor:
        """Load the best model of a run, to predict targets of sources."""
        from .prediction import make_predictor

        return make_predictor(run.best, top, beam, attention)

    def _predict(self, config: PredictConfig) -> int:
        options = {"top": config.top, "beam": config.beam, "attention": config.attention}
        reader = self.input_reader(config.text_column)
        request = Request(config.words, reader, options, _in_words, config.top)
        return predict(self, config, request)


def _in_words(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the predictions for each source and, if it is there, the attention."""
    for row in rows:
        yield from texts_in_words([row])
        if "attention" in row:
            yield from ("", *row["attention"].split("\n"), "")


TASK = Pronounce()
