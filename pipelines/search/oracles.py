"""keras-tuner's oracles, corrected: a search ends, is reproducible, and resumes after a SIGKILL.

    directory/project_name/
        search.json             the arguments of the search, which must not change on a resume
        oracle.json             the state of the oracle, with all trials
        trial_<id>/trial.json   a copy of one trial, for people and other processes; not read here

Every change ends with a new oracle.json that is renamed into place: a process that is killed leaves
the old one or the new one, never a part.
"""

import copy
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..core.errors import DamagedFile, UserError, require
from ..core.files import read_json, write_json
from .durable_oracle import DurableOracle


def make(
    kind: str,
    *,
    objective: Any,
    hyperparameters: keras_tuner.HyperParameters,
    seed: int,
    directory: Path,
    project_name: str,
    task: str,
    data_hash: str,
    common: Mapping[str, Any] | None = None,
    max_trials: int | None = None,
    **options: Any,
) -> DurableOracle:
    """Return a new oracle, or restore that of the search in `directory/project_name`.

    Args:
        kind: random, grid, bayesian or hyperband.
        objective: name of a metric, or a `keras_tuner.Objective`.
        hyperparameters: the space to search.
        seed: any number from 0, which is a seed like any other.
        task, data_hash, common: the name of the task, the hash of the data, and the settings that
            all trials share. A search resumes only if they are the same.
        max_trials: may change when a search resumes; grid and hyperband also end without it.
        options: further arguments of keras-tuner's oracle.

    Raises:
        UserError: an argument is not valid, or differs from those of the search that would resume.
    """
    _check_arguments(kind, seed, max_trials, options)
    oracle = KINDS[kind](
        objective=objective,
        hyperparameters=hyperparameters.copy(),
        seed=seed,
        max_trials=max_trials,
        **options,
    )
    oracle._set_project_dir(str(directory), project_name)
    arguments = {"task": task, "data_hash": data_hash, "oracle": kind, "seed": seed}
    arguments |= {"objective": str(oracle.objective), **(common or {})}
    arguments |= {name: getattr(oracle, name) for name in oracle.arguments}
    arguments["space"] = hyperparameters.get_config()["space"]
    _record_arguments(oracle.project, arguments)
    oracle.reload()
    return oracle


def _check_arguments(kind: str, seed: int, max_trials: int | None, options: Any) -> None:
    require(kind in KINDS, "oracle", " or ".join(KINDS), kind)
    require(0 <= seed < 2**31, "seed", "from 0 to 2147483647", seed)
    is_endless = max_trials is None and kind in ("random", "bayesian")
    require(not is_endless and max_trials != 0, "max_trials", "1 or more", max_trials)
    for name, minimum in {"max_epochs": 1, "factor": 2, "hyperband_iterations": 1}.items():
        value = options.get(name, minimum)
        require(value is not None and value >= minimum, name, f"{minimum} or more", value)


class Random(DurableOracle, keras_tuner.oracles.RandomSearchOracle):
    """Random values."""


class Grid(DurableOracle, keras_tuner.oracles.GridSearchOracle):
    """All combinations, in order.

    keras-tuner does not save its position in the grid. It also lets a worker wait for the trials of
    others, which might add hyperparameters; here all of them are declared in advance.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the combination that follows that of the latest trial."""
        space = self.get_space()
        if self.start_order:
            last = self.trials[self.start_order[-1]].hyperparameters.values
            values = self._get_next_combination(last)
        else:
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        if values is None:
            return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}
        return {"status": "RUNNING", "values": values}


