"""The answer of the doctor on a Keras model, which can treat it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from .answer import Answer
from .compiling import compile_as
from .facts import Facts, NotApplicable
from .of_models import treated
from .rewriting import equal_model

Function = Callable[[keras.Model], keras.Model]  # a remedy of the reader's own


@dataclass(frozen=True)
class ModelAnswer(Answer):
    """The answer on a Keras model, which can treat it.

    Attributes:
        facts: figures of the untreated training, for the strength of remedies.
        evidence: that of the finding which a remedy is for, by its name.
        functions: the remedies of the reader's own, by name.
    """

    facts: Facts = field(default_factory=Facts, repr=False)
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    functions: Mapping[str, Function] = field(default_factory=dict, repr=False)

    def treat(self, model: keras.Model) -> keras.Model:
        """Return a new compiled model with the best remedy, and with the weights that fit.

        Args:
            model: a compiled model; it is not changed.

        Raises:
            ValueError: no remedy was found to be a cure, or it cannot be applied to this model.
        """
        if self.best is None:
            raise ValueError(f"treat: there is no cure to apply; {self.sentence}")
        try:
            copy = compile_as(equal_model(model), model)
            return with_remedies(
                copy, self.best.remedies, self.facts, self.evidence, self.functions
            )
        except NotApplicable as reason:
            raise ValueError(
                f"treat: {self.best.name} cannot be applied to model {model.name!r}: {reason}"
            ) from reason


def with_remedies(
    model: keras.Model,
    names: Sequence[str],
    facts: Facts,
    evidence: Mapping[str, Mapping[str, Any]],
    functions: Mapping[str, Function],
) -> keras.Model:
    """Return a compiled model with remedies, those of the reader's own included.

    Raises:
        NotApplicable: a remedy cannot be applied.
        ValueError: a function has not returned a compiled model.
    """
    for name in names:
        if name not in functions:
            model = treated(model, [name], facts, evidence.get(name, {}))
            continue
        model = functions[name](model)
        if not isinstance(model, keras.Model) or not model.compiled:
            raise ValueError(f"doctor: the remedy {name!r} has not returned a compiled model")
    return model
