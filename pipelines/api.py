"""The Python API: the verbs of the command line as functions that return objects."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.config import TrainingConfig, replace
from .core.config_files import load_config, with_settings
from .core.errors import UserError
from .core.run_selection import open_run, run_to_resume
from .registry import TASKS, load_task
from .run import PathLike, Run, SplitName, quiet_tensorflow
from .training.task import Task

if TYPE_CHECKING:
    import pandas


def tasks() -> dict[str, str]:
    """Return the tasks, as {name: what the task does}."""
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
    """Train a network and write all results to a run folder.

        run = pipelines.train("names", model="gru", epochs=5)

    Args:
        task: one of `tasks()`.
        config: the settings to begin with, such as `NamesConfig()`; None: the task's defaults or,
            with `resume`, those of the run.
        name: name of the run; None: composed of the model and the time.
        run_dir: the folder of all runs; this one goes to run_dir/task/name.
        resume: continue an interrupted run: the latest one, unless `name` is given.
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
    with quiet_tensorflow(verbose):
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
    """Search for better settings; each trial is a training in its own process.

        search = pipelines.tune("names", max_trials=10, workers=2)

    Args:
        task: one of `tasks()`.
        config: the settings that all trials have in common; None: the task's defaults.
        overwrite: delete an earlier search of the same name first; otherwise it is resumed.
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
    with quiet_tensorflow(verbose):
        from .search.tune import tune as search

        return Search(search(chosen, full))


def load_run(path: PathLike) -> "Run":
    """Open the trained run in a folder.

    Raises:
        UserError: `path` is not the folder of a trained run of a known task.
    """
    folder = open_run(Path(path))
    load_task(str(folder.results().get("task")))
    return Run(folder.path)


def evaluate(run: "Run | PathLike", split: SplitName = "test") -> dict[str, float]:
    """Measure a run's best model on a split of its data; return the figures by name."""
    return (run if isinstance(run, Run) else load_run(run)).evaluate(split)


@dataclasses.dataclass(frozen=True)
class Search:
    """A search over settings.

    Attributes:
        path: folder of the search.
        trials: a DataFrame with one row per trial, the best first.
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
