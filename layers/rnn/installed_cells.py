"""Cells whose equations an installed package brings along, by an entry point."""

import functools
import types
import warnings
from importlib.metadata import entry_points


@functools.cache
def register_installed_cells() -> None:
    """Register the cells of installed packages, once.

    An entry point of the group `errorflow.cells` names a function without arguments that calls
    `register_cell`, or a module that does so when it is imported.

    Warns:
        UserWarning: an entry point cannot be loaded or raises an exception. It is left out.
    """
    for point in entry_points(group="errorflow.cells"):
        try:
            register = point.load()
            if not isinstance(register, types.ModuleType):
                register()
        except Exception as error:  # whatever the package of somebody else raises
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(
                f"watch: the cells of {point.name} ({point.value}) are left out: {reason}",
                stacklevel=2,
            )
