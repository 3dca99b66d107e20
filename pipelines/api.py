"""The Python API: the verbs of the command line as functions that return objects."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..callbacks.findings.finding import Finding
from .core.config import TrainingConfig, replace
from .core.config_files import load_config, with_settings
from .core.console import muted
from .core.errors import UserError
from .core.run_folder import RunFolder
from .core.run_selection import open_run, run_to_resume
from .registry import TASKS, load_task
from .training.task import Task

if TYPE_CHECKING:
    import keras
    import pandas
    from matplotlib.figure import Figure

PathLike = str | Path
SplitName = Literal["train", "validation", "test"]


def tasks() -> dict[str, str]:
    """The tasks: what each does, by name."""
    return dict(TASKS)


def train(
    task: str,
    config: TrainingConfig | None = None,
    *,
    name: str | None = None,
    run_dir: PathLike = "runs",
    resume: bool = False,
    overwrite: bool = False,
    verbose: bool = False,
    **settings: Any,
) -> "Run":
    """Train a network, and keep everything in a run folder.

        run = pipelines.train("names", model="gru", epochs=5)

    Args:
        task: one of `tasks()`.
        config: the settings to begin with, such as `NamesConfig()`; None: the task's defaults or,
            with `resume`, those of the run.
        name: of the run; None: the model and the time.
        run_dir: the folder of all runs; this one goes to run_dir/task/name.
        resume: go on with an interrupted run, the latest one unless `name` is given.
        overwrite: replace an earlier run of the same name.
        verbose: print progress and results.
        **settings: flags of `errorflow <task> train`, with underscores.

    Raises:
        UserError: a wrong argument (before TensorFlow or data are loaded), data that cannot be
            read, or a loss that is no longer a finite number.
    """
    chosen, source = load_task(task), f"pipelines.train({task!r})"
    place = {"run_dir": Path(run_dir), "name": name, "resume": resume, "overwrite": overwrite}
    interrupted = run_to_resume(Path(run_dir), task, name) if resume else None
    if interrupted is not None and config is None:
        config = load_config(chosen.config, interrupted.config_file)
    _check_class(chosen, config, source)
    config = with_settings(config or chosen.config(), settings, source)  # pyright: ignore
    config = replace(config, **place).resolved()
    config.check()
    with _output(verbose):
        from .training import workflow

        return Run(workflow.train(chosen, config, interrupted).path)


def tune(
    task: str,
    config: TrainingConfig | None = None,
    *,
    overwrite: bool = False,
    verbose: bool = False,
    **settings: Any,
) -> "Search":
    """Search for better settings: each trial is a training in a process of its own.

        search = pipelines.tune("names", max_trials=10, workers=2)

    Args:
        task: one of `tasks()`.
        config: the settings that all trials have in common; None: the task's defaults.
        overwrite: delete an earlier search of the same name first; else it is continued.
        verbose: print a line per trial, and the table of results.
        **settings: flags of `errorflow <task> tune`, with underscores.

    Raises:
        UserError: a wrong argument (before TensorFlow or data are loaded), or no trial has a score.
    """
    from .search.config import tune_config

    chosen, source = load_task(task), f"pipelines.tune({task!r})"
    _check_class(chosen, config, source)
    cls = tune_config(chosen.config)
    shared = {} if config is None else _sections_but_run(config)
    full = replace(with_settings(cls(**shared), settings, source), overwrite=overwrite)
    full.check()
    with _output(verbose):
        from .search.tune import tune as search

        return Search(search(chosen, full))


def load_run(path: PathLike) -> "Run":
    """The trained run in a folder.

    Raises:
        UserError: it is not the folder of a trained run of a known task.
    """
    folder = open_run(Path(path))
    load_task(str(folder.results().get("task")))
    return Run(folder.path)


def evaluate(run: "Run | PathLike", split: SplitName = "test") -> dict[str, float]:
    """Measure a run's best model on a split of its data; return the figures by name."""
    return (run if isinstance(run, Run) else load_run(run)).evaluate(split)


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        path: its folder.
        model: the best model, which takes raw inputs such as strings or pixels.
        history: one row per epoch, a DataFrame.
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
        """The task that the run is of."""
        return load_task(self.results["task"])

    @property
    def config(self) -> TrainingConfig:
        return load_config(self.task.config, self.folder.config_file).resolved()

    @property
    def results(self) -> dict[str, Any]:
        return self.folder.results()

    @property
    def history(self) -> "pandas.DataFrame":
        import pandas

        return pandas.read_csv(self.folder.history_file)

    @functools.cached_property
    def model(self) -> "keras.Model":
        with _output(False):
            from .models.serving import load

            return load(self.folder.best)

    @property
    def findings(self) -> list[Finding]:
        results = self.results
        rows, sentences = results.get("findings", []), results.get("verdict", [])
        texts = sentences[len(sentences) - len(rows) :]
        return [_finding(row, text) for row, text in zip(rows, texts, strict=True)]

    def predict(self, *inputs: Any, **options: Any) -> list[dict[str, Any]]:
        """Predictions for inputs: texts, sentences, or paths of images or videos, as the task has.

        Args:
            *inputs: one or more inputs, or one list of them.
            **options: flags of `errorflow <task> predict`, such as top=3.

        Returns:
            One row per input, such as {"text", "label", "probability", "probabilities"}.
        """
        is_list = len(inputs) == 1 and isinstance(inputs[0], list | tuple)
        with _output(False):
            return self.task.predict(self.folder, [*(inputs[0] if is_list else inputs)], **options)

    def evaluate(self, split: SplitName = "test") -> dict[str, float]:
        """Measure the best model on a split of the run's data; return the figures by name."""
        if split not in ("train", "validation", "test"):
            raise UserError(f"split must be train, validation or test, got {split!r}")
        with _output(False):
            from .training import workflow

            return workflow.evaluate(self.task, self.folder, split).figures

    def export(
        self, *formats: Literal["keras", "saved_model", "onnx"], to: PathLike | None = None
    ) -> dict[str, Path]:
        """Write the best model in other formats, each checked against the original.

        Args:
            *formats: "keras", "saved_model", "onnx"; none: the first two.
            to: the folder to write to; None: export/ in the run folder.

        Returns:
            The path of what was written, by format.
        """
        from .training.export import check_formats

        names = check_formats(",".join(formats or ("keras", "saved_model")))
        with _output(False):
            from .training import workflow

            target = None if to is None else Path(to)
            written = workflow.export(self.task, self.folder, names, target)
            return {export.format: export.path for export in written}

    def plot(self, kind: Literal["error_flow", "layer_gradients"] | None = None) -> "Figure":
        """Draw the error over time, or the gradient over depth.

        Args:
            kind: None: the error over time, if the network is recurrent.

        Raises:
            UserError: the run has recorded nothing of the kind.
        """
        with _output(False):
            from .commands import recorded

            draw = {
                "error_flow": recorded.error_flow_figure,
                "layer_gradients": recorded.layer_gradients_figure,
            }
            series = {self.path.name: recorded.read_recorded(self.folder.logs)}
        for name in [kind] if kind else [*draw]:
            if (figure := draw[name](series)) is not None:
                return figure
        raise UserError(f"{self.path} has recorded no {kind or 'error and no gradients'}")

    def __repr__(self) -> str:
        test = self.results.get("test", {})
        figures = ", ".join(f"{name} {value:.4f}" for name, value in test.items())
        return f"Run({str(self.path)!r}: {self.folder.status}{', test ' * bool(figures)}{figures})"


