"""A trained run as a Python object."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..callbacks.findings.finding import Finding
from .core.config import TrainingConfig
from .core.console import muted
from .core.errors import UserError
from .core.paths import usable_path
from .core.recorded_findings import findings_in
from .core.run_config import run_config
from .core.run_folder import RunFolder, read_history
from .core.run_results import figure_in_words
from .core.run_selection import open_run
from .registry import load_task
from .training.task import Task

if TYPE_CHECKING:
    import keras
    import pandas
    from matplotlib.figure import Figure

PathLike = str | Path
SplitName = Literal["train", "validation", "test"]


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        path: folder of the run.
        model: the best model, which takes raw inputs such as strings or pixels.
        history: a DataFrame with one row per epoch.
        results: the content of results.json, such as the figures of the splits.
        findings: what the recorded error, gradients and gates show.
        config: its settings.
    """

    path: Path

    @property
    def folder(self) -> RunFolder:
        """The run's files."""
        return RunFolder(self.path)

    @functools.cached_property
    def task(self) -> Task:
        """The task that the run belongs to."""
        return load_task(self.results["task"])

    @property
    def config(self) -> TrainingConfig:
        return run_config(self.task.config, self.folder).resolved()

    @property
    def results(self) -> dict[str, Any]:
        return self.folder.results()

    @property
    def history(self) -> "pandas.DataFrame":
        import pandas

        return pandas.DataFrame(read_history(self.folder))

    @functools.cached_property
    def model(self) -> "keras.Model":
        with quiet_tensorflow():
            from .models.serving import load

            return load(self.folder.best)

    @property
    def findings(self) -> list[Finding]:
        return findings_in(self.results)

    def predict(self, *inputs: Any, **options: Any) -> list[dict[str, Any]]:
        """Return predictions for inputs: texts, or paths of images or videos, by the task.

        Args:
            *inputs: one or more inputs, or one list of them.
            **options: flags of `errorflow <task> predict`, such as top=3.

        Returns:
            One row per input, such as {"text", "label", "probability", "probabilities"}.
        """
        is_list = len(inputs) == 1 and isinstance(inputs[0], list | tuple)
        with quiet_tensorflow():
            items = [*(inputs[0] if is_list else inputs)]
            return [*self.task.predict(self.folder, items, **options)]

    def evaluate(self, split: SplitName = "test") -> dict[str, float]:
        """Measure the best model on a split of the run's data; return the figures by name."""
        if split not in ("train", "validation", "test"):
            raise UserError(f"split must be train, validation or test, got {split!r}")
        with quiet_tensorflow():
            from .training import run_evaluation

            return run_evaluation.evaluate(self.task, self.folder, split).figures

    def export(
        self,
        *formats: Literal["keras", "saved_model", "onnx", "litert"],
        to: PathLike | None = None,
        int8: bool = True,
    ) -> dict[str, Path]:
        """Write the best model in other formats, each checked against the original.

        Args:
            *formats: "keras", "saved_model", "onnx", "litert"; without any, the first two.
            to: the folder to write to; None: export/ in the run folder.
            int8: also write LiteRT files in int8, which needs the data of the run.

        Returns:
            The path of each exported model, by format.
        """
        from .training.export import DEFAULT, check_formats

        names = check_formats(",".join(formats or DEFAULT))
        with quiet_tensorflow():
            from .training import export_run

            target = None if to is None else usable_path(to, "to")
            written = export_run.export(self.task, self.folder, names, target, int8)
            return {export.format: export.path for export in written}

    def plot(
        self, kind: Literal["error_flow", "layer_gradients", "depth_flow"] | None = None
    ) -> "Figure":
        """Draw the error over time, the gradient over depth, or the error over depth.

        Args:
            kind: what to draw; None: the error over time if the network is recurrent, otherwise
                the gradient over depth.

        Raises:
            UserError: the run has not recorded it.
        """
        with quiet_tensorflow():
            from .commands import recorded

            draw = {
                "error_flow": recorded.error_flow_figure,
                "layer_gradients": recorded.layer_gradients_figure,
                "depth_flow": recorded.depth_flow_figure,
            }
            series = {self.path.name: recorded.read_recorded(self.folder.logs).series}
        for name in [kind] if kind else [*draw]:
            if (figure := draw[name](series)) is not None:
                return figure
        raise UserError(f"{self.path} has recorded no {kind or 'error and no gradients'}")

    def __repr__(self) -> str:
        if (damage := self.folder.damage) is not None:
            return f"Run({str(self.path)!r}: damaged, {damage})"
        test = self.results.get("test", {})
        figures = ", ".join(f"{name} {figure_in_words(value)}" for name, value in test.items())
        return f"Run({str(self.path)!r}: {self.folder.status}{', test ' * bool(figures)}{figures})"


@contextlib.contextmanager
def quiet_tensorflow(verbose: bool = False) -> Iterator[None]:
    """Load TensorFlow without its messages; inside the block, print only if `verbose`."""
    from .core.devices import load_tensorflow

    with muted(not verbose):
        load_tensorflow()
        yield


def load_run(path: PathLike) -> Run:
    """Open the trained run in a folder.

    Raises:
        UserError: `path` is not the folder of a trained run of a known task.
    """
    folder = open_run(usable_path(path, "path"))
    load_task(str(folder.results().get("task")))
    return Run(folder.path)
