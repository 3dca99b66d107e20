"""A search space as hyperparameters of keras-tuner."""

from typing import Any

from ..core.config import TrainingConfig, flat
from ..core.space import Choice, Range, Space

Domain = Choice | Range


def suggest(space: Space, hp: Any, start: TrainingConfig | None = None) -> dict[str, Any]:
    """Declare a space to `keras_tuner.HyperParameters`; return the values of the active keys.

    Args:
        start: its values are the defaults, if the space contains them; the default of other keys
            is a choice's first value or a range's lower end.
    """
    from keras_tuner.engine.hyperparameters import deserialize

    for key in space:
        hp.merge([deserialize(_parameter(key, space, start))], overwrite=False)
    return {key: _decode(space[key], hp.get(key)) for key in space if hp.is_active(key)}


def _parameter(key: str, space: Space, start: TrainingConfig | None) -> dict[str, Any]:
    """Return a key in keras-tuner's file format.

    The format allows several conditions on one key; keras-tuner's `conditional_scope` takes a
    second condition only on a key that depends on the first one itself.
    """
    domain = space[key]
    conditions = [
        {"name": earlier, "values": [_encode(space[earlier], value) for value in values]}
        for earlier, values in domain.when.items()
    ]
    class_name, settings = _class_and_settings(domain)
    settings |= {
        "name": key,
        "conditions": [{"class_name": "Parent", "config": c} for c in conditions],
    }
    values = {} if start is None else flat(start)
    if key in values and domain.holds(values[key]):
        settings["default"] = _encode(domain, values[key])
    return {"class_name": class_name, "config": settings}


def _class_and_settings(domain: Domain) -> tuple[str, dict[str, Any]]:
    """Return the name of keras-tuner's hyperparameter class, and its settings.

    Fractions with a step are a choice: `Float` loses the upper end of 0.0, 0.1 … 0.5.
    """
    if isinstance(domain, Choice) and _is_boolean(domain):
        return "Boolean", {}
    if isinstance(domain, Choice):
        return "Choice", {"values": [_encode(domain, value) for value in domain.values]}
    sampling = "log" if domain.log else "linear"
    ends = {"min_value": domain.low, "max_value": domain.high, "sampling": sampling}
    if isinstance(domain.low, int):
        return "Int", ends | {"step": domain.step}
    if domain.values is None:
        return "Float", ends
    return "Choice", {"values": [*domain.values]}


def _encode(domain: Domain, value: Any) -> Any:
    """Return a value for keras-tuner: text, unless all values are of one type that it supports."""
    if isinstance(domain, Range) or _is_boolean(domain):
        return value
    types = {type(v) for v in domain.values}
    return value if types in ({int}, {float}, {str}) else str(value)


def _decode(domain: Domain, value: Any) -> Any:
    """Return the value that `_encode` has encoded."""
    if isinstance(domain, Range):
        return value
    return next(v for v in domain.values if _encode(domain, v) == value)


def _is_boolean(domain: Choice) -> bool:
    return len(domain.values) == 2 and all(isinstance(value, bool) for value in domain.values)
