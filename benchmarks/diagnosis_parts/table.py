"""Prints the table of faults, and the false alarms on healthy trainings."""

import math

from .ours import margin, names, troubles
from .roc import area, best_threshold, precision_and_recall
from .rules import RULES, alarms, score
from .truth import is_healthy_end, with_truth


def judged(rows, trainings) -> list[dict]:
    """Return the rows with the truth about them."""
    return with_truth(rows, {t.name: t.levels[0] for t in trainings})


def print_faults(rows, trainings) -> None:
    """Print a row for each fault, our findings beside the best of the other rules.

    "all": the absent ones are those of all faults, so that the rule has to fit all networks.
    """
    print(f"\n{'':28} {'fault is':>12}  {'errorflow':31}  best of the other rules")
    columns = "present absent   area  all  precision recall at   area  all  precision recall"
    print(f"{'fault':28} {columns}")
    everywhere = [row for row in rows if not row["present"]]
    behind = []
    for fault in dict.fromkeys(t.fault for t in trainings):
        of_fault = [t for t in trainings if t.fault == fault]
        kinds = frozenset().union(*(t.kinds for t in of_fault))
        own = [row for row in rows if row["name"] in {t.name for t in of_fault}]
        if not own:
            continue
        sick = [row for row in own if row["present"]]
        well = [row for row in own if not row["present"]]
        ours = _ours(own, sick, well, everywhere, kinds)
        other, theirs = _best_other(own, sick, well, everywhere)
        print(f"{fault:28} {len(sick):7} {len(well):6}  {ours}  {theirs}  {other[0]}")
        ahead = area([margin(r, kinds) for r in sick], [margin(r, kinds) for r in well])
        if ahead < other[1]:
            behind.append(f"{fault} ({ahead:.2f}, {other[0]} {other[1]:.2f})")
    print("Ours is not ahead in:", "; ".join(behind) or "none")


def _ours(own, sick, well, everywhere, kinds):
    present, absent, others = ([margin(r, kinds) for r in rs] for rs in (sick, well, everywhere))
    precision, recall = precision_and_recall(
        [r["present"] for r in own], [names(r, kinds) for r in own]
    )
    best = best_threshold(present, absent) if present and absent else math.nan
    areas = f"{_number(area(present, absent))} {_number(area(present, others))}"
    return f"{areas}   {_number(precision)}   {_number(recall)} {best:6.2f}"


def _best_other(own, sick, well, everywhere):
    """The rule with the largest area, at any check or at the last one, whichever is better."""
    found = []
    for rule in RULES:
        for latest in (False, True):
            present, absent, others = (
                [score(rule, r["others"], latest) for r in rs] for rs in (sick, well, everywhere)
            )
            value = area(present, absent)
            found.append((-1.0 if math.isnan(value) else value, rule, area(present, others)))
    value, rule, everywhere_area = max(found)
    precision, recall = precision_and_recall(
        [r["present"] for r in own], [alarms(rule, r["others"]) for r in own]
    )
    areas = f"{_number(value)} {_number(everywhere_area)}"
    return (rule, value), f"{areas}   {_number(precision)}   {_number(recall)}"


def _number(value):
    return "   –" if math.isnan(value) or value < 0 else f"{value:4.2f}"


def print_healthy(rows, trainings) -> None:
    """Print the false alarms on the healthy ends: of our findings, and of each other rule."""
    healthy = [r for r in rows if is_healthy_end(r, {t.name: t.levels[0] for t in trainings})]
    wrong = [(row, troubles(row)) for row in healthy if troubles(row)]
    print(f"\nFalse alarms on {len(healthy)} healthy trainings: errorflow {len(wrong)}")
    for row, kinds in wrong:
        print(f"    {row['name']}, seed {row['seed']}: {', '.join(kinds)}")
    for rule in RULES:
        print(f"    {rule}: {sum(alarms(rule, row['others']) for row in healthy)}")
