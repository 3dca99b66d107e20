"""`train --seeds`: train the same network with several seeds, and report what they have in common.

The trainings are trials in processes of their own, as those of a search, and write ordinary run
folders; `seed_plan` describes the files. The same command goes on after an interruption.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.config import TrainingConfig
from ..core.console import shorten
from ..core.errors import UserError
from ..core.files import write_json
from ..core.run_folder import RunFolder
from ..core.run_group import RunGroup
from ..core.run_lock import check_not_held, hold
from ..core.system_errors import writing
from ..training.task import Task
from ..training.tracking import check_tracker
from ..training.workflow import find_before_tensorflow
from .pool import Pool, open_pool
from .seed_plan import SeedPlan, begin, make_plan, prepare
from .seed_progress import SeedProgress

KEPT = "finished runs stay usable, and the same command goes on"


class _Died(UserError):
    """The process of a training has ended without a result; its log.txt may say why."""


def train_seeds(task: Task, config: TrainingConfig) -> RunGroup:
    """Train the runs that are not over yet; return all of them.

    Args:
        config: the settings of the runs, with `run.seeds`; resolved and checked.

    Raises:
        UserError: the settings, the data or the folders do not allow it, no run is finished, or
            some have failed for another reason than their loss.
        KeyboardInterrupt: Ctrl-C; the message says how to go on.
    """
    check_tracker(config)
    plan = make_plan(task, config)
    check_not_held(plan.lock_file)
    find_before_tensorflow(task, plan.config)
    with writing(plan.folder, lambda: KEPT), _folder(plan):
        progress = SeedProgress(plan)
        with open_pool(config.run.workers) as pool:
            try:
                failures = _train_all(plan, pool, progress)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(_interruption(plan)) from None
        group = group_of(plan)
        write_json(plan.report_file, group.as_json())
        progress.report_end(group)
    _check_is_complete(group, failures, config.run.overwrite)
    return group


@contextlib.contextmanager
def _folder(plan: SeedPlan) -> Iterator[None]:
    """Hold the folder during the block.

    If that fails before any run has begun, delete it, unless log.txt may say why.
    """
    with hold(plan.lock_file):
        begin(plan)
        try:
            yield
        except UserError as error:
            has_begun = any(plan.place.glob(f"{plan.name}-seed[0-9]*"))
            if not has_begun and not isinstance(error, _Died):
                shutil.rmtree(plan.folder, ignore_errors=True)
            raise


def _train_all(plan: SeedPlan, pool: Pool, progress: SeedProgress) -> dict[int, str]:
    """Train what is not over; return why trainings have no result, by seed."""
    over = {seed: run for seed in plan.seeds if (run := plan.over(seed)) is not None}
    _check_same_data([*over.values()])
    waiting = [seed for seed in plan.seeds if seed not in over]
    failures: dict[int, str] = {}
    progress.report_start(len(over))
    while waiting or pool.running:
        while waiting and pool.has_room:
            seed = waiting.pop(0)
            progress.begin(seed)
            pool.start(seed, prepare(plan, seed))
        for seed, result in pool.next_results():
            run = plan.over(seed)
            if run is None:
                failures[seed] = _reason(seed, result, is_first=not over)
            else:
                over[seed] = run
                _check_same_data([next(iter(over.values())), run])
            progress.report(seed, run, failures.get(seed), len(waiting))
    return failures


def _reason(seed: int, result: Mapping[str, Any], is_first: bool) -> str:
    """Return why a training has no result.

    Raises:
        UserError: neither has any other, so the reason is that of all of them.
    """
    reason = str(result.get("reason"))
    if is_first:
        failure = UserError if "status" in result else _Died
        raise failure(f"the training with seed {seed} failed: {reason}")
    return reason


def _check_same_data(runs: Sequence[RunFolder]) -> None:
    """Raise `UserError` if the data have changed between the trainings."""
    first: dict[str | None, RunFolder] = {}  # the first run of each hash
    for run in runs:
        first.setdefault(run.results().get("data", {}).get("content_hash"), run)
    if len(first) > 1:
        one, other, *_ = (run.path for run in first.values())
        raise UserError(
            f"the data have changed between {one} and {other}: give --overwrite to train all seeds"
            " again, or another --name"
        )


def group_of(plan: SeedPlan) -> RunGroup:
    """Return the runs that have begun."""
    runs = {seed: run for seed in plan.seeds if (run := plan.run(seed)) is not None}
    return RunGroup(plan.name, runs)


def _interruption(plan: SeedPlan) -> str:
    count, total = len(group_of(plan).ended), len(plan.seeds)
    command = "the same command" + " without --overwrite" * plan.config.run.overwrite
    return f"interrupted after {count} of {total} seeds; {command} goes on"


def _check_is_complete(group: RunGroup, failures: Mapping[int, str], overwrite: bool) -> None:
    """Raise `UserError` if there is nothing to report, or the command has to be given again."""
    if failures:
        reasons = [f"seed {seed} has no result: {reason}" for seed, reason in failures.items()]
        again = "the same command" + " without --overwrite" * overwrite
        raise UserError(f"{'; '.join(shorten(reasons))}; {again} tries again")
    if not group.finished:
        count = len(group.runs)
        raise UserError(f"no run is finished: the loss is not finite in {count} of {count} seeds")
