"""Do the findings name the fault that a training has, and no other?

    python benchmarks/findings.py                     # 4 runs of each training, seeds 100 to 103
    python benchmarks/findings.py --first 0 --runs 3  # those that the thresholds were chosen on

Small trainings are built to have one known fault, or none. The seed of a run decides its sizes,
initial weights and data. For each fault the script prints the number of runs, the number of runs in
which the findings name that fault and nothing else, and the wrong findings.
"""

import argparse
import collections
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--runs", type=int, default=4, help="number of runs of each training")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of trainings")
    return parser.parse_args()


def kinds_of(training, seed):
    """Run a training, and return the kinds of its findings."""
    import keras
    import numpy as np

    if sys.stderr.isatty():
        print(f"\r\033[K{training.__name__} {seed}", end="", file=sys.stderr)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return training(np.random.default_rng(seed))


def main():
    args = options()
    import faulty_at_every_step  # noqa: F401  registers its trainings, too
    from faulty_trainings import TRAININGS

    counts, mistakes = collections.defaultdict(collections.Counter), []
    for expected, training in TRAININGS:
        if args.only and training.__name__ not in args.only:
            continue
        for seed in range(args.first, args.first + args.runs):
            kinds = kinds_of(training, seed)
            count = counts[", ".join(sorted(expected)) or "none"]
            count["runs"] += 1
            count["right"] += kinds == expected
            count.update(f"also {kind}" for kind in kinds - expected)
            count.update(f"not {kind}" for kind in expected - kinds)
            if kinds != expected:
                words = ", ".join(sorted(kinds)) or "none"
                mistakes.append(f"{training.__name__}, seed {seed}: {words}")
    print(f"{'fault':28} runs right  wrong findings")
    for fault, count in counts.items():
        wrong = ", ".join(f"{key} {n}" for key, n in count.items() if key not in ("runs", "right"))
        print(f"{fault:28} {count['runs']:4} {count['right']:5}  {wrong}")
    print(*mistakes, sep="\n")


if __name__ == "__main__":
    main()