class Bayesian(DurableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """The values that a Gaussian process, fitted to the finished trials, expects to be best.

    Unlike keras-tuner's, the next values depend on the seed and the trials only, not on earlier
    random numbers of the process; and no combination is run twice.
    """

    arguments = (*DurableOracle.arguments, "num_initial_points", "alpha", "beta")

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values with the best expectation, or random ones if they were tried before."""
        self._random_state = np.random.RandomState([self.seed, len(self.trials)])
        self.gpr = self._make_gpr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # frequent with few points
            proposal = super().populate_space(trial_id)
        if proposal["values"] is not None and self._duplicate(proposal["values"]):
            return self._random_populate_space()
        return proposal

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """Fit the finished trials first: keras-tuner predicts the running trials' scores from them.

        Without a fit it predicts 1, which may be better than all real scores.
        """
        if self.ongoing_trials:
            finished = copy.copy(self)  # other threads read `self.trials` meanwhile
            finished.trials = {key: t for key, t in self.trials.items() if _has_score(t)}
            self.gpr.fit(*super(Bayesian, finished)._vectorize_trials())
        return super()._vectorize_trials()


class Hyperband(DurableOracle, keras_tuner.oracles.HyperbandOracle):
    """Brackets of rounds, each with fewer and longer trials than the one before.

    In keras-tuner's Hyperband, each failed trial takes the place of one that should advance to the
    next round, three failures of nine end the bracket, and a space with fewer combinations than a
    bracket's first round ends after that round. Here the size of a round excludes failed trials.
    """

    arguments = (*DurableOracle.arguments, "max_epochs", "factor", "hyperband_iterations")

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return values for a place in one of the brackets; begin the next bracket if all wait."""
        while True:
            for bracket in self._brackets:
                values = self._new(bracket, trial_id) or self._promoted(bracket, trial_id)
                if values:
                    return {"status": "RUNNING", "values": values}
            is_last = self._current_iteration + 1 == self.hyperband_iterations
            if (is_last and self._current_bracket == 0) or self._has_room(self._brackets[-1]):
                return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}
            self._increment_bracket_num()
            self._start_new_bracket()

    def trials_in_total(self, combinations: float) -> float:
        """Return the size of all rounds of all brackets, unless combinations run out."""
        brackets = range(self._get_num_brackets())
        rounds = [(b, r) for b in brackets for r in range(self._get_num_rounds(b))]
        return self.hyperband_iterations * sum(self._get_size(b, r) for b, r in rounds)

    def _has_room(self, bracket: dict[str, Any]) -> bool:
        """Whether the first round can take more trials; after `_new`, there are no more values."""
        return len(bracket["rounds"][0]) < self._get_size(bracket["bracket_num"], 0)

    def _new(self, bracket: dict[str, Any], trial_id: str) -> dict[str, Any] | None:
        """Return random values for a trial of the first round, if it has room for one."""
        values = self._random_values() if self._has_room(bracket) else None
        if values is None:
            return None
        bracket["rounds"][0].append({"past_id": None, "id": trial_id})
        return values | self._place(bracket, 0)

    def _promoted(self, bracket: dict[str, Any], trial_id: str) -> dict[str, Any] | None:
        """Return the values of the best trial of a round, once it is certain to be promoted."""
        rounds = bracket["rounds"]
        size = len(rounds[0])
        for number in range(1, len(rounds)):
            earlier = [self.trials[entry["id"]] for entry in rounds[number - 1]]
            alive = size - sum(trial.status == "FAILED" for trial in earlier)
            size = min(self._get_size(bracket["bracket_num"], number), alive)
            promoted = {entry["past_id"] for entry in rounds[number]}
            ready = [t for t in earlier if _has_score(t) and t.trial_id not in promoted]
            if len(ready) > alive - size:
                sign = -1 if self.objective.direction == "max" else 1
                best = min(ready, key=lambda trial: sign * trial.score)
                rounds[number].append({"past_id": best.trial_id, "id": trial_id})
                origin = {"tuner/trial_id": best.trial_id}
                return best.hyperparameters.values | self._place(bracket, number) | origin
        return None

    def _place(self, bracket: dict[str, Any], round_number: int) -> dict[str, int]:
        """Return the values by which keras-tuner describes the place of a trial."""
        number = bracket["bracket_num"]
        earlier = self._get_epochs(number, round_number - 1) if round_number else 0
        return {
            "tuner/epochs": self._get_epochs(number, round_number),
            "tuner/initial_epoch": earlier,
            "tuner/bracket": number,
            "tuner/round": round_number,
        }


def _has_score(trial: Any) -> bool:
    """Whether a trial has its score; a worker's thread marks it as completed shortly before."""
    return trial.status == "COMPLETED" and trial.score is not None


KINDS: dict[str, type[DurableOracle]] = {
    "random": Random,
    "grid": Grid,
    "bayesian": Bayesian,
    "hyperband": Hyperband,
}


def _record_arguments(project: Path, arguments: dict[str, Any]) -> None:
    """Write the arguments of a new search; raise `UserError` if an earlier one had others."""
    current = json.loads(json.dumps(arguments))
    earlier = read_json(project / "search.json")
    advice = "--overwrite to start anew, or another --project-name"
    if not earlier:
        if (project / "oracle.json").exists():
            raise UserError(f"{project} is a search without search.json to compare: {advice}")
        write_json(project / "search.json", current)
        return
    known = {"task", "space"} | earlier.keys()  # later versions may have added others
    try:
        changes = [_change(key, earlier[key], current[key]) for key in current if key in known]
    except (KeyError, TypeError):
        raise DamagedFile(project / "search.json", "not the arguments of a search") from None
    if any(changes):
        changed = ", ".join(filter(None, changes))
        raise UserError(f"the search in {project} was begun with another {changed}: {advice}")


def _change(key: str, old: Any, new: Any) -> str | None:
    """Return a change of an argument in words; None if there is none."""
    if old == new:
        return None
    if key == "space":
        changed = [entry for entry in old + new if not (entry in old and entry in new)]
        names = dict.fromkeys(entry["config"]["name"] for entry in changed)
        return f"space ({', '.join(names) or 'in another order'})"
    if key == "fixed":
        return f"choice of fixed settings ({', '.join(sorted({*old} ^ {*new}))})"
    return f"{key} ({old} → {new})"