@dataclasses.dataclass(frozen=True)
class Search:
    """A search over settings.

    Attributes:
        path: its folder.
        trials: one row per trial, the best first, a DataFrame.
        best: the run of the best trial.
    """

    path: Path

    @property
    def trials(self) -> "pandas.DataFrame":
        import pandas

        return pandas.read_csv(self.path / "trials.csv", dtype={"trial": str})

    @property
    def best(self) -> Run:
        return load_run(self.path / "best")

    def __repr__(self) -> str:
        return f"Search({str(self.path)!r}: {len(self.trials)} trials)"


def _check_class(task: Task, config: TrainingConfig | None, source: str) -> None:
    if config is not None and not isinstance(config, task.config):
        wanted, got = task.config.__name__, type(config).__name__
        raise UserError(f"{source}: config must be a {wanted}, got {got}")


def _sections_but_run(config: TrainingConfig) -> Mapping[str, Any]:
    fields: Sequence[Any] = dataclasses.fields(config)
    return {f.name: getattr(config, f.name) for f in fields if f.name != "run"}


def _finding(row: Mapping[str, Any], sentence: str) -> Finding:
    text = sentence.removeprefix(f"{row['layer']}: ") if row["layer"] else sentence
    confidence = row.get("confidence")
    confidence = float("nan") if confidence is None else confidence
    return Finding(row["layer"], row["kind"], text, row.get("evidence", {}), confidence)


@contextlib.contextmanager
def _output(verbose: bool) -> Iterator[None]:
    """Load TensorFlow without its messages, and print only if `verbose`."""
    from .core.devices import load_tensorflow

    with muted(not verbose):
        load_tensorflow()
        yield
