"""Which remedies to try first."""

from collections.abc import Sequence
from itertools import zip_longest

from ..findings.finding import Finding


def promising(findings: Sequence[Finding]) -> list[tuple[str, Finding]]:
    """Return each remedy with the finding that it is for: the best one of each finding first."""
    columns = [[(each.name, finding) for each in finding.remedies] for finding in findings]
    return [pair for row in zip_longest(*columns) for pair in row if pair is not None]
