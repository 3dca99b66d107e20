"""`tune`: a search of a task's space, each trial in a process of its own.

    DIRECTORY/PROJECT_NAME/
        tune.yaml               how this search was asked for: what its workers read
        search.json  oracle.json
                                what the oracle keeps: see `oracles`
        trial_<id>/             see `trial`; log.txt holds what it said
        trials.csv  plots/  best/
                                what one gets: see `search_results`

keras-tuner's oracle chooses the trials and its Tuner asks for them, in a thread for each worker of
this machine; workers of other machines do so by keras-tuner's own service (`search_service`).
"""

import contextlib
import dataclasses
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .config import UserError
from .config_io import config_dict, dump_config
from .devices import load_tensorflow
from .files import read_json, write_json, write_text
from .runs import is_alive, this_process
from .search_config import Search, read_search
from .space import suggest
from .task import Task

TRIALS = 20  # of random and bayesian, which have no end of their own
FREE_TO_CHANGE = ("device", "jit", "strategy")  # from one call to the next


def tune(task: Task, told: Any) -> None:
    """Searches until the oracle has no more trials, or goes on with a search that was stopped.

    Args:
        told: a `SearchConfig` that is a config of the task too.
    """
    if told.worker_of is not None:
        from . import search_service

        return search_service.work(task, told)
    from .search_results import NoObjective

    paths = {"data_dir": told.data_dir, "space": told.space}  # workers may start elsewhere
    told = dataclasses.replace(told, **{key: p and p.resolve() for key, p in paths.items()})
    search = read_search(task, told)
    with _alone_in(search.project, told.overwrite):
        load_tensorflow()  # without its start-up lines: keras-tuner would import it with them
        oracle = _make_oracle(search, task.read_data(search.config).content_hash)
        write_text(search.project / "tune.yaml", dump_config(told))
        try:
            _run(search, oracle)
        except NoObjective:
            shutil.rmtree(search.project)  # it holds nothing of use
            raise
    return None


@contextlib.contextmanager
def _alone_in(project: Path, overwrite: bool) -> Iterator[None]:
    """The search's folder, for this process alone; it goes again if no trial was begun in it."""
    lock = project / "lock.json"
    holder = read_json(lock)
    if holder and is_alive(holder):
        raise UserError(f"the search in {project} is run by process {holder.get('pid')}")
    if project.exists() and not project.is_dir():
        raise UserError(f"{project} is no folder: give another --project-name")
    known = project.exists() and any(project.iterdir())
    if known and not (project / "search.json").exists() and not holder:
        raise UserError(f"{project} holds no search: move it or give another --project-name")
    try:
        if overwrite:
            shutil.rmtree(project, ignore_errors=True)
        project.mkdir(parents=True, exist_ok=True)
        write_json(lock, this_process())
    except OSError as error:
        raise UserError(f"cannot write {project}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        if not any(project.glob("trial_*")):
            shutil.rmtree(project, ignore_errors=True)


def _make_oracle(search: Search, data_hash: str) -> Any:
    """A new one, or the one that is there, if it was told the same."""
    import keras_tuner

    from . import oracles

    told, hyperparameters = search.told, keras_tuner.HyperParameters()
    suggest(search.space, hyperparameters, search.config)
    options: dict[str, Any] = {}
    if told.oracle == "hyperband":
        options |= {"max_epochs": search.config.epochs, "factor": told.factor}
        options |= {"hyperband_iterations": told.hyperband_iterations}
    endless = told.oracle in ("random", "bayesian")
    common = config_dict(search.config) | {"executions_per_trial": told.executions_per_trial}
    common |= {"objective": told.objective or "the task's own"}
    return oracles.make(
        told.oracle,
        objective=keras_tuner.Objective("score", "max"),  # see `TrialRunner`
        hyperparameters=hyperparameters,
        seed=search.config.seed,
        directory=search.project.parent,
        project_name=search.project.name,
        task=search.task.name,
        data_hash=data_hash,
        common={k: v for k, v in common.items() if k not in (*FREE_TO_CHANGE, *search.space)},
        max_trials=told.max_trials or (TRIALS if endless else None),
        **options,
    )


def _run(search: Search, oracle: Any) -> None:
    """Lets workers run trials, tells of each that is finished, and of all in the end."""
    from .search_results import Results
    from .trial_runner import TrialRunner, run_all, shares

    results, stop, count = Results(search, oracle), threading.Event(), search.told.workers
    if count is None:
        count = 0 if search.told.chief else 1
    with _served(search, oracle) as give_back_the_lost:
        runners = [TrialRunner(search, oracle, share, stop) for share in shares(count)]
        results.announce()

        def meanwhile() -> None:
            results.tell_news()
            give_back_the_lost()

        try:
            run_all(runners, stop, meanwhile, lambda: oracle.done)
        except KeyboardInterrupt:
            done = len(oracle.end_order)
            raise KeyboardInterrupt(
                f"interrupted after {done} finished trials; the same command goes on"
            ) from None
    results.tell_news()
    results.tell_all()


@contextlib.contextmanager
def _served(search: Search, oracle: Any) -> Iterator[Callable[[], None]]:
    """Lets workers of other machines take part, if asked for; gives what looks after them."""
    if search.told.chief is None:
        yield lambda: None
        return
    from . import search_service

    with search_service.serve(search, oracle) as service:
        yield service.give_back_the_lost
