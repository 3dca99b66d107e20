"""Tags: predict the part of speech of each word of a sentence (aligned sequence to sequence).

errorflow tags train                          English EWT, downloaded once (the error says how)
errorflow tags train --data-dir TREEBANK      any CoNLL-U treebank: a folder with *-train.conllu …
errorflow tags train --dataset conll2003      or a prepared TFDS dataset of tokens and tags

Results of `errorflow tags train` (seed 1) on the test split of English EWT: accuracy 95.1 %, and
76.1 % on unknown words (7.5 % of the tokens); always the most frequent tag: 16.4 %. The training
took 11 minutes on two cores, with other trainings in progress.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.console import lines_from, say
from ..core.run_folder import RunFolder
from ..training.task import BaseTask, ModelCard, RunVerbConfig, TrainingFunctions, Verb
from ..training.verbs import use_run
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
class PredictConfig(RunVerbConfig):
    """Which run, and for which sentences."""

    sentences: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Sentences; without any, one per line from stdin."""
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
        about = "Tag sentences, as arguments or lines of stdin."
        return [Verb("predict", about, PredictConfig, self._print_predictions)]

    def check_data(self, config: TagsConfig) -> None:
        from ..datasets.tags.tag_files import read_treebank

        data = config.data
        if data.data_dir is not None:
            read_treebank(data.data_dir, data.columns, ready_splits=data.ready_splits)

    def read_data(self, config: TagsConfig) -> Any:
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
        self, run: RunFolder, inputs: Sequence[str], tokens: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the tags of sentences: {"sentence", "tokens", "tags"}.

        Args:
            run: the run whose best model predicts.
            inputs: sentences.
            tokens: split sentences at spaces only; else punctuation marks become tokens.
        """
        import tensorflow as tf

        from ..datasets.tags.sentences import clean
        from ..datasets.tags.tokens import tokens_of
        from ..datasets.utf8 import without_surrogates
        from ..models.serving import load

        model = load(run.best)
        for sentence in inputs:
            words = (
                [clean(t) for t in without_surrogates(sentence).split()]
                if tokens
                else tokens_of(sentence)
            )
            tags = model(tf.constant([" ".join(words)]))["label"][0].numpy()
            yield {"sentence": sentence, "tokens": words, "tags": [tag.decode() for tag in tags]}

    def _print_predictions(self, config: PredictConfig) -> None:
        sentences = lines_from(config.sentences, "errorflow tags predict takes sentences")
        if not sentences:
            return
        for row in self.predict(use_run(config.run, self.name), sentences, config.tokens):
            pairs = zip(row["tokens"], row["tags"], strict=True)
            say(" ".join(f"{token}/{tag}" for token, tag in pairs))


TASK = Tags()
