"""Settings for training on pairs of a source and a target."""

import dataclasses
from pathlib import Path
from typing import Literal

from ..core.config import DataSettings, Section
from ..core.errors import UserError, require
from ..core.few_examples import FittedOptimisation
from ..core.space import TRAINING, Choice, Range, Space
from ..datasets.pairs.pair_rows import PairColumns
from ..datasets.utf8 import check_encoding
from ..models.recurrent_settings import RecurrentConfig

Tokens = Literal["character", "word", "phone"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PronounceNetwork(Section):
    """An encoder-decoder."""

    model: Literal["rnn", "lstm", "gru"] = "gru"
    """Recurrent layers."""
    units: int = 128
    """Number of units of an encoder layer, per direction; a decoder layer has as many as all
    directions together."""
    layers: int = 2
    """Number of layers of the encoder, and of the decoder."""
    bidirectional: bool = True
    """The encoder reads the source in both directions."""
    reverse: bool = False
    """The encoder reads the source from its end (Sutskever et al. 2014)."""
    attention: bool = False
    """Additive attention (Bahdanau et al. 2015)."""
    embedding: int = 64
    """Size of the embedding of a symbol."""
    dropout: float = 0.2
    """Dropout rate of the embeddings and of each layer's output."""
    beam: int = 5
    """Beam width of the search for the best prediction; 1: greedy."""
    length_norm: float = 0.6
    """Exponent of the length normalisation of the beam search; 0: none. Larger values favour long
    predictions."""

    def check(self) -> None:
        for key in ("units", "layers", "embedding", "beam"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        require(self.length_norm >= 0, "length_norm", "0 or more", self.length_norm)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairSettings(DataSettings):
    """Pairs of a source and a target sequence."""

    dataset: str | None = None
    """Prepared TFDS translation dataset (default: CMUdict)."""
    data_dir: Path | None = None
    """Your own pairs: a file of lines source<TAB>target, a table (.csv, .tsv, .jsonl, .parquet), or
    a folder with train, validation and test files of such kinds."""
    source_column: str | None = None
    """Column of a table with the sources, by name or number (default: recognised)."""
    target_column: str | None = None
    """Column of a table with the targets, by name or number (default: recognised)."""
    encoding: str | None = None
    """Encoding of the text files of --data-dir, such as cp1252 (default: UTF-8, or what a byte
    order mark says)."""
    source: Tokens = "character"
    """Symbols of the sources. Characters and words are lower-cased; phones are separated by spaces
    and are not changed."""
    target: Tokens = "phone"
    """Symbols of the targets."""
    stress: bool = False
    """Keep the stress of CMUdict's vowels: AH0, AH1, AH2 instead of AH."""
    max_length: int = 32
    """Maximum length of a source and of a target in symbols; longer pairs are left out of
    training."""
    vocabulary: int = 20000
    """Maximum number of words per side, the most frequent ones; characters and phones are not
    limited."""

    def check(self) -> None:
        super().check()
        check_encoding(self.encoding)
        for key in ("max_length", "vocabulary"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        is_cmudict = self.dataset is None and self.data_dir is None
        if is_cmudict and (self.source, self.target) != ("character", "phone"):
            raise UserError("--source and --target: CMUdict has characters and phones only")

    @property
    def columns(self) -> PairColumns:
        """What is said about the tables and text files of `data_dir`."""
        return PairColumns(self.source_column, self.target_column, self.encoding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PronounceConfig(RecurrentConfig):
    """Settings for training on pairs of a source and a target."""

    network: PronounceNetwork = PronounceNetwork()
    data: PairSettings = PairSettings()
    optimisation: FittedOptimisation = FittedOptimisation(
        epochs=20, learning_rate=2e-3, schedule="cosine"
    )

    @property
    def kind(self) -> str:
        network = self.network
        return f"{network.model}-attention" if network.attention else network.model


# beam and length_norm are left out: they change the predictions, not what is learned.
SPACE: Space = {
    "model": Choice("rnn", "lstm", "gru"),
    "units": Choice(64, 128, 192, 256),
    "layers": Range(1, 3),
    "bidirectional": Choice(False, True),
    "reverse": Choice(False, True, when={"bidirectional": (False,)}),  # no effect if bidirectional
    "attention": Choice(False, True),
    "embedding": Choice(32, 64, 128),
    "dropout": Range(0.0, 0.5, step=0.1),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "batch_size": Choice("auto", 64, 128, 256),
    **TRAINING,
}
