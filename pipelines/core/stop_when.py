"""The setting `stop_when`: kinds of warnings that end a training, separated by commas."""

from ...callbacks.findings.warning_kinds import KINDS
from .console import suggestion
from .errors import UserError


def stop_kinds(text: str) -> tuple[str, ...]:
    """Return the kinds in "stuck,vanishing"; () for "".

    Raises:
        UserError: there is no such kind of warning.
    """
    kinds = tuple(kind for part in text.split(",") if (kind := part.strip()))
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"--stop-when (key stop_when): no {kind!r}{suggestion(kind, KINDS)}")
    return kinds
