"""Pronounce: a sequence in, a sequence out, delayed: how a word is spoken, or any translation.

errorflow pronounce train                            CMUdict: English words and their phones
errorflow pronounce train --data-dir pairs.tsv       your own: lines source<TAB>target
errorflow pronounce train --dataset SET --source word --target word    a TFDS translation set

Measured on CMUdict's 6,221 test words, without stress, on two cores with other trainings beside:

    errorflow pronounce train --epochs 15                         WER 29.1 %, PER 7.1 %   41 min
    errorflow pronounce train --attention --units 192 --epochs 20 WER 25.5 %, PER 6.0 %   61 min

WER is the share of words for which the best answer (of a beam of five) is none of the listed
pronunciations, PER the edits per phone to the nearest one. The most frequent pronunciation of all
is wrong for 99.95 % of the words. The split is by a hash of the word: 113,484 words to learn from,
6,347 to choose by, 6,221 to test on (`datasets/cmudict.py`; a test holds their digest).
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..core.config import CommonConfig, RunChoice, Switch, UserError, require
from ..core.space import TRAINING, Choice, Range, Space
from ..search.config import SearchConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig

Split = Literal["character", "word", "phone"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PronounceConfig(CommonConfig):
    """Settings of a training on pairs of a source and a target."""

    dataset: str | None = None
    """Prepared TFDS set of translations (default: CMUdict)."""
    data_dir: Path | None = None
    """Your own pairs: a file of lines source<TAB>target, or a folder with train, validation and
    test files of such lines."""
    source: Split = "character"
    """What sources are sequences of: characters and words are put in lower case; phones are
    symbols with blanks between, as they stand."""
    target: Split = "phone"
    """What targets are sequences of."""
    stress: Switch = False
    """Keep the stress of CMUdict's vowels: AH0, AH1, AH2 in place of AH."""
    max_length: int = 32
    """Longest source and target in symbols; training leaves out longer ones."""
    vocabulary: int = 20000
    """Words of each side at most, the most frequent ones; characters and phones are all known."""

    model: Literal["rnn", "lstm", "gru"] = "gru"
    """Recurrent layers."""
    units: int = 128
    """Size of an encoder layer, of each direction; a decoder layer has that of all directions."""
    layers: int = 2
    """Layers of encoder and decoder each."""
    bidirectional: bool = True
    """The encoder reads from both ends."""
    reverse: Switch = False
    """The encoder reads the source from its end (Sutskever et al. 2014)."""
    attention: Switch = False
    """Additive attention (Bahdanau et al. 2015)."""
    embedding: int = 64
    """Size of a symbol's vector."""
    dropout: float = 0.2
    """Share of symbols' vectors and of each layer's output left out in training."""
    beam: int = 5
    """Answers that are followed at once when one is looked for; 1: greedy."""
    length_norm: float = 0.6
    """How much long answers are helped against short ones; 0: not at all."""

    epochs: int = 20
    """Passes over the training data at most."""
    learning_rate: float = 2e-3
    """Learning rate at the start."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """cosine: lower the learning rate to 0 over all epochs; step: to a tenth after half of them and
    again after three quarters."""
    batch_size: int = 128
    """Pairs per step."""

    @property
    def kind(self) -> str:
        return f"{self.model}-attention" if self.attention else self.model

    def check(self) -> None:
        super().check()
        for key in ("max_length", "vocabulary", "units", "layers", "embedding", "beam"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        require(self.length_norm >= 0, "length_norm", "0 or more", self.length_norm)
        ours = self.dataset is None and self.data_dir is None
        if ours and (self.source, self.target) != ("character", "phone"):
            raise UserError("--source and --target: CMUdict has characters and phones, no other")


# beam and length_norm are left out: they change the answers, not what is learned.
SPACE: Space = {
    "model": Choice("rnn", "lstm", "gru"),
    "units": Choice(64, 128, 192, 256),
    "layers": Range(1, 3),
    "bidirectional": Choice(False, True),
    "reverse": Choice(False, True, when={"bidirectional": (False,)}),  # both ways: all the same
    "attention": Choice(False, True),
    "embedding": Choice(32, 64, 128),
    "dropout": Range(0.0, 0.5, step=0.1),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "batch_size": Choice(64, 128, 256),
    **TRAINING,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunChoice):
    """Which run, and for which words."""

    words: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Words, or other sources; without any, one per line from stdin."""
    top: int = 3
    """Answers to show, the best first."""
    beam: int | None = None
    """Answers that are followed at once (default: as trained, and no fewer than --top)."""
    attention: Switch = False
    """Show too which symbols of the source each symbol of the best answer looks at."""

    def check(self) -> None:
        require(self.top >= 1, "top", "1 or more", self.top)
        require(self.beam is None or self.beam >= 1, "beam", "1 or more", self.beam)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, PronounceConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: PronounceConfig) -> None:
    """Train an encoder-decoder, watch the error flow, and keep everything in a run folder."""
    from ..training.text_metrics import check_installed, needed

    check_installed(needed(config.target))
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network: PER and WER of phones, CER and WER of characters, BLEU."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Say the best answers with their scores; words as arguments or lines of stdin."""
    words = shared.lines_of(config.words, "errorflow pronounce predict takes words")
    if not words:
        return
    run, _ = shared.choose(TASK, config)
    from . import prediction as pair_answers

    for line in pair_answers.lines(run.best, words, config.top, config.beam, config.attention):
        print(line)


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def read_data(config: PronounceConfig) -> Any:
    """The `PairData` a config speaks of; tells on stderr what was left out."""
    from ..datasets.pairs.pair_data import load_pairs

    data = load_pairs(
        config.dataset,
        config.data_dir,
        stress=config.stress,
        limit=config.limit,
        seed=config.seed,
    )
    shared.tell(data.problems)
    return data


TASK = shared.Task(
    name="pronounce",
    config=PronounceConfig,
    read_data=read_data,
    tools="pronounce.training",
    about="Reads a sequence to its end, then says another: an encoder-decoder.",
    usage="""\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["lecture"]))  # {"answers": [B, W] strings, "scores": [B, W]}, the best first
```

Scores are log-probabilities over ((5 + symbols) / 6)^length_norm. `model.get_layer("search")` has
`width`, `length_norm` and `longest`; its `core` is the network.""",
    next=["errorflow pronounce predict {run} lecture gradient"],
    space=SPACE,
)
VERBS = {"train": train, "evaluate": evaluate, "tune": tune, "predict": predict, "export": export}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
