"""Settings for training on time series."""

import dataclasses
from pathlib import Path
from typing import Any, Literal, Self

from ..core.classifier import ClassifierOptimisation
from ..core.config import DataSettings, Schedule, Section, flat, replace
from ..core.errors import UserError, require
from ..core.few_examples import FittedOptimisation
from ..core.space import TRAINING, Choice, Range, Space
from ..datasets.series.series_columns import SeriesColumns
from ..datasets.series.series_data import SeriesOptions
from ..datasets.series.series_files import ReadingOptions
from ..datasets.series.series_split import Kind
from ..datasets.utf8 import check_encoding
from ..models.recurrent_settings import RECURRENT, RecurrentConfig

DatasetName = Literal["co2", "elnino", "sunspots", "basic-motions", "gunpoint"]
DEFAULT: DatasetName = "co2"

# Settings of the embedded sets that differ from those of other data.
RECIPES: dict[str, dict[str, Any]] = {
    "co2": {"past": 104, "future": 26, "loss": "mae"},
    "elnino": {"past": 60, "future": 12, "loss": "mae"},
    "sunspots": {"past": 33, "future": 11, "loss": "mae"},
    "basic-motions": {},
    "gunpoint": {},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesNetwork(Section):
    """A network that reads the past of a series, or a whole series."""

    model: Literal["rnn", "lstm", "gru", "conv1d", "mlp", "linear"] = "lstm"
    """rnn, lstm, gru: recurrent layers; conv1d: causal convolutions, each with twice the dilation
    (Bai et al. 2018); mlp: dense layers on the whole past; linear: one linear map of it."""
    decoder: Literal["none", "plain", "attention"] = "none"
    """Of recurrent networks that forecast. plain: a second network writes the future step by step
    (Sutskever et al. 2014); attention: and looks back at the past (Bahdanau et al. 2015); none: all
    of it is predicted from the last state."""
    units: int = 64
    """Number of units, or filters, of a hidden layer."""
    layers: int | None = None
    """Number of hidden layers (default: 1 of recurrent networks, 2 of mlp; of conv1d, as many as
    reach the first step)."""
    dropout: float = 0.2
    """Dropout rate after each hidden layer."""
    autoregression: bool = True
    """Add a linear forecast from the past of each target (Lai et al. 2018) to those of recurrent
    networks and conv1d. It starts as a ridge regression of the training windows, so that the
    network learns what that leaves over (Zhang 2003)."""

    def check(self) -> None:
        require(self.units >= 1, "units", "1 or more", self.units)
        require(self.layers is None or self.layers >= 1, "layers", "1 or more", self.layers)
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)
        if self.decoder != "none" and self.model not in RECURRENT:
            raise UserError(f"--decoder {self.decoder}: {self.model} has no recurrent layer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesSettings(DataSettings):
    """Time series."""

    dataset: DatasetName | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Embedded series. To forecast: co2 (weekly), elnino (monthly), sunspots (yearly); to classify:
    basic-motions, gunpoint (default: co2)."""
    data_dir: Path | None = None
    """Your own series. A table with a row for each time (.csv, .tsv, .parquet, .xlsx) is forecast;
    a .npz file has x [N, T, D] and y, a class or values for each series or step; or a folder with
    one of them, or with train.npz and test.npz."""
    problem: Literal["forecast", "classify", "regress"] | None = None
    """What is predicted: the next values, a class, or values (default: it follows from the
    data)."""
    time_column: str | None = None
    """Column of a table with the time stamps, by name or number (default: recognised)."""
    target: tuple[str, ...] = ()
    """Columns that are forecast, by name or number (default: the only one with numbers)."""
    covariates: tuple[str, ...] = ()
    """Columns that are read beside the targets, by name or number; their future is not known."""
    id_column: str | None = None
    """Column that names the series of a row, if a table holds several, by name or number (default:
    recognised)."""
    encoding: str | None = None
    """Encoding of a table of text, such as cp1252 (default: UTF-8, or what a byte order mark
    says)."""
    past: int | None = None
    """Number of steps that a forecast is made from (default: 96, or from the dataset's recipe)."""
    future: int | None = None
    """Number of steps that are forecast (default: 24, or from the dataset's recipe)."""
    season: int | None = None
    """Number of steps of a season, for the seasonal naive forecast and the scale of MASE; 0: none
    (default: of a day, week or year, by the time stamps)."""
    scaling: Literal["last", "standard"] | None = None
    """standard: each column has mean 0 and standard deviation 1 in the training part; last: the
    targets relative to the last value that is read, so that new levels do not matter (Zeng et al.
    2023) (default: last for forecasts, standard otherwise)."""
    max_gap: int = 3
    """The most missing values in a row that are replaced by the value before them; a longer gap
    divides a series."""
    resample: str | None = None
    """Make the steps of a table equal: 15min, 1h, 1D, 1MS, ...; each is the mean of its rows
    (default: other steps are refused)."""

    def check(self) -> None:
        super().check()
        check_encoding(self.encoding)
        for key, least in {"past": 1, "future": 1, "season": 0}.items():
            value = getattr(self, key)
            require(value is None or value >= least, key, f"{least} or more", value)
        require(self.max_gap >= 0, "max_gap", "0 or more", self.max_gap)
        if self.data_dir is None:
            for key in ("time_column", "target", "covariates", "id_column", "resample", "problem"):
                if getattr(self, key):
                    flag = f"--{key.replace('_', '-')}"
                    raise UserError(f"{flag} is for series of your own: give --data-dir")

    @property
    def columns(self) -> SeriesColumns:
        """The columns of tables that flags choose."""
        named = (self.time_column, self.target, self.covariates, self.id_column, self.encoding)
        return SeriesColumns(*named)

    @property
    def reading(self) -> ReadingOptions:
        """How files are read."""
        return ReadingOptions(
            self.columns, self.problem, self.resample, self.max_gap, self.ready_splits
        )

    def examples(self, seed: int) -> SeriesOptions:
        """Return how examples are made of series."""
        return SeriesOptions(
            past=self.past,
            future=self.future,
            season=self.season,
            scaling=self.scaling,
            max_gap=self.max_gap,
            limit=self.limit,
            seed=seed,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesOptimisation(  # pyright: ignore[reportIncompatibleVariableOverride]
    FittedOptimisation, ClassifierOptimisation
):
    """How a network for series is trained."""

    epochs: int = 40
    learning_rate: float = 2e-3
    schedule: Schedule = "cosine"
    loss: Literal["mse", "mae", "quantile"] | None = None
    """Loss of values: mean squared error; mean absolute error; or the quantile loss of the 10 %, 50
    % and 90 % quantiles, which gives an interval of its own; that of the others is made of their
    validation errors (default: mse; classes always have the cross-entropy)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesConfig(RecurrentConfig):
    """Settings for training on time series."""

    network: SeriesNetwork = SeriesNetwork()
    data: SeriesSettings = SeriesSettings()
    optimisation: SeriesOptimisation = SeriesOptimisation()

    @property
    def kind(self) -> str:
        """The first part of an automatic run name."""
        suffix = {"none": "", "plain": "-decoder", "attention": "-attention"}
        return self.network.model + suffix[self.network.decoder]

    def check_for(self, kind: Kind) -> None:
        """Raise `UserError` for a setting that the data do not allow.

        Args:
            kind: what is predicted.
        """
        decoder, settings = self.network.decoder, self.optimisation
        if decoder != "none" and kind != "forecast":
            raise UserError(
                f"--decoder {decoder} is for forecasts; these series have classes or values"
            )
        if settings.loss is not None and kind == "classify":
            raise UserError(f"--loss {settings.loss} is for values; classes have the cross-entropy")
        if settings.balance and kind != "classify":
            raise UserError(f"--balance {settings.balance:g} is for classes; these are values")

    def resolved(self) -> Self:
        if self.data.data_dir is not None:
            return self
        name = self.data.dataset or DEFAULT
        settings = flat(self)
        recipe = {"dataset": name, **RECIPES[name]}
        return replace(self, **{k: v for k, v in recipe.items() if settings[k] is None})


SPACE: Space = {
    "model": Choice("rnn", "lstm", "gru", "conv1d", "mlp"),
    "units": Choice(16, 32, 64, 128),
    "dropout": Range(0.0, 0.4, step=0.1),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "batch_size": Choice("auto", 16, 32, 64),
    **TRAINING,
}
