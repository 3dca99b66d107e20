"""Names: predict the language of a surname, or the label of any short text.

errorflow names train                     embedded surnames, a character-level LSTM
errorflow names train --data-dir DIR      your own data: a <Label>.txt per class, one text per line
"""

from typing import Any

from ..text_classification.task import TextClassification, predict_verb
from ..training.task import ModelCard, Verb
from .bptt_verb import BpttConfig, show_bptt
from .config import SPACE, NamesConfig

USAGE = """\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["nowak"]))  # {"label": ..., "probabilities": ...}
```

The model removes whitespace and control characters at both ends and reads texts in lower case. Pass
texts in Unicode's composed form, `unicodedata.normalize("NFC", text)`, as `errorflow names predict`
does: the model does not compose accents. It predicts one of the labels above for any text, also for
an empty one, and whatever other texts are in the batch."""


class Names(TextClassification):
    """Predict the language of a surname, or the label of any short text."""

    name = "names"
    config = NamesConfig
    space = SPACE
    card = ModelCard("Predicts the label of a short text, character by character.", USAGE)
    train_about = "Train a network, record the error flow, and keep everything in a run folder."
    next_commands = (
        "errorflow names predict {run} Nowak Garcia",
        "errorflow names bptt {run} Nowak",
    )

    @property
    def verbs(self) -> list[Verb]:
        return [
            predict_verb(
                self,
                "Predict the labels of names, with probabilities.",
            ),
            Verb(
                "bptt",
                "Backpropagate the error of one name, and show how much arrives at each character.",
                BpttConfig,
                lambda config: show_bptt(self, config),
            ),
        ]

    def find_data(self, config: NamesConfig) -> Any:
        from ..datasets.text.label_files import read_folder

        data = config.data
        if data.data_dir is None:
            return None
        return read_folder(
            data.data_dir, data.max_length, data.columns, ready_splits=data.ready_splits
        )

    def read_data(self, config: NamesConfig, found: Any = None) -> Any:
        from ..datasets.text.text_data import load_text

        settings = config.data
        return load_text(
            settings.dataset,
            settings.data_dir,
            columns=settings.columns,
            ready_splits=settings.ready_splits,
            max_length=settings.max_length,
            limit=settings.limit,
            seed=config.optimisation.seed,
            found=found,
        )


TASK = Names()
