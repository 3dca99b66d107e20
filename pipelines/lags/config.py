"""Settings for training on long time lags."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro

from ..core.config import DataSettings, Optimisation, Section, flat, replace
from ..core.errors import UserError, require
from ..core.space import Choice, Range, Space
from ..models.recurrent_settings import GATED, RecurrentConfig, RecurrentSettings

ProblemName = Literal["adding", "order-6a", "order-6b", "lag-2a", "lag-2b", "digits"]

# Settings that solve each problem with few sequences; chosen by hand, with other random sequences
# than those of the table.
RECIPES: dict[str, dict[str, Any]] = {
    "adding": {"learning_rate": 0.01, "batch_size": 16, "chrono": 1.0, "direct": 0.0},
    "order-6a": {"learning_rate": 0.01, "batch_size": 16, "chrono": 1.0, "direct": 0.0},
    "order-6b": {"learning_rate": 0.01, "batch_size": 16, "chrono": 1.0, "direct": 0.0},
    "lag-2a": {"learning_rate": 0.01, "batch_size": 2, "chrono": 10.0, "direct": 100.0},
    "lag-2b": {"learning_rate": 0.003, "batch_size": 2, "chrono": 10.0, "direct": 0.0},
    "digits": {"learning_rate": 0.003, "batch_size": 32, "chrono": 0.0, "direct": 0.0},
}
EPOCHS = {"digits": 100}  # passes over the data; an epoch of the others is 1,000 sequences
MOST = 100_000  # maximum number of training sequences, if the paper has no number


@dataclasses.dataclass(frozen=True, kw_only=True)
class LagsNetwork(Section):
    """A recurrent network."""

    model: Literal["rnn", "lstm", "lstm97", "gru"] = "lstm"
    """Recurrent layer; lstm97 has no forget gate."""
    units: int = 32
    """Number of units of a hidden layer."""
    layers: int = 1
    """Number of hidden layers."""
    direct: float | None = None
    """Above 0: the output layer also reads the inputs directly, multiplied by this factor (default:
    from the problem's recipe)."""

    def check(self) -> None:
        for key in ("units", "layers"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require((self.direct or 0) >= 0, "direct", "0 or more", self.direct)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LagsRecurrent(RecurrentSettings):
    """How recurrent layers begin, and over how many time steps they learn."""

    chrono: float | None = None
    """Chrono initialisation: initial gates remember for up to this multiple of a sequence's length
    (Tallec & Ollivier 2018); 0: Keras' initial biases (default: from the problem's recipe)."""
    normalization: Annotated[Literal["layer", "none"], tyro.conf.Suppress] = "none"

    def check_for(self, model: str) -> None:
        # A recipe's Chrono initialisation is for all cells; it does not concern rnn.
        chrono = self.chrono if model in GATED else 0.0
        dataclasses.replace(RecurrentSettings(**vars(self)), chrono=chrono).check_for(model)
        if self.normalization != "none":
            raise UserError("--normalization: a time step of a lag has too few numbers for it")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LagsData(DataSettings):
    """An unlimited number of random sequences."""

    problem: ProblemName = "adding"
    """adding: the sum of two marked numbers; order-6a, order-6b: the order of two or three symbols;
    lag-2a, lag-2b: the first symbol again, after distractors in a fixed or random order; digits:
    8×8 pixels."""
    steps: int | None = None
    """Minimum number of time steps of adding and the lags (default: 100)."""
    dataset: Annotated[str | None, tyro.conf.Suppress] = None
    data_dir: Annotated[Path | None, tyro.conf.Suppress] = None
    ready_splits: Annotated[bool, tyro.conf.Suppress] = True
    limit: Annotated[int | None, tyro.conf.Suppress] = None

    def check(self) -> None:
        super().check()
        if self.limit is not None:
            raise UserError("--limit: the lags have none; --epochs sets the number of sequences")
        if self.problem == "digits":
            require(self.steps is None, "steps", "left out: a digit has 64", self.steps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LagsOptimisation(Optimisation):
    """How to train; settings without a value come from the problem's recipe."""

    epochs: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Maximum number of epochs of 1,000 sequences each; for digits, of passes over the data
    (default: a third of the sequences that the paper's LSTM needed)."""
    batch_size: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Number of sequences per training step (default: from the problem's recipe)."""
    learning_rate: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Learning rate at the start (default: from the problem's recipe)."""
    patience: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class LagsConfig(RecurrentConfig):
    """Settings for training on long time lags."""

    network: LagsNetwork = LagsNetwork()
    data: LagsData = LagsData()
    optimisation: LagsOptimisation = LagsOptimisation()
    recurrent: LagsRecurrent = LagsRecurrent()

    @property
    def kind(self) -> str:
        return f"{self.data.problem}-{self.network.model}"

    def resolved(self) -> Self:
        recipe = RECIPES[self.data.problem] | {"epochs": self.default_epochs()}
        settings = flat(self)
        return replace(
            self, **{key: value for key, value in recipe.items() if settings[key] is None}
        )

    def default_epochs(self) -> int:
        """Return a third of the paper's number of sequences, in epochs."""
        if self.data.problem in EPOCHS:
            return EPOCHS[self.data.problem]
        from ..datasets.lags.problems import make_problem

        task = make_problem(self.data.problem, self.data.steps)
        return -(-(task.paper or 3 * MOST) // 3 // task.epoch)

    def check(self) -> None:
        super().check()
        if self.hardware.strategy == "mirrored":
            size = self.optimisation.batch_size
            require((size or 2) % 2 == 0, "batch_size", "even", size)
        direct, problem = self.network.direct, self.data.problem
        has_output_at_every_step = problem in ("lag-2a", "lag-2b")
        require(not direct or has_output_at_every_step, "direct", f"0 for {problem}", direct)


# direct is left out: only problems with an output at every step can have it.
SPACE: Space = {
    "model": Choice("rnn", "lstm", "lstm97", "gru"),
    "units": Choice(8, 16, 32, 64),
    "layers": Range(1, 2),
    "chrono": Choice(0.0, 1.0, 10.0, when={"model": ("lstm", "lstm97", "gru")}),
    "learning_rate": Range(1e-3, 3e-2, log=True),
    "batch_size": Choice(2, 4, 8, 16, 32),
    "optimizer": Choice("adam", "rmsprop"),
    "clip_norm": Choice(0.25, 1.0, 5.0),
}
