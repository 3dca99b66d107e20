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
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..core.config import replace
from ..core.config_files import config_dict, dump_config
from ..core.devices import load_tensorflow
from ..core.errors import UserError
from ..core.files import read_json, write_text
from ..core.run_folder import is_alive, this_process
from ..core.run_lifecycle import MACHINE_SETTINGS
from ..training.task import Task
from .config import Search, TuneConfig, read_search
from .hyperparameters import suggest
from .results import NoObjective, Results

TRIALS = 20  # of random and bayesian, which have no end of their own
INITIAL = 8  # trials of bayesian until it begins to guess, where keras-tuner takes 3 for each key
DEAD = 60  # seconds without a sign of life of a search on another machine


def tune(task: Task, asked: TuneConfig) -> Path:
    """Search until the oracle has no more trials; go on with a search that was stopped.

    Returns the folder of the search.

    Args:
        asked: how to search, and what all trials have in common.
    """
    told = asked.search
    if told.worker_of is not None:
        load_tensorflow()  # without its start-up lines: keras-tuner would import it with them
        from . import service as search_service

        search_service.work(task, asked)
        return read_search(task, asked).project
    search = read_search(task, asked)
    _check_folder(search.project)
    if told.oracle == "hyperband":
        _check_hyperband(search)
    tf = load_tensorflow()
    if tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")  # they are the trials'
    if told.chief is not None:
        from . import service as search_service

        search_service.check_free(told.chief)
    data_hash = task.read_data(search.config).content_hash
    with _alone_in(search.project, search.overwrite) as sign_of_life:
        oracle = _make_oracle(search, data_hash)
        _write_for_workers(search)
        try:
            _run(search, oracle, sign_of_life)
        except NoObjective:
            shutil.rmtree(search.project, ignore_errors=True)  # it holds nothing of use
            raise
    return search.project


def _check_hyperband(search: Search) -> None:
    """It deals out epochs, and must know how many there are."""
    if "epochs" in search.space:
        raise UserError("--oracle hyperband deals out epochs itself: leave them out of the space")
    if search.config.optimisation.epochs is None:
        raise UserError("--oracle hyperband needs --epochs: those of its longest trials")


def _write_for_workers(search: Search) -> None:
    """What workers read, who may be started elsewhere: where no relative path leads anywhere."""
    asked = search.asked
    if asked.data.data_dir is not None:
        asked = replace(asked, data_dir=asked.data.data_dir.absolute())
    write_text(search.project / "tune.yaml", dump_config(asked))
    if search.told.space is not None:
        write_text(search.project / "space.yaml", search.told.space.read_text(encoding="utf-8"))


# The folder


def _check_folder(project: Path) -> None:
    """Raises `UserError` where there is something else, or another process searches."""
    if project.parent.exists() and not project.parent.is_dir():
        raise UserError(f"--directory {project.parent} is no folder")
    if project.exists() and not project.is_dir():
        raise UserError(f"{project} is no folder: give another --project-name")
    lock = project / "lock.json"
    holder = _holder(lock)
    if holder:
        where = f"process {holder.get('pid')} on {holder.get('host')}"
        raise UserError(f"the search in {project} is run by {where}; if not, remove {lock}")
    ours = {"search.json", "lock.json"}
    names = {path.name for path in project.iterdir()} if project.exists() else set()
    if names and not names & ours:
        raise UserError(f"{project} holds no search: move it or give another --project-name")


def _holder(lock: Path) -> dict[str, Any]:
    """Who searches; empty if nobody does. Of another machine a sign of life is needed."""
    try:
        holder = read_json(lock)
    except UserError:
        return {}  # written in part, by a process that was killed
    if not holder or not is_alive(holder):
        return {}
    silent = time.time() - lock.stat().st_mtime > DEAD
    return {} if silent and holder.get("host") != socket.gethostname() else holder


@contextlib.contextmanager
def _alone_in(project: Path, overwrite: bool) -> Iterator[Callable[[], None]]:
    """The search's folder, for this process alone; it goes again if no trial was begun in it.

    Gives what is to be called again and again, so that other machines see that we live.
    """
    lock = project / "lock.json"
    _check_folder(project)
    try:
        if overwrite:
            shutil.rmtree(project, ignore_errors=True)
        project.mkdir(parents=True, exist_ok=True)
        lock.unlink(missing_ok=True)
        with lock.open("x", encoding="utf-8") as file:
            json.dump(this_process(), file)
    except FileExistsError:
        raise UserError(f"another process has just begun to search in {project}") from None
    except OSError as error:
        raise UserError(f"cannot write {project}: {error.strerror}") from None
    try:
        yield lock.touch
    finally:
        lock.unlink(missing_ok=True)
        if not any(project.glob("trial_*")):
            shutil.rmtree(project, ignore_errors=True)


# The search


def _make_oracle(search: Search, data_hash: str) -> Any:
    """A new one, or the one that is there, if it was told the same."""
    import keras_tuner

    from . import oracles

    told, hyperparameters = search.told, keras_tuner.HyperParameters()
    suggest(search.space, hyperparameters, search.config)
    options: dict[str, Any] = {}
    if told.oracle == "hyperband":
        options |= {"max_epochs": search.config.optimisation.epochs, "factor": told.factor}
        options |= {"hyperband_iterations": told.hyperband_iterations}
    if told.oracle == "bayesian":
        options["num_initial_points"] = INITIAL
    endless = told.oracle in ("random", "bayesian")
    common = config_dict(search.config) | {"executions_per_trial": told.executions_per_trial}
    common |= {"objective": told.objective or "the task's own"}
    return oracles.make(
        told.oracle,
        objective=keras_tuner.Objective("score", "max"),  # see `TrialRunner`
        hyperparameters=hyperparameters,
        seed=search.config.optimisation.seed,
        directory=search.project.parent,
        project_name=search.project.name,
        task=search.task.name,
        data_hash=data_hash,
        common={k: v for k, v in common.items() if k not in {*MACHINE_SETTINGS, *search.space}},
        max_trials=told.max_trials or (TRIALS if endless else None),
        **options,
    )


def _run(search: Search, oracle: Any, sign_of_life: Callable[[], None]) -> None:
    """Lets workers run trials, tells of each that is finished, and of all in the end."""
    from .worker import TrialRunner, run_all, shares

    results, stop, count = Results(search, oracle), threading.Event(), search.told.workers
    if count is None:
        count = 0 if search.told.chief else 1
    with _served(search, oracle) as give_back_the_lost:
        runners = [TrialRunner(search, oracle, share, stop) for share in shares(count)]
        results.announce()

        def meanwhile() -> None:
            results.tell_news()
            give_back_the_lost()
            sign_of_life()

        try:
            run_all(runners, stop, meanwhile, lambda: oracle.done)
        except KeyboardInterrupt:
            done = len(oracle.end_order)
            same = "the same command" + " without --overwrite" * search.overwrite
            raise KeyboardInterrupt(
                f"interrupted after {done} finished trials; {same} goes on"
            ) from None
    results.tell_news()
    results.tell_all()


@contextlib.contextmanager
def _served(search: Search, oracle: Any) -> Iterator[Callable[[], None]]:
    """Lets workers of other machines take part, if asked for; gives what looks after them."""
    if search.told.chief is None:
        yield lambda: None
        return
    from . import service as search_service

    with search_service.serve(search, oracle) as service:
        yield service.give_back_the_lost
