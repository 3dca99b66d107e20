"""Does the doctor cure sick trainings, and leave healthy ones alone?

    python benchmarks/diagnosis.py --out /tmp/diagnosis --jobs 2
    python benchmarks/cures.py --recordings /tmp/diagnosis --out /tmp/cures --jobs 2
    python benchmarks/cures.py --recordings /tmp/diagnosis --out /tmp/cures --table

The sick trainings are those of `diagnosis.py` in which the fault is present by behaviour, with a
finding; the healthy ones have their dial at the healthy end. `errorflow.callbacks.doctor` treats
each with `first_cure` and three seeds. A training counts as cured only if the doctor names a cure,
and two fresh seeds confirm it: the finding is gone with both, and both figures are better than that
of each untreated seed. Half of the healthy ones get remedies forced upon them (`remedies=`), and so
do trainings with a finding that does no harm.

Cost: the time of all the doctor's trainings, divided by two workers, relative to one untreated
training. The same command goes on where it was stopped.
"""

import argparse
import json
import multiprocessing
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, required=True, help="`--out` of diagnosis.py")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--sick", type=int, default=100, help="number of sick trainings")
    parser.add_argument("--healthy", type=int, default=40, help="number of healthy ones")
    parser.add_argument("--harmless", type=int, default=20, help="with a finding that does no harm")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="trainings whose name has a text")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--table", action="store_true", help="only print what is recorded")
    return parser.parse_args()


def main():
    args = options()
    from cures_parts import cases, report

    found = cases.choose(args)
    if not found:
        sys.exit(f"cures: {args.recordings} has no recordings of the seeds {args.seeds}")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "cures.jsonl"
    if not args.table:
        run_all(found, path, args.jobs)
    report.print_all(cases.read(path), found)


def run_all(found, path: Path, jobs: int) -> None:
    from cures_parts import cases

    done = {cases.key(row) for row in cases.read(path)}
    waiting = [case for case in found if cases.key(case) not in done]
    # A pool of concurrent.futures hangs when its processes have done their tasks (CPython 115634).
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=8) as processes:
        for count, row in enumerate(processes.imap_unordered(treat, waiting), 1):
            if "failure" not in row:
                with path.open("a") as file:  # after a line that was not finished, a new one
                    file.write(f"\n{json.dumps(row)}\n")
            result = row.get("failure") or row["outcome"]
            print(f"{count} of {len(waiting)}: {result}", file=sys.stderr, flush=True)


def treat(case: dict) -> dict:
    """Run the doctor on a training, in this process; what fails is a row with "failure"."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from cures_parts.treating import treat

    try:
        return treat(case)
    except Exception as error:
        return case | {"failure": f"{case['name']}, {case['level']}: {error!r}"}


if __name__ == "__main__":
    main()
