"""Training pipelines as Python functions; the command `errorflow` does the same.

    from errorflow import pipelines

    pipelines.tasks()                                        # {name: what it does}
    run = pipelines.train("names", model="gru", epochs=5)    # a Run
    run.results["test"], run.history, run.findings
    run.predict("Papadopoulos")
    pipelines.load_run("runs/names/gru-20261128-120000")
    group = pipelines.train("names", model="gru", seeds=5)   # a Group: mean and interval
    group.figures, group.findings, group.runs
    search = pipelines.tune("names", max_trials=10)          # a Search
    search.trials, search.best
    answer = pipelines.doctor(run, workers=2)                # an Answer: which remedy helps
    answer.best, answer.to_frame(), answer.plot()

A wrong argument raises `UserError` before TensorFlow or any data are loaded. Nothing is printed
unless `verbose=True`. Everything here is imported at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import doctor as doctor
    from .api import evaluate as evaluate
    from .api import tasks as tasks
    from .api import train as train
    from .api import tune as tune
    from .core.errors import UserError as UserError
    from .group import Group as Group
    from .run import Run as Run
    from .run import load_run as load_run
    from .search_result import Search as Search

_PLACES = {
    **dict.fromkeys(["doctor", "evaluate", "tasks", "train", "tune"], "api"),
    "Group": "group",
    **dict.fromkeys(["Run", "load_run"], "run"),
    "Search": "search_result",
    "UserError": "core.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
