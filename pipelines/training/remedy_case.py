"""A training that is to be treated: its settings, and what a remedy asks of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from ...callbacks.treatment.facts import Facts, NotApplicable
from ..models.recurrent_settings import RECURRENT
from ..models.zoo import MODELS

Changes = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A training that is to be treated.

    Attributes:
        settings: its settings by name, with the defaults filled in.
        kinds: the types of the task's settings, by name.
        facts, evidence: as `settings_for` takes them.
    """

    settings: Mapping[str, Any]
    kinds: Mapping[str, Any]
    facts: Facts
    evidence: Mapping[str, Any]

    def require(self, key: str, words: str) -> Any:
        """Return the value of a setting.

        Raises:
            NotApplicable: the task has none; `words` say for what.
        """
        if key not in self.settings:
            raise NotApplicable(f"the task has no setting for {words}")
        return self.settings[key]

    def allows(self, key: str, word: str) -> bool:
        """Return whether a word is a value of a setting of the task."""
        return word in words(self.kinds.get(key))

    @property
    def model(self) -> str:
        """The network; "" if the task, one of another package, has no such setting."""
        return self.settings.get("model", "")

    @property
    def family(self) -> str:
        """The family of a network on images; "" for other networks."""
        return MODELS[self.model].family if self.model in MODELS else ""

    def require_recurrent(self) -> str:
        """Return the recurrent cell, a value of `model`.

        Raises:
            NotApplicable: the network has none.
        """
        if self.model not in RECURRENT:
            name = f", {self.model}," if self.model else ""
            raise NotApplicable(f"the network{name} has no recurrent layer")
        return self.model

    def switched(self, key: str, value: Any, words: str) -> Changes:
        """Return a change of one setting.

        Raises:
            NotApplicable: it has that value already.
        """
        if self.settings[key] == value:
            raise NotApplicable(f"the network already has {words}")
        return {key: value}


def words(kind: Any) -> list[str]:
    """Return the words of a Literal, also of one that may be None."""
    if get_origin(kind) is Literal:
        return [*get_args(kind)]
    return [word for arm in get_args(kind) for word in words(arm)]
