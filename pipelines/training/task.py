"""The interfaces of a task and of its data."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.config import RunChoice, Section, TrainingConfig
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..core.space import Space
from ..datasets.left_out import LeftOut

if TYPE_CHECKING:
    from .evaluation import Scores
    from .export import ExportInputs, Step
    from .spec import TrainingSpec

Split = Any  # the examples of one split, as the task's own data class holds them; has a length
Rows = list[dict[str, Any]]


class Data(Protocol):
    """The data of a task.

    Attributes:
        train, validation, test: the splits, each of which has a length.
        labels: the classes, in the order of their indices; empty if the task has no classes.
        source: description of the data, for messages and the model card.
        content_hash: hash of all examples and their splits; a run refuses other data.
        counts: {label: {split: number of examples}}, for the model card.
        problems: remarks on the data, such as a missing split, one line each.
        left_out: each example that was left out, with its place and the reason.
    """

    @property
    def train(self) -> Split: ...
    @property
    def validation(self) -> Split: ...
    @property
    def test(self) -> Split: ...
    @property
    def labels(self) -> Any: ...
    @property
    def source(self) -> str: ...
    @property
    def content_hash(self) -> str: ...
    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]: ...
    @property
    def problems(self) -> Sequence[str]: ...
    @property
    def left_out(self) -> Sequence[LeftOut]: ...


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """The texts of a run's README.md that are the task's own.

    Attributes:
        about: what the model does, one sentence.
        usage: how to load and call it, Markdown.
    """

    about: str
    usage: str


@dataclasses.dataclass(frozen=True)
class Verb:
    """A verb of the command line, `errorflow <task> <name>`.

    Attributes:
        about: one line for the list of verbs.
        config: the class of its settings, whose flags `--help` shows.
        run: function that executes the verb with these settings; it may return an exit code.
    """

    name: str
    about: str
    config: type[Section]
    run: Callable[[Any], int | None]


class Task(Protocol):
    """A task: the part of a pipeline that differs by task; constant `TASK` of the task's package.

    A task's package imports TensorFlow only inside these methods.

    Attributes:
        name: name on the command line, and of the folder of the task's runs.
        config: the class of its settings.
        space: the settings that `tune` searches by default.
        card: texts of the model card.
        train_about: one line about its `train`.
        evaluate_about: one line about its `evaluate`.
        next_commands: suggestions after a training; {run} stands for the flags of the run.
        verbs: further verbs, beyond those that all tasks share.
    """

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> type[TrainingConfig]: ...
    @property
    def space(self) -> Space: ...
    @property
    def card(self) -> ModelCard: ...
    @property
    def train_about(self) -> str: ...
    @property
    def evaluate_about(self) -> str: ...
    @property
    def next_commands(self) -> Sequence[str]: ...
    @property
    def verbs(self) -> Sequence[Verb]: ...

    def check_requirements(self, config: Any) -> None:
        """Raise `UserError` if an optional package that a training needs is missing."""
        ...

    def find_data(self, config: Any) -> Any:
        """Find a person's own data, for `read_data`; None if there are none.

        It imports no TensorFlow. Texts are read; images and videos are listed, but not opened.

        Raises:
            UserError: the data cannot be used.
        """
        ...

    def read_data(self, config: Any, found: Any = None) -> Data:
        """Read the data of a config.

        Args:
            found: the result of `find_data`; None: it is found here.
        """
        ...

    def write_data(self, config: Any, data: Any, folder: Path) -> dict[str, Any]:
        """Write data from Python to an empty folder that `read_data` takes as `data_dir`.

        Return the settings that change with it: columns that were chosen have other names there.
        """
        ...

    def build_training(self, config: Any, data: Any) -> "TrainingSpec":
        """Return the network, batches, loss and metrics of a training."""
        ...

    def evaluate(self, serving_model: Any, split: Split, labels: Any) -> "Scores":
        """Measure a serving model on a split."""
        ...

    def sample_predictions(
        self, serving_model: Any, split: Split, labels: Any, count: int = 100
    ) -> Rows:
        """Return the first examples of a split with reference and prediction, as rows."""
        ...

    def export_inputs(self, serving_model: Any) -> "ExportInputs":
        """Return a batch of examples, to compare exported models with the original."""
        ...

    def input_steps(self, config: Any) -> "tuple[Step, ...]":
        """Return the steps, as the settings of a run say, from a person's input to pixels or rows.

        signature.json begins with them; in no exported file are they inside.
        """
        ...

    @property
    def predict(self) -> Callable[..., Iterable[dict[str, Any]]]:
        """(run, inputs, **options) → predictions for a user's inputs, one row for each.

        A task that predicts input by input yields each row when it is done.
        """
        ...


class TrainingFunctions(Protocol):
    """The functions of a task's module `training`: the part of `Task` that needs TensorFlow."""

    def build_training(self, config: Any, data: Any) -> "TrainingSpec": ...
    def evaluate(self, serving_model: Any, split: Any, labels: Any) -> "Scores": ...
    def sample_predictions(
        self, serving_model: Any, split: Any, labels: Any, count: int = 100
    ) -> Rows: ...
    def export_inputs(self, serving_model: Any) -> "ExportInputs": ...


class BaseTask:
    """The part of a `Task` that its module `training` implements."""

    def training_functions(self) -> TrainingFunctions:
        """Import the module, and with it TensorFlow."""
        raise NotImplementedError

    def check_requirements(self, config: Any) -> None:
        """Require no packages beyond those of errorflow itself."""

    def find_data(self, config: Any) -> Any:
        """Require no files of a person."""

    def write_data(self, config: Any, data: Any, folder: Path) -> dict[str, Any]:
        """Take no data from Python."""
        raise UserError("data: this task takes no data from Python; give files with data_dir")

    def build_training(self, config: Any, data: Any) -> "TrainingSpec":
        return self.training_functions().build_training(config, data)

    def evaluate(self, serving_model: Any, split: Split, labels: Any) -> "Scores":
        return self.training_functions().evaluate(serving_model, split, labels)

    def sample_predictions(
        self, serving_model: Any, split: Split, labels: Any, count: int = 100
    ) -> Rows:
        return self.training_functions().sample_predictions(serving_model, split, labels, count)

    def export_inputs(self, serving_model: Any) -> "ExportInputs":
        return self.training_functions().export_inputs(serving_model)

    def input_steps(self, config: Any) -> "tuple[Step, ...]":
        """Return none: how inputs are read does not depend on the settings."""
        return ()

    def raw_inputs(self, run: RunFolder) -> Callable[[str], Any]:
        """Return what reads an input of a person for the serving model of a run: text → [B, …].

        Raises:
            UserError: the task has no `predictor`, which says how. The function raises it for an
                input that cannot be used.
        """
        predictor = getattr(self, "predictor", None)
        if predictor is None:
            raise UserError(f"{type(self).__name__} does not say how it reads inputs")
        loaded = predictor(run)
        return lambda text: loaded.raw(loaded.prepare(text))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunVerbConfig(Section):
    """The settings of a verb that uses a trained run."""

    run: RunChoice = RunChoice()
    """The run to use."""
