"""The remedies that a doctor tries: those for the findings of the untreated trainings."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ...callbacks.findings.remedies import remedy
from ...callbacks.treatment.facts import Facts, NotApplicable
from ...callbacks.treatment.promise import promising
from ...callbacks.treatment.trial import Trial
from ..core.config import TrainingConfig, replace
from ..training.remedies import settings_for

Changes = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Choice:
    """The remedies for what is wrong with a training.

    Attributes:
        facts: what is known about the training.
        evidence: that of the finding which a remedy is for, by its name.
        changes: the changes to the settings that apply a remedy, by its name; the most promising
            remedy first.
        not_applicable: why a remedy cannot be applied, by its name.
    """

    facts: Facts = dataclasses.field(default_factory=Facts)
    evidence: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    changes: Mapping[str, Changes] = dataclasses.field(default_factory=dict)
    not_applicable: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The remedies that can be applied, the most promising first."""
        return tuple(self.changes)

    def changes_of(self, names: Sequence[str], config: TrainingConfig) -> dict[str, Any]:
        """Return the changes that apply several remedies, one after the other.

        Raises:
            NotApplicable: one of them cannot be applied after the others.
        """
        changes: dict[str, Any] = {}
        for name in names:
            changed = replace(config, **changes)
            changes |= settings_for(name, changed, self.facts, self.evidence.get(name, {}))
        return changes


def choose(
    untreated: Sequence[Trial], config: TrainingConfig, facts: Facts, allowed: Sequence[str]
) -> Choice:
    """Return the remedies for the findings of untreated trainings.

    Args:
        untreated: the trainings, that with the seed of the run first.
        config: the settings of the run.
        facts: what is known about the trainings.
        allowed: the names of the remedies that may be tried.
    """
    found = promising([finding for trial in untreated for finding in trial.findings])
    evidence = {name: finding.evidence for name, finding in reversed(found)}
    order = dict.fromkeys(name for name, _ in found)
    changes, reasons = {}, {}
    for name in order:
        if name in allowed:
            try:
                changes[name] = settings_for(name, config, facts, evidence[name])
            except NotApplicable as reason:
                reasons[name] = str(reason)
    return Choice(facts, evidence, changes, reasons)


def for_other_findings(choice: Choice, names: Sequence[str]) -> dict[str, str]:
    """Return why some remedies that a person has named are not among those that are tried."""
    return {
        name: f"it is for {' or '.join(remedy(name).findings)}, and none of the remedies for what"
        " was found in this network"
        for name in names
        if name not in choice.changes and name not in choice.not_applicable
    }


def applicable(config: TrainingConfig, allowed: Sequence[str]) -> list[str]:
    """Return the remedies that may be tried, before anything is known about a training.

    The threshold of clip-norm depends on what is measured, so it is always among them.
    """
    names = []
    for name in allowed:
        try:
            settings_for(name, config)
        except NotApplicable:
            if name != "clip-norm":
                continue
        names.append(name)
    return names
