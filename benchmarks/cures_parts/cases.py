"""Which trainings the doctor treats."""

from itertools import zip_longest
from pathlib import Path

import diagnosis
from diagnosis_parts import table
from diagnosis_parts.ours import names, troubles
from diagnosis_parts.truth import is_healthy_end


def choose(args) -> list[dict]:
    """Return sick, healthy and harmless trainings, each kind spread over all faults."""
    trainings = diagnosis.chosen(args.only)
    rows = [row for row in diagnosis.read(args.recordings) if row["seed"] in args.seeds]
    rows = [row for row in rows if row["name"] in {t.name for t in trainings}]
    kinds = {t.name: t.kinds for t in trainings}
    ends = {t.name: t.levels[0] for t in trainings}
    groups = {"sick": [], "healthy": [], "harmless": []}
    for row in table.judged(rows, trainings):
        if is_healthy_end(row, ends) and not troubles(row):
            groups["healthy"].append(row)
        elif row["present"] and names(row, kinds[row["name"]]):
            groups["sick"].append(row)
        elif not row["present"] and not is_healthy_end(row, ends) and troubles(row):
            groups["harmless"].append(row)
    return [
        {"group": group, "forced": group == "healthy" and place % 2 == 1}
        | {name: row[name] for name in ("name", "level", "seed")}
        for group, members in groups.items()
        for place, row in enumerate(_spread(members)[: getattr(args, group)])
    ]


def _spread(rows):
    """The same rows, one of each training after the other."""
    by_name = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    return [row for turn in zip_longest(*by_name.values()) for row in turn if row is not None]


def key(case) -> tuple:
    return case["group"], case["name"], case["level"], case["seed"]


def read(path: Path) -> list[dict]:
    """Return the results so far."""
    return diagnosis.read(path.parent) if path.exists() else []
