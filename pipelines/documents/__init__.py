"""Documents: predict the label of a text of many words, such as its topic, genre or sentiment.

errorflow documents train --data-dir FILE           your own data: a table with texts and labels
errorflow documents train --data-dir DIR            or a folder <class>/*.txt, one document per file
errorflow documents train --dataset imdb_reviews    or a prepared TFDS dataset
errorflow documents train --model lstm --data-dir FILE    see the error flow through time

Results for the genres of the documents in English EWT, 540 for training and 316 for the test
(`tests/ewt_genres.py` writes them) at --batch-size 32; one seed, one to two minutes per training on
two busy cores:

    network                                accuracy   macro-F1
    bag of words                             0.835      0.684
    conv1d, --activation tanh                0.835      0.591
    bidirectional LSTM                       0.763      0.541
    LSTM                                     0.677      0.367
    always the most frequent genre           0.582

With so few documents, recurrent networks do not win; so conv1d is the default.
"""

from typing import Any

from ..text_classification.task import TextClassification, predict_verb
from ..training.task import ModelCard, Verb
from .config import SPACE, DocumentsConfig

USAGE = """\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["Dear Sir, please find attached ..."]))  # {"label": ..., "probabilities": ...}
```

The model reads texts in lower case and splits them at whitespace and around each punctuation mark.
Pass texts in Unicode's composed form, `unicodedata.normalize("NFC", text)`, as `errorflow documents
predict` does: the model does not compose accents. All words outside the training data's vocabulary
are read as one unknown word. The model predicts one of the labels above for any text, also for an
empty one, and whatever other texts are in the batch."""


class Documents(TextClassification):
    """Predict the label of a text of many words, such as its topic or sentiment."""

    name = "documents"
    config = DocumentsConfig
    space = SPACE
    by_line = False
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
                "Predict the labels of documents, with probabilities.",
            )
        ]

    def find_data(self, config: DocumentsConfig) -> Any:
        from ..datasets.text.documents import find_documents

        data = config.data
        return find_documents(data.dataset, data.data_dir, data.columns, data.ready_splits)

    def read_data(self, config: DocumentsConfig, found: Any = None) -> Any:
        from ..datasets.text.documents import load_documents
        from ..models.text_serving import lengths

        settings = config.data
        return load_documents(
            settings.dataset,
            settings.data_dir,
            columns=settings.columns,
            ready_splits=settings.ready_splits,
            max_length=settings.max_length,
            too_long=settings.too_long,
            length=lambda documents: lengths(documents, settings.tokens),
            limit=settings.limit,
            seed=config.optimisation.seed,
            found=found,
        )


TASK = Documents()
