"""Whether a fault is present: by what it does to the validation figure, not by construction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

SMALLEST_SPREAD = 0.05  # of the variance of the targets; three seeds may agree by chance

Row = Mapping[str, Any]


def with_truth(rows: Sequence[Row], healthy: Mapping[str, float]) -> list[dict]:
    """Return the rows with "present" and "gain": whether the fault does harm, and how much.

    The gain is the figure of a training minus that of the healthy end of the same dial and seed:
    what removing the fault improves. The fault is present if the gain exceeds the spread of the
    healthy end, the largest minus the smallest figure over the seeds.

    Args:
        rows: recordings; those without a recording of their healthy end are left out.
        healthy: the level of the healthy end, by the name of the training.
    """
    ends = {(r["name"], r["seed"]): r["figure"] for r in rows if is_healthy_end(r, healthy)}
    by_name = defaultdict(list)
    for (name, _), figure in ends.items():
        by_name[name].append(figure)
    spread = {n: max(max(fs) - min(fs), SMALLEST_SPREAD) for n, fs in by_name.items()}
    judged = []
    for row in rows:
        if (row["name"], row["seed"]) in ends:
            gain = row["figure"] - ends[row["name"], row["seed"]]
            judged.append({**row, "gain": gain, "present": gain > spread[row["name"]]})
    return judged


def is_healthy_end(row: Row, healthy: Mapping[str, float]) -> bool:
    return row["level"] == healthy.get(row["name"])
