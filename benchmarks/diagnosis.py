"""How well do findings tell sick trainings from healthy ones, beside the published rules of others?

    python benchmarks/diagnosis.py --out /tmp/diagnosis --jobs 2              # seeds 100 to 102
    python benchmarks/diagnosis.py --out /tmp/choosing --seeds 0 1 2      # for thresholds
    python benchmarks/diagnosis.py --out /tmp/diagnosis --table               # trains nothing

Small trainings have a dial that makes a fault worse. Whether the fault is present is decided by
behaviour: it is, if the same training with the dial at the healthy end and the same seed has a
better validation figure, by more than the spread of the healthy end over the seeds. The recordings
are files in `--out`, one line for each training; the same command goes on where it was stopped.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="trainings whose name has a text")
    parser.add_argument("--table", action="store_true", help="only print what is recorded")
    return parser.parse_args()


def read(folder: Path) -> list[dict]:
    """Return the recordings in a folder; a line that is not complete is left out."""
    rows = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def chosen(only):
    """Return the trainings whose name has one of the texts; None: all."""
    from diagnosis_parts.catalogue import catalogue

    return [t for t in catalogue() if not only or any(text in t.name for text in only)]


def file_of(folder: Path, name: str) -> Path:
    return folder / (name.replace(" / ", "--").replace(" ", "-").replace(",", "") + ".jsonl")


def record(name: str, folder: Path, seeds: list[int]) -> None:
    """Run a training with all levels and seeds that are not recorded yet, in this process."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from diagnosis_parts.recording import Workshop

    training = next(t for t in chosen([name]) if t.name == name)
    path, workshop = file_of(folder, name), Workshop()
    done = {(row["level"], row["seed"]) for row in read(folder) if row["name"] == name}
    for level in training.levels:
        for seed in seeds:
            if (level, seed) not in done:
                row = workshop.run(training, level, seed)
                with path.open("a") as file:  # after a line that was not finished, a new one
                    file.write(f"\n{json.dumps(row)}\n")


def record_all(args) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    names = [training.name for training in chosen(args.only)]
    processes = concurrent.futures.ProcessPoolExecutor(
        args.jobs, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    )
    with processes:
        running = {processes.submit(record, name, args.out, args.seeds): name for name in names}
        for count, done in enumerate(concurrent.futures.as_completed(running), 1):
            state = f"failed, {done.exception()!r}" if done.exception() else "recorded"
            print(f"{count} of {len(names)}: {running[done]}: {state}", file=sys.stderr, flush=True)


def print_table(rows: list[dict]) -> None:
    from diagnosis_parts import table

    trainings = chosen(None)
    judged = table.judged(rows, trainings)
    print(f"{len(judged)} trainings; processor time {sum(r['processor'] for r in rows):.0f} s")
    table.print_faults(judged, trainings)
    table.print_healthy(judged, trainings)


def main():
    args = options()
    if not args.table:
        record_all(args)
    rows = [row for row in read(args.out) if row["seed"] in args.seeds]
    if not rows:
        sys.exit(f"diagnosis: {args.out} has no recordings of the seeds {args.seeds}")
    print_table(rows)


if __name__ == "__main__":
    main()
