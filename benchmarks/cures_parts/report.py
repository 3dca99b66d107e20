"""Prints what the doctor did, seed by seed, and the shares that were cured."""

import numpy as np


def print_all(rows, cases) -> None:
    """Print all results of these cases, then a table by fault, then the shares and the cost."""
    wanted = {(c["group"], c["name"], c["level"], c["seed"]) for c in cases}
    rows = [r for r in rows if (r["group"], r["name"], r["level"], r["seed"]) in wanted]
    for row in rows:
        cost = f"{row['trainings']} trainings, cost {row['cost']:.1f}"
        print(f"{row['outcome']} [tried {', '.join(row['tried']) or 'nothing'}; {cost}]")
    _by_fault([row for row in rows if row["group"] == "sick"])
    for group in ("sick", "healthy", "harmless"):
        of_group = [row for row in rows if row["group"] == group]
        if of_group:
            print(_line(group, of_group))


def _by_fault(rows):
    print(f"\n{'fault':28} trainings cured by the first remedy tried")
    for fault in dict.fromkeys(row["name"].partition(" / ")[0] for row in rows):
        own = [row for row in rows if row["name"].startswith(f"{fault} / ")]
        first = sum(row["cured"] and row["best"] == row["tried"][0] for row in own)
        print(f"{fault:28} {len(own):9} {sum(r['cured'] for r in own):5} {first:10}")


def _line(group, rows):
    cured = sum(row["cured"] for row in rows)
    named = sum(row["best"] is not None for row in rows)
    costs = [row["cost"] for row in rows]
    share = f"{cured} of {len(rows)} cured ({cured / len(rows):.0%})"
    return (
        f"{group}: {share}, a cure named for {named}; "
        f"cost in untreated trainings: median {np.median(costs):.1f}, "
        f"90 % below {np.quantile(costs, 0.9):.1f}"
    )
