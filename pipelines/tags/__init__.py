"""Tags: predict the part of speech of each word of a sentence (aligned sequence to sequence).

errorflow tags train                          English EWT, downloaded once (the error says how)
errorflow tags train --data-dir TREEBANK      any CoNLL-U treebank: a folder with *-train.conllu …
errorflow tags train --dataset conll2003      or a prepared TFDS dataset of tokens and tags

Results of `errorflow tags train` (seed 1) on the test split of English EWT: accuracy 95.1 %, and
76.1 % on unknown words (7.5 % of the tokens); always the most frequent tag: 16.4 %. The training
took 11 minutes on two cores, with other trainings in progress.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.run_folder import RunFolder
from ..training.answers import Row
from ..training.explanations import folder_of
from ..training.inputs import Reader, text_reader
from ..training.prediction import PIPES, ExplainSettings, Predictor, Request, predict
from ..training.task import BaseTask, ModelCard, TrainingFunctions, Verb
from .config import SPACE, TagsConfig

USAGE = """\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["Time flies like an arrow ."]))  # {"label": [B, T], "probabilities": ...}
```

Pass sentences as tokens separated by spaces, in Unicode's composed form,
`unicodedata.normalize("NFC", text)`; `errorflow tags predict` splits and composes plain text. The
model looks up words in lower case and reads their characters as they are. For a token that is not
in the training data, it uses the characters only. T is the number of tokens of the longest sentence
of the batch, 0 if all are empty; what follows the last token of a shorter sentence has no
meaning."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(ExplainSettings):
    """Which run, and for which sentences."""

    sentences: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Sentences, or files of sentences: tables, .txt, folders, globs. Without any, or for -, lines
    of stdin."""
    text_column: str | None = None
    """Column of tables with the sentences, by name or number (default: recognised)."""
    tokens: bool = False
    """Split sentences at spaces only; without it, punctuation marks become tokens."""


class Tags(BaseTask):
    """Predict the part of speech of each word of a sentence."""

    name = "tags"
    config = TagsConfig
    space = SPACE
    card = ModelCard("Predicts the tag of each token of a sentence.", USAGE)
    train_about = "Train a tagger, record the error flow, and keep everything in a run folder."
    evaluate_about = (
        "Evaluate a tagger: accuracy, also on unknown words, a table per tag, the confusion matrix."
    )
    next_commands = ('errorflow tags predict {run} "Time flies like an arrow."',)

    @property
    def verbs(self) -> list[Verb]:
        return [Verb("predict", f"Tag sentences. {PIPES}", PredictConfig, self._predict)]

    def find_data(self, config: TagsConfig) -> Any:
        from ..datasets.tags.tag_files import read_treebank

        data = config.data
        if data.data_dir is None:
            return None
        return read_treebank(data.data_dir, data.columns, ready_splits=data.ready_splits)

    def read_data(self, config: TagsConfig, found: Any = None) -> Any:
        from ..datasets.tags.tag_data import load_tags

        settings = config.data
        return load_tags(
            settings.dataset,
            settings.data_dir,
            columns=settings.columns,
            ready_splits=settings.ready_splits,
            max_length=settings.max_length,
            too_long=settings.too_long,
            limit=settings.limit,
            seed=config.optimisation.seed,
            found=found,
        )

    def write_data(self, config: TagsConfig, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.python_data import write_records
        from ..datasets.tags.tag_tables import roles

        columns = config.data.columns
        write_records(data, folder, roles(columns.token, columns.tag, columns.sentence))
        cleared = ("token_column", "tag_column", "sentence_column", "encoding")
        return dict.fromkeys(cleared)

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str],
        tokens: bool = False,
        explain: bool = False,
        explain_to: Path | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the tags of sentences: {"sentence", "tokens", "tags"}.

        Args:
            run: the run whose best model predicts.
            inputs: sentences.
            tokens: split sentences at spaces only; else punctuation marks become tokens.
            explain: add "explanation", the path of a picture of what each tag depends on, and
                "importance", ‖dy_t/dx_k‖ of each tag t and word k.
            explain_to: folder for these pictures; None: explanations/ of the run.
        """
        folder = folder_of(run, explain, explain_to)
        return self.predictor(run, tokens=tokens).rows(inputs, folder)

    def input_reader(self, column: str | None = None) -> Reader:
        return text_reader(column)

    def predictor(self, run: RunFolder, tokens: bool = False) -> Predictor:
        """Load the best model of a run, to tag sentences."""
        from ..datasets.tags.sentences import clean
        from ..datasets.tags.tokens import tokens_of
        from ..datasets.utf8 import without_surrogates
        from ..models.serving import labels_in, load
        from .explanation import explain
        from .training import predict_probabilities

        model = load(run.best)
        labels = labels_in(model)

        def prepare(sentence: str) -> list[str]:
            if tokens:
                return [clean(token) for token in without_surrogates(sentence).split()]
            return tokens_of(sentence)

        def answer(
            sentences: Sequence[str], prepared: Sequence[list[str]]
        ) -> Iterator[dict[str, Any]]:
            rows, _ = predict_probabilities(model, prepared)
            for sentence, words, row in zip(sentences, prepared, rows, strict=True):
                tags = [labels[place] for place in row.argmax(axis=1)]
                yield {"sentence": sentence, "tokens": words, "tags": tags}

        return Predictor(
            prepare,
            answer,
            explain=functools.partial(explain, model),
            raw=lambda words: [" ".join(words)],
        )

    def _predict(self, config: PredictConfig) -> int:
        reader, options = self.input_reader(config.text_column), {"tokens": config.tokens}
        request = Request(
            config.sentences,
            reader,
            options,
            _in_words,
            explain=config.explain,
            explain_to=config.explain_to,
        )
        return predict(self, config, request)


def _in_words(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the tokens of each sentence with their tags."""
    for row in rows:
        pairs = zip(row["tokens"], row["tags"], strict=True)
        yield " ".join(f"{token}/{tag}" for token, tag in pairs)


TASK = Tags()
