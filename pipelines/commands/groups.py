"""Recognise groups: runs of the same task, data and settings, but with different seeds."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.config_files import config_dict
from ..core.console import muted, note
from ..core.errors import UserError
from ..core.run_config import run_config, stored_settings
from ..core.run_folder import RunFolder
from ..core.run_group import RunGroup, group_name, is_over
from ..core.run_lifecycle import MACHINE_SETTINGS
from ..core.run_selection import pick_run
from ..registry import is_task, load_task

HOW = (
    "a group is two or more runs of the same settings and data with different seeds, as `errorflow"
    " TASK train --seeds 5` trains them"
)


def groups_of(runs: Sequence[RunFolder]) -> list[RunGroup]:
    """Return the groups of some runs, those of a single run, too; the latest group last.

    Runs that are damaged, or whose settings cannot be read, are left out with a note.

    Args:
        runs: the oldest first.
    """
    members: dict[str, dict[int, list[RunFolder]]] = {}
    for run, seed, key in _keyed(runs):
        by_seed = members.pop(key, {})  # to its new place, as the latest
        by_seed.setdefault(seed, []).append(run)
        members[key] = by_seed
    chosen = [_one_of_each_seed(by_seed) for by_seed in members.values()]
    others = [
        tuple(run for runs in by_seed.values() for run in runs if run not in of.values())
        for by_seed, of in zip(members.values(), chosen, strict=True)
    ]
    return [RunGroup(*of) for of in zip(_names(chosen), chosen, others, strict=True)]


def _keyed(runs: Sequence[RunFolder]) -> Iterator[tuple[RunFolder, int, str]]:
    """Yield each run with its seed and what all runs of its group have in common."""
    for run in runs:
        if (damage := run.damage) is not None:
            note(f"left out: {run.path} is damaged ({damage})")
            continue
        try:
            settings = _settings(run)
        except UserError as error:
            note(f"left out: {error}")
            continue
        seed = settings.pop("seed", None)
        if isinstance(seed, int):
            yield run, seed, repr((run.task, _data(run), sorted(settings.items(), key=repr)))


def _data(run: RunFolder) -> str | None:
    return run.results().get("data", {}).get("content_hash")


def _settings(run: RunFolder) -> dict[str, Any]:
    """Return the settings of a run that determine what it computes, with its seed.

    Those that are younger than the run have their defaults. The hash of the data stands for the
    folder that they were in.
    """
    if is_task(run.task):
        settings = config_dict(run_config(load_task(run.task).config, run).resolved())
    else:
        settings = stored_settings(run)
    apart = MACHINE_SETTINGS | ({"data_dir"} if _data(run) else set())
    return {key: value for key, value in settings.items() if key not in apart}


def _one_of_each_seed(by_seed: dict[int, list[RunFolder]]) -> dict[int, RunFolder]:
    """Return one run of each seed: the latest that is over or, if none is, the latest."""
    return {
        seed: next(filter(is_over, reversed(runs)), runs[-1])
        for seed, runs in sorted(by_seed.items())
    }


def _names(groups: Sequence[dict[int, RunFolder]]) -> list[str]:
    """Return the name of each group: the common part of its runs' names, or that of the first."""
    stems = [_stem([*group.values()]) for group in groups]
    firsts = [next(iter(group.values())) for group in groups]
    counts = collections.Counter(zip((run.task for run in firsts), stems, strict=True))
    return [
        stem if stem and counts[run.task, stem] == 1 else run.name
        for stem, run in zip(stems, firsts, strict=True)
    ]


def _stem(runs: Sequence[RunFolder]) -> str | None:
    """Return NAME if all runs are called NAME-seed and a number."""
    stems = {group_name(run) for run in runs}
    return stems.pop() if len(stems) == 1 else None


def pick_group(name: str, groups: Sequence[RunGroup]) -> RunGroup:
    """Return the group of a name, NAME or TASK/NAME, or the one that a run of that name is in.

    Raises:
        UserError: there is none, or several tasks have one.
    """
    matches = [group for group in groups if name in (group.name, group.title)] or [
        group
        for group in groups
        if any(name in (run.name, run.title) for run in (*group.runs.values(), *group.others))
    ]
    if not matches:
        raise UserError(f"no group or run {name!r}; `errorflow runs` lists the runs; {HOW}")
    if len(matches) > 1:
        raise UserError(f"several tasks have {name!r}: give TASK/{name}")
    return matches[0]


def runs_named(name: str, runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return the run of a name, NAME or TASK/NAME, or the runs of the group of that name.

    Raises:
        UserError: there is neither, or several tasks have one.
    """
    try:
        return [pick_run(name, runs)]
    except UserError:
        with muted():
            groups = [group for group in groups_of(runs) if name in (group.name, group.title)]
        if len(groups) != 1:
            raise
        return [*groups[0].runs.values()]


def comparable_groups(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Return the groups of two or more seeds that have the task and the data of the latest one.

    Raises:
        UserError: there is no group of two or more seeds.
    """
    several = [group for group in groups if len(group.runs) > 1]
    if not several:
        raise UserError(f"no groups: {HOW}")
    return [group for group in several if is_comparable(group, several[-1])]


def named_apart(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Return groups with the task in their names, if there are several tasks."""
    if len({group.first.task for group in groups}) == 1:
        return [*groups]
    return [dataclasses.replace(group, name=group.title) for group in groups]


def is_comparable(one: RunGroup, other: RunGroup) -> bool:
    """Whether two groups have the same task and data."""
    return (one.first.task, _data(one.first)) == (other.first.task, _data(other.first))
