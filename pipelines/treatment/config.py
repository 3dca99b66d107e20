"""The settings of `doctor`. Nothing here imports TensorFlow."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from ...callbacks.findings.remedies import REMEDIES, remedy
from ..core.bounds import check_bounds
from ..core.config import RunChoice, Section
from ..core.config_files import strict
from ..core.console import suggestion
from ..core.errors import UserError, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class TreatedRun(RunChoice):
    """The run to treat; it may have been stopped, or have failed."""

    name: str | None = None
    """Name of the run (default: the latest one that has ended)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorConfig(Section):
    """Which run to treat, and how much to train for it."""

    run: TreatedRun = TreatedRun()
    """The run to treat."""
    epochs: int | None = None
    """Epochs of each training (default: a third of the run's, but at least 3 of them)."""
    limit: int | None = None
    """Maximum number of training examples (default: that of the run)."""
    seeds: int = 3
    """Number of trainings without a remedy, and of each remedy that looks promising; 2 or more."""
    workers: int = 1
    """Number of trainings that run at the same time; CPU cores and GPUs are divided among them."""
    only: str = ""
    """Names of remedies, separated by commas: try no others (default: all that are for the
    findings)."""
    first_cure: bool = False
    """Try one remedy after the other, and end with the first cure."""
    apply: bool = False
    """Train the best cure in full, as a new run NAME-REMEDY."""
    json: bool = False
    """Print the answer as JSON, and nothing else to stdout."""
    overwrite: bool = False
    """Delete the earlier trainings of the doctor first."""

    @property
    def named(self) -> tuple[str, ...]:
        """The names in `only`."""
        return tuple(self.only.replace(",", " ").split())

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names of the remedies that may be tried."""
        return self.named or tuple(each.name for each in REMEDIES)

    def check(self) -> None:
        """Raise `UserError` if a value is not valid."""
        self.run.check()
        for name in ("epochs", "limit"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, "1 or more", value)
        require(self.seeds >= 2, "seeds", "2 or more: one says nothing of the spread", self.seeds)
        require(self.workers >= 1, "workers", "1 or more", self.workers)
        check_bounds({key: value for key, value in vars(self).items() if key != "run"})
        for name in self.named:
            try:
                remedy(name)
            except ValueError as error:
                raise UserError(f"--only: {error}") from None


def with_flags(config: DoctorConfig, flags: Mapping[str, Any], source: str) -> DoctorConfig:
    """Return a copy with new values for some flags, by name; check names and types.

    Args:
        source: where the values come from, for messages.

    Raises:
        UserError: an unknown name, or a wrong type.
    """
    kinds, values = typing.get_type_hints(DoctorConfig), {}
    names = [field.name for field in dataclasses.fields(config) if field.name != "run"]
    for name, value in flags.items():
        if name not in names:
            raise UserError(f"{source}: unknown argument {name!r}{suggestion(name, names)}")
        is_list = name == "only" and isinstance(value, list | tuple)
        try:
            values[name] = strict(",".join(map(str, value)) if is_list else value, kinds[name])
        except TypeError as error:
            raise UserError(f"{source}: {error} at {name}") from None
    return dataclasses.replace(config, **values)
