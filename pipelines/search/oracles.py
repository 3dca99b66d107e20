"""keras-tuner's oracles, mended: a search ends, can be repeated, and goes on after a SIGKILL.

    directory/project_name/
        search.json             what this search is: one of other arguments is refused
        oracle.json             all that is known, every trial included
        trial_<id>/trial.json   a copy of one trial, for people and other processes; not read here

Every change ends with one new oracle.json renamed into place: a killed process leaves the whole of
it or nothing.
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

from ..core.errors import UserError, require
from ..core.files import read_json, write_json
from .durable_oracle import Durable


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
) -> Durable:
    """A new search, or the one begun in `directory/project_name`, as it stood.

    Args:
        kind: random, grid, bayesian or hyperband.
        objective: name of a metric, or a `keras_tuner.Objective`.
        hyperparameters: the space to search.
        seed: 0 is one like any other.
        task, data_hash, common: what is trained on what, and what all trials have in common;
            nothing is done with them but to compare.
        max_trials: may change from one call to the next; grid and hyperband end without.
        options: further arguments of keras-tuner's oracle, by its names.

    Raises:
        UserError: an argument makes no sense, or differs from what the search was begun with.
    """
    require(kind in KINDS, "oracle", " or ".join(KINDS), kind)
    require(0 <= seed < 2**31, "seed", "from 0 to 2147483647", seed)
    without_end = max_trials is None and kind in ("random", "bayesian")
    require(not without_end and max_trials != 0, "max_trials", "1 or more", max_trials)
    for name, least in {"max_epochs": 1, "factor": 2, "hyperband_iterations": 1}.items():
        value = options.get(name, least)
        require(value is not None and value >= least, name, f"{least} or more", value)
    oracle = KINDS[kind](
        objective=objective,
        hyperparameters=hyperparameters.copy(),
        seed=seed,
        max_trials=max_trials,
        **options,
    )
    oracle._set_project_dir(str(directory), project_name)
    told = {"task": task, "data_hash": data_hash, "oracle": kind, "seed": seed}
    told |= {"objective": str(oracle.objective), **(common or {})}
    told |= {name: getattr(oracle, name) for name in oracle.arguments}
    _check_same(oracle.project, told | {"space": hyperparameters.get_config()["space"]})
    oracle.reload()
    return oracle


class Random(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Values drawn at random."""


class Grid(Durable, keras_tuner.oracles.GridSearchOracle):
    """Every combination, in order.

    keras-tuner does not save where it is; and as trials might meet hyperparameters that nobody
    declared, it lets a worker wait for what others run. Here all are declared.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        space = self.get_space()
        if self.start_order:
            last = self.trials[self.start_order[-1]].hyperparameters.values
            values = self._get_next_combination(last)
        else:
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        if values is None:
            return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}
        return {"status": "RUNNING", "values": values}


class Bayesian(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Where a Gaussian process fitted to the finished trials promises most.

    What comes next depends on seed and trials alone, not on what was drawn and fitted earlier in
    the process; and no combination is run twice, which keras-tuner does without end.
    """

    arguments = (*Durable.arguments, "num_initial_points", "alpha", "beta")

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._random_state = np.random.RandomState([self.seed, len(self.trials)])
        self.gpr = self._make_gpr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # common with so few points
            proposal = super().populate_space(trial_id)
        if proposal["values"] is not None and self._duplicate(proposal["values"]):
            return self._random_populate_space()
        return proposal

    def _vectorize_trials(self):
        """Fits what is finished first: by that keras-tuner guesses the scores of what still runs.

        Before any fit it guesses 1, a score that may be better than all there are.
        """
        if self.ongoing_trials:
            finished = copy.copy(self)  # others read `self.trials` meanwhile
            finished.trials = {key: t for key, t in self.trials.items() if _has_score(t)}
            self.gpr.fit(*super(Bayesian, finished)._vectorize_trials())
        return super()._vectorize_trials()


