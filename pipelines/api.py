"""The Python API: the verbs of the command line as functions that return objects."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .core.cluster import training_cluster
from .core.config import RunSettings, TrainingConfig, replace
from .core.config_files import with_settings
from .core.console import muted
from .core.errors import UserError
from .core.paths import usable_path, with_usable_paths
from .core.replacement import run_at
from .core.run_config import run_config
from .core.run_selection import run_to_resume
from .group import Group
from .registry import all_tasks, load_task
from .run import PathLike, Run, SplitName, load_run
from .search_result import Search
from .training.task import Task

if TYPE_CHECKING:
    from ..callbacks.treatment.answer import Answer

C = TypeVar("C", bound=TrainingConfig)


def tasks() -> dict[str, str]:
    """Return the tasks, also those of installed packages, as {name: what the task does}."""
    return all_tasks()


@overload
def train(
    task: str,
    config: TrainingConfig | None = None,
    *,
    data: Any = None,
    name: str | None = None,
    run_dir: PathLike = "runs",
    resume: bool = False,
    overwrite: bool = False,
    seeds: None = None,
    verbose: bool = False,
    **settings: Any,
) -> Run: ...
@overload
def train(
    task: str,
    config: TrainingConfig | None = None,
    *,
    data: Any = None,
    name: str | None = None,
    run_dir: PathLike = "runs",
    resume: bool = False,
    overwrite: bool = False,
    seeds: int,
    workers: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> Group: ...
def train(
    task: str,
    config: TrainingConfig | None = None,
    *,
    data: Any = None,
    name: str | None = None,
    run_dir: PathLike = "runs",
    resume: bool = False,
    overwrite: bool = False,
    seeds: int | None = None,
    workers: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> Run | Group:
    """Train a network and write all results to a run folder.

        run = pipelines.train("names", model="gru", epochs=5)
        group = pipelines.train("names", model="gru", seeds=5, workers=2)

    Args:
        task: one of `tasks()`.
        config: the settings to begin with, such as `NamesConfig()`; None: the task's defaults or,
            with `resume`, those of the run.
        data: the data as Python objects, in place of `data_dir`: a DataFrame, a list of (text,
            label), or {"train": ..., "test": ...} of these; see `python_data.write_records`. They
            are written once to run_dir/data, so that the run can be evaluated and resumed later.
        name: name of the run; None: composed of the model and the time.
        run_dir: the folder of all runs; this one goes to run_dir/task/name.
        resume: continue an interrupted run: the latest one, unless `name` is given.
        overwrite: replace an earlier run of the same name.
        seeds: train this number of runs, in processes of their own, with the seeds `seed`,
            `seed` + 1, ...; they are called name-seed1, ... The same call goes on if it was
            interrupted; without `name`, that of the same settings.
        workers: number of these runs that train at the same time.
        verbose: print progress and results.
        **settings: flags of `errorflow <task> train`, with underscores.

    Returns:
        The run or, with `seeds`, the `Group` of the runs.

    Raises:
        UserError: a wrong argument, or data or a run folder that cannot be used (before TensorFlow
            is loaded); later, a loss that is no longer a finite number, or another worker that is
            lost.
    """
    chosen, source = load_task(task), f"pipelines.train({task!r})"
    folder = usable_path(run_dir, "run_dir")
    place = {"run_dir": folder, "name": name, "resume": resume, "overwrite": overwrite}
    place |= {"seeds": seeds, "workers": workers}
    strategy = settings.get("strategy", (config or chosen.config()).hardware.strategy)  # pyright: ignore
    is_chief = training_cluster(strategy).is_chief
    RunSettings(**place).check()
    interrupted = run_to_resume(folder, task, name) if resume and is_chief else None
    if interrupted is not None and config is None:
        config = run_config(chosen.config, interrupted)
    _check_class(chosen, config, source)
    config = with_settings(config or chosen.config(), settings, source)  # pyright: ignore
    config = with_usable_paths(replace(config, **place))
    config = _with_place_for(data, config, folder, resume)
    config.resolved().check()
    with muted(not verbose), _stored(chosen, config, data) as stored:
        if seeds is not None:
            from .search.seeds import train_seeds

            return Group(train_seeds(chosen, stored.resolved()))
        from .training import workflow

        return Run(workflow.train(chosen, stored.resolved(), interrupted).path)


def tune(
    task: str,
    config: TrainingConfig | None = None,
    *,
    data: Any = None,
    overwrite: bool = False,
    verbose: bool = False,
    **settings: Any,
) -> "Search":
    """Search for better settings; trials are trained by processes of their own.

        search = pipelines.tune("names", max_trials=10, workers=2)

    Args:
        task: one of `tasks()`.
        config: the settings that all trials have in common, but for those that are searched; None:
            the task's defaults.
        data: as in `train`; written to the folder of all searches.
        overwrite: delete an earlier search of the same name first; otherwise it is resumed.
        verbose: print a line per trial, and the table of results.
        **settings: flags of `errorflow <task> tune`, with underscores. As these do, they fix a
            setting that would be searched: `units=16`.

    Raises:
        UserError: a wrong argument or data that cannot be read (before TensorFlow is loaded), or no
            trial has a score.
    """
    from .search.config import tune_config

    chosen, source = load_task(task), f"pipelines.tune({task!r})"
    _check_class(chosen, config, source)
    cls = tune_config(chosen.config)
    shared = {} if config is None else _sections_but_run(config)
    full = replace(with_settings(cls(**shared), settings, source), overwrite=overwrite)
    full = with_usable_paths(full)
    full = _with_place_for(data, full, full.search.directory)
    full.check()
    with muted(not verbose), _stored(chosen, full, data) as stored:
        from .search.tune import tune as search

        return Search(search(chosen, stored, settings.keys()))


def _with_place_for(data: Any, config: C, parent: Path, resume: bool = False) -> C:
    """Return a config whose `data_dir` is the folder that data from Python are written below."""
    given: Any = config
    if data is None:
        return config
    if given.data.dataset or (given.data.data_dir and not resume):
        raise UserError("data and dataset or data_dir are two sources: give one of them")
    return replace(config, data_dir=parent / "data")


@contextlib.contextmanager
def _stored(task: Task, config: C, data: Any) -> Iterator[C]:
    """Write data from Python below `data_dir`; give the config that reads them.

    If the block fails before a run uses the data, they are deleted again.
    """
    if data is None:
        yield config
        return
    from .datasets.python_data import discard, store

    given: Any = config
    parent, changes = given.data.data_dir, {}
    before = {path.name for path in parent.glob("*")}
    folder = store(parent, lambda empty: changes.update(task.write_data(config, data, empty)))
    try:
        yield replace(config, data_dir=folder, **changes)
    except UserError:
        settings = [*parent.parent.glob("*/*/config.yaml"), *parent.parent.glob("*/tune.yaml")]
        if folder.name not in before and not any(
            folder.name in path.read_text(encoding="utf-8") for path in settings
        ):
            discard(folder)
        raise


def doctor(run: "Run | PathLike", *, verbose: bool = False, **settings: Any) -> "Answer":
    """Try the remedies for what is wrong with a run; return which one helps, with its proof.

        answer = pipelines.doctor("runs/names/a", workers=2)
        answer.best, answer.sentence, answer.to_frame()

    Each training is short, in another process, and judged on the validation split. The files
    are in doctor/ of the run; the same call goes on if it was interrupted.

    Args:
        run: a run, or its folder; it may have been stopped, or have failed.
        verbose: print a line for each training, and the answer.
        **settings: flags of `errorflow <task> doctor`, with underscores; `only` may be a list of
            names.

    Raises:
        UserError: a wrong argument, or a run or data that cannot be used (before TensorFlow is
            loaded); later, an untreated training that failed for a reason that is no finding.
    """
    from .treatment.command import treat_and_apply
    from .treatment.config import DoctorConfig, TreatedRun, with_flags

    path = run.path if isinstance(run, Run) else usable_path(run, "run")
    config = with_flags(DoctorConfig(run=TreatedRun(run=path)), settings, "pipelines.doctor")
    config.check()
    task = load_task(str(run_at(path).results().get("task")))
    with muted(not verbose):
        return treat_and_apply(task, config)


def evaluate(run: "Run | PathLike", split: SplitName = "test") -> dict[str, float]:
    """Measure a run's best model on a split of its data; return the figures by name."""
    return (run if isinstance(run, Run) else load_run(run)).evaluate(split)


def _check_class(task: Task, config: TrainingConfig | None, source: str) -> None:
    if config is not None and not isinstance(config, task.config):
        wanted, got = task.config.__name__, type(config).__name__
        raise UserError(f"{source}: config must be a {wanted}, got {got}")


def _sections_but_run(config: TrainingConfig) -> Mapping[str, Any]:
    fields: Sequence[Any] = dataclasses.fields(config)
    return {f.name: getattr(config, f.name) for f in fields if f.name != "run"}
