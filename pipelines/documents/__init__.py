"""Documents: a text of many words in, one label out.

errorflow documents train --data-dir FILE           your own: one label<TAB>text per line, UTF-8
errorflow documents train --data-dir DIR            or <class>/*.txt, one document per file
errorflow documents train --dataset imdb_reviews    or a prepared TFDS dataset
errorflow documents train --model conv1d --data-dir FILE

Measured on the genre of English EWT's documents, 540 for training and 316 for the test (the helper
tests/ewt_genres.py writes them), one seed, one to two minutes each on two busy cores: accuracy
0.835 (macro-F1 0.684) by a bag of words at --learning-rate 0.01, 0.835 (0.591) by conv1d, 0.763
(0.541) by a bidirectional LSTM, 0.677 (0.367) by an LSTM; the most frequent genre alone gets 0.582.
With this small number of documents a recurrent network does not win.
"""

from typing import Any

from ..core.console import note_problems
from ..text_classification.task import TextClassification, predict_verb
from ..training.task import ModelCard, Verb
from .config import SPACE, DocumentsConfig

USAGE = """\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["Dear Sir, please find attached ..."]))  # {"label": ..., "probabilities": ...}
```

The model knows only the labels above: it predicts one of them for any text. All words that the
training data do not contain are one unknown word."""


class Documents(TextClassification):
    """Predict the label of a text of many words: its topic, tone, kind."""

    name = "documents"
    config = DocumentsConfig
    space = SPACE
    card = ModelCard("Predicts the label of a text of many words.", USAGE)
    train_about = (
        "Train a network on documents, record the error flow, and keep everything in a run folder."
    )
    next_commands = ("errorflow documents predict {run} TEXT ...",)

    @property
    def verbs(self) -> list[Verb]:
        return [
            predict_verb(
                self,
                "Predict the labels of documents, with probabilities; as arguments or lines of"
                " stdin.",
            )
        ]

    def read_data(self, config: DocumentsConfig) -> Any:
        from ..datasets.text.documents import load_documents
        from ..models.text_serving import lengths

        settings = config.data
        data = load_documents(
            settings.dataset,
            settings.data_dir,
            max_length=settings.max_length,
            too_long=settings.too_long,
            length=lambda documents: lengths(documents, settings.tokens),
            limit=settings.limit,
            seed=config.optimisation.seed,
        )
        note_problems(data.problems)
        return data


TASK = Documents()