class Hyperband(Durable, keras_tuner.oracles.HyperbandOracle):
    """Rounds of ever fewer and longer trials.

    With keras-tuner each failed trial costs a better one its next round, three of nine the whole
    bracket, and a space with fewer values than a bracket's first round ends after that round. Here
    a round is as large as what is left alive of it.
    """

    arguments = (*Durable.arguments, "max_epochs", "factor", "hyperband_iterations")

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        while True:
            for bracket in self._brackets:
                values = self._drawn(bracket, trial_id) or self._promoted(bracket, trial_id)
                if values:
                    return {"status": "RUNNING", "values": values}
            last = self._current_iteration + 1 == self.hyperband_iterations
            if (last and self._current_bracket == 0) or self._room(self._brackets[-1]):
                return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}
            self._increment_bracket_num()
            self._start_new_bracket()

    def of_all(self, combinations: float) -> float:
        """All rounds of all brackets, unless combinations run out."""
        brackets = range(self._get_num_brackets())
        rounds = [(b, r) for b in brackets for r in range(self._get_num_rounds(b))]
        return self.hyperband_iterations * sum(self._get_size(b, r) for b, r in rounds)

    def _room(self, bracket: dict[str, Any]) -> bool:
        """Whether the first round lacks trials: after a draw, because there are no more values."""
        return len(bracket["rounds"][0]) < self._get_size(bracket["bracket_num"], 0)

    def _drawn(self, bracket: dict[str, Any], trial_id: str) -> dict[str, Any] | None:
        values = self._random_values() if self._room(bracket) else None
        if values is None:
            return None
        bracket["rounds"][0].append({"past_id": None, "id": trial_id})
        return values | self._place(bracket, 0)

    def _promoted(self, bracket: dict[str, Any], trial_id: str) -> dict[str, Any] | None:
        """The best of a round, once it is sure to be among those that stay."""
        rounds = bracket["rounds"]
        size = len(rounds[0])
        for number in range(1, len(rounds)):
            earlier = [self.trials[entry["id"]] for entry in rounds[number - 1]]
            alive = size - sum(trial.status == "FAILED" for trial in earlier)
            size = min(self._get_size(bracket["bracket_num"], number), alive)
            taken = {entry["past_id"] for entry in rounds[number]}
            ready = [t for t in earlier if _has_score(t) and t.trial_id not in taken]
            if len(ready) > alive - size:
                sign = -1 if self.objective.direction == "max" else 1
                best = min(ready, key=lambda trial: sign * trial.score)
                rounds[number].append({"past_id": best.trial_id, "id": trial_id})
                origin = {"tuner/trial_id": best.trial_id}
                return best.hyperparameters.values | self._place(bracket, number) | origin
        return None

    def _place(self, bracket: dict[str, Any], number: int) -> dict[str, int]:
        which = bracket["bracket_num"]
        return {
            "tuner/epochs": self._get_epochs(which, number),
            "tuner/initial_epoch": self._get_epochs(which, number - 1) if number else 0,
            "tuner/bracket": which,
            "tuner/round": number,
        }


def _has_score(trial: Any) -> bool:
    """A worker's thread says that a trial is completed shortly before it has its score."""
    return trial.status == "COMPLETED" and trial.score is not None


KINDS: dict[str, type[Durable]] = {
    "random": Random,
    "grid": Grid,
    "bayesian": Bayesian,
    "hyperband": Hyperband,
}


def _check_same(project: Path, told: dict[str, Any]) -> None:
    """Keeps what a search is told at its beginning, and refuses to go on with something else."""
    told = json.loads(json.dumps(told))
    known = read_json(project / "search.json")
    what_to_do = "--overwrite to start anew, or another --project-name"
    if known:
        other = [_change(key, known[key], told[key]) for key in told if key in known]
        if any(other):
            found = ", ".join(filter(None, other))
            raise UserError(f"the search in {project} was begun with another {found}: {what_to_do}")
    elif (project / "oracle.json").exists():
        raise UserError(f"{project} holds a search and no search.json to compare: {what_to_do}")
    else:
        write_json(project / "search.json", told)


def _change(key: str, old: Any, new: Any) -> str | None:
    if old == new:
        return None
    if key == "space":
        odd = [one for one in old + new if not (one in old and one in new)]
        names = dict.fromkeys(one["config"]["name"] for one in odd)
        return f"space ({', '.join(names) or 'in another order'})"
    return f"{key} ({old} → {new})"
